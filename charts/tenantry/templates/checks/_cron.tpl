{{/*
The numbers that a field of cron selects, and its ranges whose end is below their beginning. Takes a list: the field, its
lowest and its highest number, and the names of its numbers from the lowest on. Prints JSON.
*/}}
{{- define "tenantry.checks.cron-field" -}}
{{- $low := index . 1 }}
{{- $field := index . 0 | upper }}
{{- range $index, $name := index . 3 }}
{{- $field = $field | replace $name (add $low $index | toString) }}
{{- end }}
{{- $all := printf "%d-%d" $low (index . 2) }}
{{- $numbers := list }}
{{- $inverted := list }}
{{- range splitList "," $field }}
{{- $step := regexFind "/[0-9]+$" . | trimPrefix "/" | default "1" | int }}
{{- $ends := regexReplaceAll "/.*" . "" | replace "*" $all | splitList "-" }}
{{- $from := first $ends | int }}
{{- $to := last $ends | int }}
{{- if gt $from $to }}
{{- $inverted = append $inverted . }}
{{- else }}
{{- $numbers = untilStep $from (add1 $to | int) $step | concat $numbers }}
{{- end }}
{{- end }}
{{- dict "numbers" $numbers "inverted" $inverted | toJson }}
{{- end }}

{{/* The smallest number of minutes between two times of a day. Takes minutes, hours, and daily: whether each day has them. */}}
{{- define "tenantry.checks.cron-minutes" -}}
{{- $day := 1440 }}
{{- $times := dict }}
{{- range $hour := .hours }}
{{- range $.minutes }}
{{- $_ := set $times (add (mul $hour 60) . | int | printf "%04d") true }}
{{- end }}
{{- end }}
{{- $times = keys $times | sortAlpha }}
{{- $gap := $day }}
{{- $last := ternary (sub (last $times | atoi) $day) (sub 0 $day) .daily }}
{{- range $times }}
{{- $gap = min $gap (sub (atoi .) $last) }}
{{- $last = atoi . }}
{{- end }}
{{- $gap }}
{{- end }}

{{/* The largest number of days between two of these days, over months of each length. Takes days of the month. */}}
{{- define "tenantry.checks.cron-days" -}}
{{- $days := list }}
{{- range . }}
{{- $days = append $days (printf "%02d" (int .)) }}
{{- end }}
{{- $days = uniq $days | sortAlpha }}
{{- $first := first $days | atoi }}
{{- $gap := 0 }}
{{- range $length := list 28 29 30 31 }}
{{- $last := 0 }}
{{- range $days }}
{{- if le (atoi .) $length }}
{{- if $last }}
{{- $gap = max $gap (sub (atoi .) $last) }}
{{- end }}
{{- $last = atoi . }}
{{- end }}
{{- end }}
{{- $gap = max $gap (sub (add $length $first) $last) }}
{{- end }}
{{- $gap }}
{{- end }}
