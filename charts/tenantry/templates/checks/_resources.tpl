{{/* Requests and limits of pods and jobs. */}}
{{- define "tenantry.checks.resources" -}}
{{ include "tenantry.checks.each" (dict "values" .Values "path" "" "section" "resources" "check" "tenantry.checks.requests") }}
{{- end }}

{{- define "tenantry.checks.requests" -}}
{{- $limits := .values.limits | default dict }}
{{- range $resource, $request := .values.requests }}
{{- with get $limits $resource }}
{{- if gt (include "tenantry.quantity" $request | float64) (include "tenantry.quantity" . | float64) }}
{{ $.path }}.requests.{{ $resource }} ({{ $request }}) is above {{ $.path }}.limits.{{ $resource }} ({{ . }}). Lower the request or raise the limit.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
