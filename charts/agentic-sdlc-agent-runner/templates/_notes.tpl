{{/* Also shown by the charts that depend on this one. */}}
{{- define "agentic-sdlc-agent-runner.notes" -}}
{{- $namespace := include "agentic-sdlc-agent-runner.namespace" . -}}
{{- $full := include "agentic-sdlc-agent-runner.fullname" . -}}
{{- $form := include "agentic-sdlc-agent-runner.form" . -}}
Attempts are made from PodTemplate {{ $full }} in namespace {{ $namespace }}; nothing runs until one starts.
Image: {{ include "agentic-sdlc-agent-runner.image" . }}. {{ if eq $form "sidecar" -}}
Runner and agent have a container each.
{{- else -}}
WARNING: one container holds runner and agent, so the agent can read the git credentials
{{- if semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version }} (native sidecars begin with Kubernetes 1.29){{ end }}.
{{- end }}

In the repository: .opencode/sdlc-runner.jsonc
  {
    "backend": "kubernetes",
    "kubernetes": { "namespace": "{{ $namespace }}", "pod_template": "{{ $full }}" }
  }

Next:
  {{ if .Values.test.enabled -}}
  helm test {{ .Release.Name }} -n {{ .Release.Namespace }} --logs
  {{- else -}}
  kubectl -n {{ $namespace }} get podtemplate {{ $full }}
  {{- end }}
  sdlc-runner doctor
  sdlc-runner run
{{- range tuple
      (list "git" (include "agentic-sdlc-agent-runner.gitSecretName" .) "token")
      (list "model" (include "agentic-sdlc-agent-runner.modelSecretName" .) "ANTHROPIC_API_KEY") }}
{{- $kind := index . 0 }}
{{- $secret := index . 1 }}
{{- if not $secret }}

WARNING: no {{ $kind }} Secret is named (secrets.{{ $kind }}.existingSecret): attempts have no {{ $kind }} credentials.
{{- else if and (not $.Values.externalSecret.enabled) (not (lookup "v1" "Secret" $namespace $secret)) }}

MISSING: Secret {{ $secret }}; until it is there, pods wait in ContainerCreating:
  kubectl -n {{ $namespace }} create secret generic {{ $secret }} --from-file={{ index . 2 }}=FILE
{{- end }}
{{- end }}
{{- if hasPrefix "registry.example.com/" .Values.pod.image.repository }}

WARNING: pod.image.repository is a placeholder: no node can pull it.
{{- end }}
{{- if not (include "agentic-sdlc-agent-runner.spawners" . | fromJsonArray) }}

Only administrators may start attempts. Name others in spawner.users, .groups or .serviceAccounts.
{{- end }}
{{- if .Values.networkPolicy.enabled }}

Attempts reach only what networkPolicy names. A git host or model at a private address must be added there.
{{- else }}

WARNING: networkPolicy.enabled is false: an agent reaches whatever the cluster reaches.
{{- end }}
{{- if .Values.uninstallGuard.enabled }}

While attempts run, helm uninstall is refused (uninstallGuard.enabled).
{{- end }}
{{- end }}
