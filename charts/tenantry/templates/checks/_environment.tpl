{{/* Variables that a container would have twice: Kubernetes uses the last one, without a message. */}}
{{- define "tenantry.checks.environment" -}}
{{- range $part, $files := include "tenantry.checks.pods" . | fromYaml }}
{{- with get $.Subcharts $part }}
{{- $values := .Values }}
{{- $extra := list }}
{{- range $values.extraEnv }}
{{- if has .name $extra }}
{{ $part }}.extraEnv has {{ .name }} twice. Remove one of the two.
{{- end }}
{{- $extra = append $extra .name }}
{{- end }}
{{- $reported := list }}
{{- range $file := $files }}
{{- $text := include (printf "%s/charts/%s/templates/%s.yaml" $.Chart.Name $part $file) (index $.Subcharts $part) }}
{{- range splitList "\n---\n" $text }}
{{- $object := fromYaml . }}
{{- if has $object.kind (list "Deployment" "StatefulSet") }}
{{- range $container := $object.spec.template.spec.containers }}
{{- /* The additional variables are the last ones. */}}
{{- $count := sub (len $container.env) (len $extra) | int }}
{{- range slice $container.env 0 $count }}
{{- if and (has .name $extra) (not (has .name $reported)) }}
{{- $reported = append $reported .name }}
{{- if hasKey ($values.settings | default dict) .name }}
{{ $part }}.extraEnv and {{ $part }}.settings both set {{ .name }}. Remove one of the two.
{{- else if .valueFrom }}
{{ $part }}.extraEnv has {{ .name }}, which the chart reads from the Secret {{ .valueFrom.secretKeyRef.name }}. Remove it, and change the key {{ .valueFrom.secretKeyRef.key }} of the Secret.
{{- else }}
{{ $part }}.extraEnv has {{ .name }}, which the chart sets to {{ .value | quote }}. Remove it, and change the value from which the chart derives it.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The templates of pods with additional variables, by their part. */}}
{{- define "tenantry.checks.pods" -}}
operator: [operator]
gateway: [gateway]
file-sync: [file-sync]
n8n: [main, webhook, worker]
open-webui: [open-webui]
qdrant: [qdrant]
keycloak: [keycloak]
{{- end }}
