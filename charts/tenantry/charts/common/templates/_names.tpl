{{/*
All helpers take a dict that describes a workload:
  top     the scope of its chart
  name    its name after the release's name: gateway, n8n-worker
  role    its component label: api, controller, worker
  values  its section of the values: image, resources, autoscaling ...
*/}}
{{- define "tenantry.name" -}}
{{ .top.Release.Name }}-{{ .name }}
{{- end }}

{{/* The labels that select this workload's pods. They never change, because selectors are immutable. */}}
{{- define "tenantry.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .top.Release.Name }}
{{- end }}

{{/* The labels of pods. They never contain the chart's version, because a changed label restarts every pod. */}}
{{- define "tenantry.pod-labels" -}}
{{ include "tenantry.selector" . }}
app.kubernetes.io/component: {{ .role }}
app.kubernetes.io/part-of: tenantry
{{- end }}

{{- define "tenantry.labels" -}}
{{ include "tenantry.pod-labels" . }}
{{ include "tenantry.release-labels" .top }}
{{- end }}

{{- define "tenantry.release-labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "tenantry.metadata" -}}
name: {{ include "tenantry.name" . }}
namespace: {{ .top.Release.Namespace }}
labels:
  {{- include "tenantry.labels" . | nindent 2 }}
{{- end }}

{{/* The name of a PriorityClass. It is cluster-scoped, so it contains the namespace. Takes top, and name: serving or background. */}}
{{- define "tenantry.priority-class" -}}
{{ .top.Release.Namespace }}-{{ .top.Release.Name }}-{{ .name }}
{{- end }}

{{/* The URLs of other workloads. Take the scope of any chart. */}}
{{- define "tenantry.url.gateway" -}}
http://{{ .Release.Name }}-gateway:8080
{{- end }}
{{- define "tenantry.url.file-sync" -}}
http://{{ .Release.Name }}-file-sync:8080
{{- end }}
{{- define "tenantry.url.qdrant" -}}
{{ .Values.global.qdrant.url | default (printf "%s://%s-qdrant:6333" (include "tenantry.scheme.qdrant" .) .Release.Name) }}
{{- end }}
{{- define "tenantry.scheme.qdrant" -}}
{{ ternary "https" "http" (ne .Values.global.qdrant.tlsSecret "") }}
{{- end }}
{{- define "tenantry.url.open-webui" -}}
http://{{ .Release.Name }}-open-webui:8080
{{- end }}
{{- define "tenantry.url.n8n" -}}
http://{{ .Release.Name }}-n8n:5678
{{- end }}
{{- define "tenantry.url.n8n-webhook" -}}
http://{{ .Release.Name }}-n8n-webhook:5678
{{- end }}
{{- define "tenantry.url.public" -}}
{{ .Values.global.openWebui.url | default (include "tenantry.url.open-webui" .) }}
{{- end }}
{{- define "tenantry.url.keycloak" -}}
{{ .Values.global.keycloak.url | default (printf "http://%s-keycloak:8080" .Release.Name) }}
{{- end }}
{{- define "tenantry.url.issuer" -}}
{{ include "tenantry.url.keycloak" . }}/realms/{{ .Values.global.keycloak.realm }}
{{- end }}

{{/* The host of a database. Takes a list: the scope, postgres or redis, and the host of an external database or "". */}}
{{- define "tenantry.host" -}}
{{ index . 2 | default (printf "%s-%s" (index . 0).Release.Name (index . 1)) }}
{{- end }}
