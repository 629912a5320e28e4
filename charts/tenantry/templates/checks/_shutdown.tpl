{{/* Grace periods. A pod still accepts requests for global.drainSeconds, and the rest of its grace period is for work. */}}
{{- define "tenantry.checks.shutdown" -}}
{{- $drain := int .Values.global.drainSeconds }}
{{- range $path, $need := include "tenantry.checks.shutdown-needs" . | fromYaml }}
{{- $values := $.Values }}
{{- range splitList "." $path }}
{{- $values = get $values . }}
{{- end }}
{{- $least := add $drain $need.seconds | int }}
{{- if lt (int $values.terminationGracePeriodSeconds) $least }}
{{ $path }}.terminationGracePeriodSeconds ({{ $values.terminationGracePeriodSeconds }}) is too short for global.drainSeconds ({{ $drain }}) and {{ $need.work }} ({{ $need.seconds }}). Set it to at least {{ $least }} seconds.
{{- end }}
{{- end }}
{{- end }}

{{/* The work of a terminating pod after its drain, by the path of its values. n8n's own timeout ends ten seconds earlier. */}}
{{- define "tenantry.checks.shutdown-needs" -}}
{{- $question := .Values.gateway.settings.GATEWAY_REQUEST_TIMEOUT_SECONDS | default 90 | float64 | ceil | int }}
{{- $document := .Values.gateway.settings.GATEWAY_INGEST_TIMEOUT_SECONDS | default 600 | float64 | ceil | int }}
gateway: {seconds: {{ add $question 5 }}, work: the longest question}
open-webui: {seconds: {{ $question }}, work: the longest answer}
file-sync: {seconds: 10, work: its running requests}
n8n.main: {seconds: 11, work: its stop}
n8n.webhook: {seconds: {{ add $document 20 }}, work: the longest upload}
n8n.worker: {seconds: {{ add $document 20 }}, work: the longest upload}
qdrant: {seconds: 1, work: its stop}
{{- end }}
