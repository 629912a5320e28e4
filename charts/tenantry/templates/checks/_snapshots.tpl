{{/* Times of Qdrant's snapshots. */}}
{{- define "tenantry.checks.snapshots" -}}
{{- with .Values.qdrant.snapshots }}
{{- if and .enabled $.Values.qdrant.enabled }}
{{- $fields := splitList " " .schedule }}
{{- $minute := index $fields 0 }}
{{- $hour := index $fields 1 }}
{{- $seconds := 0 }}
{{- if regexMatch `^\*(/[0-9]+)?$` $hour }}
{{- $seconds = regexFind "[0-9]+" $hour | default "1" | int | mul 3600 }}
{{- end }}
{{- if and (eq $hour "*") (regexMatch `^\*(/[0-9]+)?$` $minute) }}
{{- $seconds = regexFind "[0-9]+" $minute | default "1" | int | mul 60 }}
{{- end }}
{{- if and $seconds (gt (int64 .activeDeadlineSeconds) (int64 $seconds)) }}
qdrant.snapshots.activeDeadlineSeconds ({{ int64 .activeDeadlineSeconds }}) is above the {{ $seconds }} seconds between two times of qdrant.snapshots.schedule ({{ .schedule }}), so a slow snapshot would replace the next one. Lower the deadline, or schedule fewer snapshots.
{{- end }}
{{- $monthly := and (regexMatch "^[0-9]+$" (index $fields 2)) (eq (index $fields 4) "*") }}
{{- if and (or $monthly (ne (index $fields 3) "*")) (ne (toString $.Values.monitoring.enabled) "false") }}
qdrant.snapshots.schedule ({{ .schedule }}) leaves more than eight days between two snapshots, after which an alert of monitoring.enabled fires. Schedule a snapshot each week, or set monitoring.enabled to false.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
