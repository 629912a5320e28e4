{{/* Numbers of pods. */}}
{{- define "tenantry.checks.scaling" -}}
{{ include "tenantry.checks.each" (dict "values" .Values "path" "" "section" "autoscaling" "check" "tenantry.checks.autoscaler") }}
{{- with .Values.gateway }}
{{- $most := .autoscaling.maxReplicas }}
{{- range $name, $quota := pick . "embeddingsPerMinute" "embeddingTokensPerMinute" }}
{{- if lt (int $quota) (int $most) }}
gateway.{{ $name }} ({{ $quota }}) is below gateway.autoscaling.maxReplicas ({{ $most }}), but the gateways share this quota. Set Bedrock's quota of your account, or lower the maximum.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tenantry.checks.autoscaler" -}}
{{- with .values }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{ $.path }}.minReplicas ({{ .minReplicas }}) is above {{ $.path }}.maxReplicas ({{ .maxReplicas }}). Lower the minimum or raise the maximum.
{{- end }}
{{- if hasKey . "initialReplicas" }}
{{- if lt (int .initialReplicas) (int .minReplicas) }}
{{ $.path }}.initialReplicas ({{ .initialReplicas }}) is below {{ $.path }}.minReplicas ({{ .minReplicas }}). Set it to at least the minimum.
{{- end }}
{{- if gt (int .initialReplicas) (int .maxReplicas) }}
{{ $.path }}.initialReplicas ({{ .initialReplicas }}) is above {{ $.path }}.maxReplicas ({{ .maxReplicas }}). Lower it or raise the maximum.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
