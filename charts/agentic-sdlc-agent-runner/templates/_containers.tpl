{{/* Image, argument and rights of one container: include "...container" (list . ROLE) */}}
{{- define "agentic-sdlc-agent-runner.container" -}}
{{- $root := index . 0 -}}
image: {{ include "agentic-sdlc-agent-runner.image" $root | quote }}
imagePullPolicy: {{ $root.Values.pod.image.pullPolicy }}
args: [{{ index . 1 }}]
securityContext:
  {{- include "agentic-sdlc-agent-runner.containerSecurity" $root | nindent 2 }}
{{- end }}

{{- define "agentic-sdlc-agent-runner.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- define "agentic-sdlc-agent-runner.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "agentic-sdlc-agent-runner.opencodeEnv" -}}
- name: OPENCODE_CONFIG_CONTENT
  valueFrom:
    configMapKeyRef:
      name: {{ include "agentic-sdlc-agent-runner.fullname" . }}
      key: opencode.json
{{- end }}

{{/* How hosts are reached and trusted. */}}
{{- define "agentic-sdlc-agent-runner.networkEnv" -}}
{{- include "agentic-sdlc-agent-runner.caEnv" . }}
{{- include "agentic-sdlc-agent-runner.proxyEnv" . }}
{{- end }}

{{- define "agentic-sdlc-agent-runner.caEnv" -}}
{{- if .Values.pod.caBundle }}
{{- range tuple "GIT_SSL_CAINFO" "NODE_EXTRA_CA_CERTS" "SSL_CERT_FILE" }}
- name: {{ . }}
  value: /etc/sdlc-runner-ca/ca.crt
{{- end }}
{{- end }}
{{- end }}

{{/* The proxy on the way out. The runner speaks to the agent on the loopback interface, never by it. */}}
{{- define "agentic-sdlc-agent-runner.proxyEnv" -}}
{{- with .Values.egressProxy }}
{{- if .url }}
{{- $direct := concat (list "127.0.0.1" "localhost" "::1") (.noProxy | default list) | uniq | join "," }}
{{- range $name, $value := dict "HTTP_PROXY" .url "HTTPS_PROXY" .url "NO_PROXY" $direct }}
{{- range tuple $name (lower $name) }}
- name: {{ . }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Mounts that both sides have. */}}
{{- define "agentic-sdlc-agent-runner.sharedMounts" -}}
- name: workspace
  mountPath: /workspace
- name: spec
  mountPath: /etc/sdlc-runner
  readOnly: true
{{- if include "agentic-sdlc-agent-runner.modelSecretName" . }}
- name: model-keys
  mountPath: /secrets/model
  readOnly: true
{{- end }}
- name: server-password
  mountPath: /secrets/server
  readOnly: true
{{- if .Values.pod.caBundle }}
- name: ca-bundle
  mountPath: /etc/sdlc-runner-ca
  readOnly: true
{{- end }}
{{- end }}

{{/* Mounts that only the git side has. */}}
{{- define "agentic-sdlc-agent-runner.runnerMounts" -}}
- name: attempt
  mountPath: /attempt
{{- if include "agentic-sdlc-agent-runner.gitSecretName" . }}
- name: git-credentials
  mountPath: /secrets/git
  readOnly: true
{{- end }}
{{- with .Values.runner.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Mounts that only the agent's side has. */}}
{{- define "agentic-sdlc-agent-runner.agentMounts" -}}
- name: home
  mountPath: /home/agent
- name: tmp
  mountPath: /tmp
{{- with .Values.agent.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "agentic-sdlc-agent-runner.volumes" -}}
{{- range $name := tuple "workspace" "attempt" "home" "tmp" }}
- name: {{ $name }}
  emptyDir:
    sizeLimit: {{ get $.Values.pod.volumes $name }}
{{- end }}
- name: spec
  downwardAPI:
    items:
      - path: spec.json
        fieldRef:
          fieldPath: metadata.annotations['sdlc-runner/spec']
{{- include "agentic-sdlc-agent-runner.secretVolumes" . }}
{{- with .Values.pod.caBundle }}
- name: ca-bundle
  configMap:
    name: {{ . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- with .Values.pod.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "agentic-sdlc-agent-runner.secretVolumes" -}}
{{- $names := dict
      "git-credentials" (include "agentic-sdlc-agent-runner.gitSecretName" .)
      "model-keys" (include "agentic-sdlc-agent-runner.modelSecretName" .)
      "server-password" (include "agentic-sdlc-agent-runner.serverSecretName" .) }}
{{- range $volume, $secret := $names }}
{{- if $secret }}
- name: {{ $volume }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end }}

{{/* Where an attempt may run. */}}
{{- define "agentic-sdlc-agent-runner.placement" -}}
{{- with .Values.pod.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- range $key := tuple "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" }}
{{- with get $.Values.pod $key }}
{{ dict $key . | toYaml }}
{{- end }}
{{- end }}
{{- end }}
