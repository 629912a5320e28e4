{{/*
All helpers take a dict that describes a workload:
  top     the scope of its chart
  name    its name after the release's name: gateway, n8n-worker
  role    its component label: api, controller, worker
  values  its section of the values: image, resources, autoscaling ...
*/}}
{{- define "tenantry.name" -}}
{{ include "tenantry.fullname" .top }}-{{ .name }}
{{- end }}

{{/*
The beginning of all names: the release's name, or an override. Names of Services and Jobs have at most 63 characters, and
those of StatefulSets 52. So a beginning of more than 35 characters is shortened, and a hash keeps it unique. The same
happens to a release's name that cannot begin the name of a Service. Takes the scope of any chart.
*/}}
{{- define "tenantry.fullname" -}}
{{- $name := .Release.Name -}}
{{- with .Values.global.nameOverride -}}
{{- if not (contains . $name) -}}
{{- $name = printf "%s-%s" $name . -}}
{{- end -}}
{{- end -}}
{{- $name = .Values.global.fullnameOverride | default $name -}}
{{- if regexMatch "^[a-z][-a-z0-9]{0,34}$" $name -}}
{{ $name }}
{{- else -}}
{{- $letters := $name | replace "." "-" | regexFind "[a-z].*" | default "release" -}}
{{ $letters | trunc 26 | trimSuffix "-" }}-{{ $name | sha256sum | trunc 8 }}
{{- end -}}
{{- end }}

{{/* The labels that select this workload's pods. They never change, because selectors are immutable. */}}
{{- define "tenantry.selector" -}}
app.kubernetes.io/name: {{ .name | quote }}
app.kubernetes.io/instance: {{ .top.Release.Name | quote }}
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
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." }}
{{- end }}

{{- define "tenantry.metadata" -}}
name: {{ include "tenantry.name" . }}
namespace: {{ .top.Release.Namespace | quote }}
labels:
  {{- include "tenantry.labels" . | nindent 2 }}
{{- end }}

{{/* The name of a PriorityClass. It is cluster-scoped, so it contains the namespace. Takes top, and name: serving or background. */}}
{{- define "tenantry.priority-class" -}}
{{ .top.Release.Namespace }}-{{ include "tenantry.name" . }}
{{- end }}

{{/* The URLs of other workloads. Take the scope of any chart. */}}
{{- define "tenantry.url.gateway" -}}
http://{{ include "tenantry.fullname" . }}-gateway:8080
{{- end }}
{{- define "tenantry.url.file-sync" -}}
http://{{ include "tenantry.fullname" . }}-file-sync:8080
{{- end }}
{{- define "tenantry.url.qdrant" -}}
{{ .Values.global.qdrant.url | default (printf "%s://%s-qdrant:6333" (include "tenantry.scheme.qdrant" .) (include "tenantry.fullname" .)) }}
{{- end }}
{{- define "tenantry.scheme.qdrant" -}}
{{ ternary "https" "http" (ne .Values.global.qdrant.tlsSecret "") }}
{{- end }}
{{- define "tenantry.url.open-webui" -}}
http://{{ include "tenantry.fullname" . }}-open-webui:8080
{{- end }}
{{- define "tenantry.url.n8n" -}}
http://{{ include "tenantry.fullname" . }}-n8n:5678
{{- end }}
{{- define "tenantry.url.n8n-webhook" -}}
http://{{ include "tenantry.fullname" . }}-n8n-webhook:5678
{{- end }}
{{- define "tenantry.url.public" -}}
{{ .Values.global.openWebui.url | default (include "tenantry.url.open-webui" .) }}
{{- end }}
{{- define "tenantry.url.keycloak" -}}
{{ .Values.global.keycloak.url | default (printf "http://%s-keycloak:8080" (include "tenantry.fullname" .)) }}
{{- end }}
{{- define "tenantry.url.issuer" -}}
{{ include "tenantry.url.keycloak" . }}/realms/{{ .Values.global.keycloak.realm }}
{{- end }}

{{/* The host of a database. Takes a list: the scope, postgres or redis, and the host of an external database or "". */}}
{{- define "tenantry.host" -}}
{{ index . 2 | default (printf "%s-%s" (include "tenantry.fullname" (index . 0)) (index . 1)) }}
{{- end }}
