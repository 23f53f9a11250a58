{{/* Combinations that cannot work stop here, with a sentence that says what to do. */}}
{{- define "agentic-sdlc-agent-runner.checks" -}}
{{- include "agentic-sdlc-agent-runner.checkPod" . -}}
{{- include "agentic-sdlc-agent-runner.checkVolumes" . -}}
{{- include "agentic-sdlc-agent-runner.checkLabels" . -}}
{{- include "agentic-sdlc-agent-runner.checkSecrets" . -}}
{{- include "agentic-sdlc-agent-runner.checkSpawner" . -}}
{{- include "agentic-sdlc-agent-runner.checkOpencode" . -}}
{{- include "agentic-sdlc-agent-runner.checkNetwork" . -}}
{{- include "agentic-sdlc-agent-runner.checkProxy" . -}}
{{- if and .Values.resourceQuota.enabled (not .Values.resourceQuota.hard) -}}
{{- fail "resourceQuota.enabled is true and resourceQuota.hard is empty: name a bound, or set enabled to false." -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.checkPod" -}}
{{- $version := .Capabilities.KubeVersion.Version -}}
{{- if and (eq .Values.agent.form "sidecar") (semverCompare "<1.29.0-0" $version) -}}
{{- fail (printf "agent.form is sidecar and the cluster is %s: native sidecars begin with 1.29; set agent.form to auto or single." $version) -}}
{{- end -}}
{{- if and (eq .Values.pod.image.tag "latest") (not .Values.pod.image.digest) -}}
{{- fail "pod.image.tag is latest: no one could say later what an attempt ran; name a version, or set pod.image.digest." -}}
{{- end -}}
{{- $reserved := tuple "HOME" "TMPDIR" "OPENCODE_CONFIG_CONTENT" "OPENCODE_SERVER_PASSWORD" -}}
{{- range $side := tuple "agent" "runner" -}}
{{- range (get $.Values $side).extraEnv -}}
{{- if or (has .name $reserved) (hasPrefix "SDLC_RUNNER_" .name) -}}
{{- fail (printf "%s.extraEnv sets %s, which the chart or the runner sets: take it out." $side .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.checkVolumes" -}}
{{- $ours := tuple "workspace" "attempt" "home" "tmp" "spec" "git-credentials" "model-keys" "server-password" "ca-bundle" -}}
{{- $theirs := list -}}
{{- range .Values.pod.extraVolumes -}}
{{- if has .name $ours -}}
{{- fail (printf "pod.extraVolumes has a volume %s, and the chart has one of that name: rename it." .name) -}}
{{- end -}}
{{- $theirs = append $theirs .name -}}
{{- end -}}
{{- range $side := tuple "agent" "runner" -}}
{{- range (get $.Values $side).extraVolumeMounts -}}
{{- if not (has .name $theirs) -}}
{{- fail (printf "%s.extraVolumeMounts names the volume %s, which is none of pod.extraVolumes: add it there, or take the mount out." $side .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.checkLabels" -}}
{{- $ours := include "agentic-sdlc-agent-runner.labels" (dict "Chart" .Chart "Release" .Release "Values" dict) | fromYaml -}}
{{- range $label, $_ := .Values.commonLabels -}}
{{- if or (hasKey $ours $label) (eq $label "app.kubernetes.io/component") -}}
{{- fail (printf "commonLabels sets %s, which the chart sets: take it out." $label) -}}
{{- end -}}
{{- end -}}
{{- range $label, $_ := .Values.pod.labels -}}
{{- if or (hasKey $ours $label) (hasPrefix "sdlc-runner/" $label) (eq $label "kueue.x-k8s.io/queue-name") -}}
{{- fail (printf "pod.labels sets %s, which the chart or the runner sets: take it out (the queue is kueue.queueName)." $label) -}}
{{- end -}}
{{- end -}}
{{- range $annotation, $_ := .Values.pod.annotations -}}
{{- if or (hasPrefix "sdlc-runner/" $annotation) (eq $annotation "kubectl.kubernetes.io/default-container") -}}
{{- fail (printf "pod.annotations sets %s, which the chart or the runner sets: take it out." $annotation) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.checkSecrets" -}}
{{- $external := .Values.externalSecret -}}
{{- $secrets := .Values.secrets -}}
{{- $fetched := dict "server" $external.remoteRef.key "git" $external.git "model" $external.model -}}
{{- range $name, $wanted := $fetched -}}
{{- $value := ternary "remoteRef.key" $name (eq $name "server") -}}
{{- if and $wanted (not $external.enabled) -}}
{{- fail (printf "externalSecret.%s is set and externalSecret.enabled is false: set enabled to true, or take it out." $value) -}}
{{- end -}}
{{- if and $wanted (get $secrets $name).existingSecret -}}
{{- fail (printf "secrets.%s.existingSecret and externalSecret.%s are both set: keep the one that holds." $name $value) -}}
{{- end -}}
{{- end -}}
{{- if and $external.remoteRef.property (not $external.remoteRef.key) -}}
{{- fail "externalSecret.remoteRef.property is set and externalSecret.remoteRef.key is empty: name the entry, or take the property out." -}}
{{- end -}}
{{- if $external.enabled -}}
{{- if not (or $external.remoteRef.key $external.git $external.model) -}}
{{- fail "externalSecret.enabled is true and there is nothing to fetch: set externalSecret.remoteRef.key, .git or .model, or set enabled to false." -}}
{{- end -}}
{{- if not $external.secretStore.name -}}
{{- fail "externalSecret.enabled is true and externalSecret.secretStore.name is empty: name the store." -}}
{{- end -}}
{{- $git := $external.git | default dict -}}
{{- if and (hasKey $git "ssh-privatekey") (not (hasKey $git "known_hosts")) -}}
{{- fail "externalSecret.git has ssh-privatekey and no known_hosts: without it the host's key cannot be checked; add it." -}}
{{- end -}}
{{- if and $git (not (or (hasKey $git "token") (hasKey $git "ssh-privatekey"))) -}}
{{- fail "externalSecret.git has neither token nor ssh-privatekey: the runner could not push; add one." -}}
{{- end -}}
{{- end -}}
{{- if not (or $secrets.server.generate $secrets.server.existingSecret $external.remoteRef.key) -}}
{{- fail "No source of the server password: set secrets.server.existingSecret or externalSecret.remoteRef.key, or secrets.server.generate to true." -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.checkSpawner" -}}
{{- $subjects := include "agentic-sdlc-agent-runner.spawners" . | fromJsonArray -}}
{{- if and $subjects (not .Values.spawner.create) -}}
{{- fail "spawner.create is false and spawner names users, groups or serviceAccounts: there is no Role to give them; set create to true, or take them out." -}}
{{- end -}}
{{- if and .Values.serviceAccount.annotations (not .Values.serviceAccount.create) -}}
{{- fail "serviceAccount.annotations is set and serviceAccount.create is false: there is nothing to annotate; set create to true, or take them out." -}}
{{- end -}}
{{- $namespace := include "agentic-sdlc-agent-runner.namespace" . -}}
{{- $own := include "agentic-sdlc-agent-runner.serviceAccountName" . -}}
{{- range .Values.spawner.serviceAccounts -}}
{{- if and (eq .name $own) (eq (default $namespace .namespace) $namespace) -}}
{{- fail (printf "spawner.serviceAccounts names %s, the attempts' own ServiceAccount: an agent must not start agents; name another." $own) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.checkOpencode" -}}
{{- $opencode := .Values.opencode -}}
{{- $own := dict
      "model" "opencode.model" "small_model" "opencode.smallModel" "provider" "opencode.providers"
      "enabled_providers" "opencode.enabledProviders" "permission" "" "autoupdate" "" "share" "" "snapshot" "" "$schema" "" -}}
{{- range $key, $_ := $opencode.config -}}
{{- if hasKey $own $key -}}
{{- fail (printf "opencode.config sets %s: %s." $key (get $own $key | default "the runner sets that; take it out" | replace "opencode." "use opencode.")) -}}
{{- end -}}
{{- end -}}
{{- range $key := tuple "model" "smallModel" -}}
{{- $provider := get $opencode $key | splitList "/" | first -}}
{{- if and $provider $opencode.enabledProviders (not (has $provider $opencode.enabledProviders)) -}}
{{- fail (printf "opencode.%s is of the provider %s, which opencode.enabledProviders leaves out: add it there." $key $provider) -}}
{{- end -}}
{{- end -}}
{{- $secret := "(?i)\"[a-z-]*(key|token|secret|password|authorization)\":\"[^\"]+\"" -}}
{{- range regexFindAll $secret (dict "a" $opencode.providers "b" $opencode.config | toRawJson) -1 -}}
{{- if not (or (contains "{env:" .) (contains "{file:" .)) -}}
{{- fail (printf "opencode has a value for %s in it, and a ConfigMap is no place for secrets: write {env:NAME}, NAME being a key of the model Secret." (splitList ":" . | first)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.checkNetwork" -}}
{{- range include "agentic-sdlc-agent-runner.destinations" . | fromJsonArray -}}
{{- if and (hasPrefix "169.254." (default "" .cidr)) (ge (splitList "/" .cidr | last | int) 16) -}}
{{- fail (printf "networkPolicy allows %s: clouds answer there with credentials, so that network is always shut off; take it out." .cidr) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.checkProxy" -}}
{{- $url := .Values.egressProxy.url -}}
{{- $policy := .Values.networkPolicy -}}
{{- if contains "@" $url -}}
{{- fail "egressProxy.url has a user or a password in it, and the agent could read them: name a proxy that takes these pods without, and take them out." -}}
{{- end -}}
{{- if and $url $policy.enabled (not $policy.proxy) -}}
{{- fail "egressProxy.url is set and networkPolicy.proxy is empty: no attempt could reach the proxy; name its address or pods, and its port." -}}
{{- end -}}
{{- if and (not $url) (or $policy.proxy .Values.egressProxy.noProxy) -}}
{{- fail "networkPolicy.proxy or egressProxy.noProxy is set and egressProxy.url is empty: name the proxy, or take them out." -}}
{{- end -}}
{{- range $side := tuple "agent" "runner" -}}
{{- range (get $.Values $side).extraEnv -}}
{{- if and $url (has (upper .name) (tuple "HTTP_PROXY" "HTTPS_PROXY" "NO_PROXY")) -}}
{{- fail (printf "%s.extraEnv sets %s, which egressProxy sets: take it out." $side .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
