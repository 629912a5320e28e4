{{/* Requests and limits of pods and jobs, and the sizes of volumes. */}}
{{- define "tenantry.checks.resources" -}}
{{ include "tenantry.checks.each" (dict "values" .Values "path" "" "section" "resources" "check" "tenantry.checks.requests") }}
{{ include "tenantry.checks.each" (dict "values" .Values "path" "" "section" "storage" "check" "tenantry.checks.volume") }}
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
{{- range $section, $quantities := pick .values "requests" "limits" }}
{{- range $resource, $quantity := $quantities }}
{{- $amount := include "tenantry.quantity" $quantity | float64 }}
{{- $path := printf "%s.%s.%s" $.path $section $resource }}
{{- if and (eq $resource "cpu") (gt $amount 192.0) }}
{{ $path }} ({{ $quantity }}) is more than 192 CPUs. If you mean thousandths of a CPU, write {{ $quantity }}m.
{{- else if and (ne $resource "cpu") (lt $amount 1048576.0) }}
{{ $path }} ({{ $quantity }}) is less than a mebibyte. Write the unit: {{ regexFind "^[0-9.]+" (toString $quantity) }}Mi.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tenantry.checks.volume" -}}
{{- with .values.size }}
{{- if lt (include "tenantry.quantity" . | float64) 1048576.0 }}
{{ $.path }}.size ({{ . }}) is less than a mebibyte. Write the unit: {{ regexFind "^[0-9.]+" (toString .) }}Gi.
{{- end }}
{{- end }}
{{- end }}
