{{/* Times of Qdrant's snapshots. */}}
{{- define "tenantry.checks.snapshots" -}}
{{- with .Values.qdrant.snapshots }}
{{- if and .enabled $.Values.qdrant.enabled }}
{{- $texts := splitList " " .schedule }}
{{- $weekdays := list "SUN" "MON" "TUE" "WED" "THU" "FRI" "SAT" }}
{{- $months := list "JAN" "FEB" "MAR" "APR" "MAY" "JUN" "JUL" "AUG" "SEP" "OCT" "NOV" "DEC" }}
{{- $fields := list }}
{{- $inverted := list }}
{{- range $index, $limits := list (list 0 59 list) (list 0 23 list) (list 1 31 list) (list 1 12 $months) (list 0 6 $weekdays) }}
{{- $field := include "tenantry.checks.cron-field" (prepend $limits (index $texts $index)) | fromJson }}
{{- $fields = append $fields $field.numbers }}
{{- $inverted = concat $inverted $field.inverted }}
{{- end }}
{{- if $inverted }}
qdrant.snapshots.schedule ({{ .schedule }}) has a range that ends before it begins ({{ join ", " $inverted }}), which Kubernetes refuses. Write two ranges.
{{- else }}
{{- $daily := and (eq (index $texts 2) "*") (eq (index $texts 4) "*") }}
{{- $minutes := include "tenantry.checks.cron-minutes" (dict "minutes" (index $fields 0) "hours" (index $fields 1) "daily" $daily) | int }}
{{- $seconds := mul 60 $minutes }}
{{- if gt (int64 .activeDeadlineSeconds) $seconds }}
qdrant.snapshots.activeDeadlineSeconds ({{ int64 .activeDeadlineSeconds }}) is above the {{ $seconds }} seconds between two times of qdrant.snapshots.schedule ({{ .schedule }}), so a slow snapshot would replace the next one. Lower the deadline, or schedule fewer snapshots.
{{- end }}
{{- $days := eq (index $texts 4) "*" | ternary (include "tenantry.checks.cron-days" (index $fields 2) | int) 0 }}
{{- if and (or (gt $days 8) (ne (index $texts 3) "*")) (ne (toString $.Values.monitoring.enabled) "false") }}
qdrant.snapshots.schedule ({{ .schedule }}) leaves more than eight days between two snapshots, after which an alert of monitoring.enabled fires. Schedule a snapshot each week, or set monitoring.enabled to false.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
