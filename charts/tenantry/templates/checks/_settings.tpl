{{/* Settings of the services that depend on each other. */}}
{{- define "tenantry.checks.settings" -}}
{{- $gateway := .Values.gateway.settings | default dict }}
{{- $files := index .Values "file-sync" "settings" | default dict }}
{{- $operator := .Values.operator.settings | default dict }}
{{- $overlap := $gateway.GATEWAY_CHUNK_OVERLAP_TOKENS | default 54 | int }}
{{- $chunk := $gateway.GATEWAY_CHUNK_TOKENS | default 360 | int }}
{{- if ge $overlap $chunk }}
gateway.settings.GATEWAY_CHUNK_OVERLAP_TOKENS ({{ $overlap }}) is not below gateway.settings.GATEWAY_CHUNK_TOKENS ({{ $chunk }}). Set a smaller overlap.
{{- end }}
{{- $ingest := $gateway.GATEWAY_INGEST_TIMEOUT_SECONDS | default 600 | float64 }}
{{- $wait := $files.FILE_SYNC_INGEST_TIMEOUT_SECONDS | default 660 | float64 }}
{{- if ge $ingest $wait }}
gateway.settings.GATEWAY_INGEST_TIMEOUT_SECONDS ({{ $ingest }}) is not below file-sync.settings.FILE_SYNC_INGEST_TIMEOUT_SECONDS ({{ $wait }}), so file-sync would repeat an ingest that still runs. Raise the second.
{{- end }}
{{- $accepted := $gateway.GATEWAY_DOCUMENT_BYTES | default 52428800 | int64 }}
{{- $sent := $files.FILE_SYNC_DOCUMENT_BYTES | default 52428800 | int64 }}
{{- if gt $sent $accepted }}
file-sync.settings.FILE_SYNC_DOCUMENT_BYTES ({{ $sent }}) is above gateway.settings.GATEWAY_DOCUMENT_BYTES ({{ $accepted }}), so the gateway would refuse documents that file-sync stores. Set both to the same number.
{{- end }}
{{- $poll := $files.FILE_SYNC_POLL_INTERVAL_SECONDS | default 10 | float64 }}
{{- $full := $files.FILE_SYNC_FULL_SYNC_INTERVAL_SECONDS | default 900 | float64 }}
{{- if gt $poll $full }}
file-sync.settings.FILE_SYNC_POLL_INTERVAL_SECONDS ({{ $poll }}) is above file-sync.settings.FILE_SYNC_FULL_SYNC_INTERVAL_SECONDS ({{ $full }}). Poll at least as often.
{{- end }}
{{- $retry := $operator.OPERATOR_RETRY_DELAY_SECONDS | default 1 | float64 }}
{{- $longest := $operator.OPERATOR_RETRY_MAX_DELAY_SECONDS | default 60 | float64 }}
{{- if gt $retry $longest }}
operator.settings.OPERATOR_RETRY_DELAY_SECONDS ({{ $retry }}) is above operator.settings.OPERATOR_RETRY_MAX_DELAY_SECONDS ({{ $longest }}). Lower the first pause.
{{- end }}
{{- if .Values.n8n.enabled }}
{{- range $setting, $limit := dict "GATEWAY_INGEST_TIMEOUT_SECONDS" 610 "GATEWAY_REQUEST_TIMEOUT_SECONDS" 100 }}
{{- if ge (get $gateway $setting | default 0 | float64) (float64 $limit) }}
gateway.settings.{{ $setting }} ({{ get $gateway $setting }}) is not below the {{ $limit }} seconds for which n8n waits, and n8n.enabled is true. Set it below {{ $limit }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Monitoring. */}}
{{- define "tenantry.checks.monitoring" -}}
{{- if and (eq (toString .Values.monitoring.enabled) "true") (not (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}
monitoring.enabled is true, but this cluster has no monitoring.coreos.com/v1, the API of prometheus-operator. Install its CRDs first, or set monitoring.enabled to auto or false. For helm template, add --api-versions monitoring.coreos.com/v1.
{{- end }}
{{- if and (eq (toString .Values.monitoring.enabled) "true") (not .Values.global.network.monitoringNamespace) }}
monitoring.enabled is true, but global.network.monitoringNamespace is empty, so the network policies keep Prometheus out. Set the namespace of your Prometheus.
{{- end }}
{{- $interval := .Values.monitoring.interval }}
{{- $seconds := mul (trimSuffix "s" $interval | trimSuffix "m" | int) (hasSuffix "m" $interval | ternary 60 1) }}
{{- if and (gt (int $seconds) 120) (ne (toString .Values.monitoring.enabled) "false") }}
monitoring.interval ({{ $interval }}) is above 2m, but the alerts that monitoring.enabled creates compare samples of five minutes. Set at most 2m.
{{- end }}
{{- end }}
