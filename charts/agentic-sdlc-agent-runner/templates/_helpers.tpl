{{/* Name of the pod template, and the start of all other names. */}}
{{- define "agentic-sdlc-agent-runner.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- regexReplaceAll "[.-]+$" (default $full .Values.fullnameOverride | trunc 63) "" -}}
{{- end }}

{{/* A name with an ending that is never cut off; what is cut off before it becomes a hash, so that two
     long names stay two: include "agentic-sdlc-agent-runner.named" (list . "spawner") */}}
{{- define "agentic-sdlc-agent-runner.named" -}}
{{- $suffix := index . 1 -}}
{{- $full := include "agentic-sdlc-agent-runner.fullname" (index . 0) -}}
{{- if gt (add (len $full) 1 (len $suffix)) 63 -}}
{{- $start := regexReplaceAll "[.-]+$" ($full | trunc (int (sub 55 (len $suffix)))) "" -}}
{{- $full = printf "%s-%s" $start (sha256sum $full | trunc 6) -}}
{{- end -}}
{{- printf "%s-%s" $full $suffix -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.namespace" -}}
{{- default .Release.Namespace .Values.namespace.name -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* name, namespace and labels: include "agentic-sdlc-agent-runner.metadata" (list . NAME) */}}
{{- define "agentic-sdlc-agent-runner.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
namespace: {{ include "agentic-sdlc-agent-runner.namespace" $root }}
labels:
  {{- include "agentic-sdlc-agent-runner.labels" $root | nindent 2 }}
{{- end }}

{{/* What every attempt carries, whichever template it was made from. Never app.kubernetes.io/instance:
     by that label Argo CD may take Jobs for its own, and prune them. */}}
{{- define "agentic-sdlc-agent-runner.attemptLabels" -}}
app.kubernetes.io/name: agentic-sdlc-agent-runner
app.kubernetes.io/managed-by: sdlc-runner
{{- end }}

{{- define "agentic-sdlc-agent-runner.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "agentic-sdlc-agent-runner.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* Names of Secrets; empty where there is none. */}}
{{- define "agentic-sdlc-agent-runner.gitSecretName" -}}
{{- if and .Values.externalSecret.enabled .Values.externalSecret.git -}}
{{- include "agentic-sdlc-agent-runner.named" (list . "git-credentials") -}}
{{- else -}}
{{- .Values.secrets.git.existingSecret -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.modelSecretName" -}}
{{- if and .Values.externalSecret.enabled .Values.externalSecret.model -}}
{{- include "agentic-sdlc-agent-runner.named" (list . "model-keys") -}}
{{- else -}}
{{- .Values.secrets.model.existingSecret -}}
{{- end -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.serverSecretName" -}}
{{- default (include "agentic-sdlc-agent-runner.named" (list . "server-password")) .Values.secrets.server.existingSecret -}}
{{- end }}

{{- define "agentic-sdlc-agent-runner.image" -}}
{{- with .Values.pod.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* "sidecar" or "single". */}}
{{- define "agentic-sdlc-agent-runner.form" -}}
{{- if ne .Values.agent.form "auto" -}}
{{- .Values.agent.form -}}
{{- else -}}
{{- ternary "single" "sidecar" (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end }}

{{/* All that get the spawner Role, as JSON; a list may also be null. */}}
{{- define "agentic-sdlc-agent-runner.spawners" -}}
{{- $spawner := .Values.spawner -}}
{{- concat ($spawner.users | default list) ($spawner.groups | default list) ($spawner.serviceAccounts | default list) | toJson -}}
{{- end }}
