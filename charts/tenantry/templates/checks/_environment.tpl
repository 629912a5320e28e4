{{/* Variables that a container would have twice: Kubernetes uses the last one, without a message. */}}
{{- define "tenantry.checks.environment" -}}
{{- $faults := list }}
{{- range $path, $file := include "tenantry.checks.pod-files" . | fromYaml }}
{{- $owner := include "tenantry.checks.variables-owner" (list $.Values $path) }}
{{- $values := include "tenantry.checks.values" (list $.Values $owner) | fromYaml }}
{{- if $values.extraEnv }}
{{- range include "tenantry.checks.pods" (list $ $path $file) | fromYamlArray }}
{{- range concat (.pod.initContainers | default list) .pod.containers }}
{{- $fault := dict "path" $owner "values" $values "environment" .env }}
{{- $faults = concat $faults (include "tenantry.checks.variable-faults" $fault | splitList "\n" | compact) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{ uniq $faults | join "\n" }}
{{- end }}

{{/* The path of the values with the additional variables of a pod: its own, or those of its part. Takes a list: all values, the path. */}}
{{- define "tenantry.checks.variables-owner" -}}
{{- $path := index . 1 -}}
{{- if hasKey (include "tenantry.checks.values" . | fromYaml) "extraEnv" -}}
{{ $path }}
{{- else -}}
{{ splitList "." $path | first }}
{{- end -}}
{{- end }}

{{/* Faults of the variables of a container. Takes the path of the values with the additional ones, these values, and all variables. */}}
{{- define "tenantry.checks.variable-faults" -}}
{{- $extra := list }}
{{- range .values.extraEnv }}
{{- if has .name $extra }}
{{ $.path }}.extraEnv has {{ .name }} twice. Remove one of the two.
{{- end }}
{{- $extra = append $extra .name }}
{{- end }}
{{- $seen := list }}
{{- $chart := dict }}
{{- range .environment }}
{{- if not (hasKey $chart .name) }}{{ $_ := set $chart .name . }}{{ end }}
{{- $seen = append $seen .name }}
{{- end }}
{{- range $name := uniq $extra }}
{{- /* The chart has the variable too if the container has it more often than the values. */}}
{{- if gt (sub (len $seen) (len (without $seen $name))) (sub (len $extra) (len (without $extra $name))) }}
{{- with get $chart $name }}
{{- if hasKey ($.values.settings | default dict) $name }}
{{ $.path }}.extraEnv and {{ $.path }}.settings both set {{ $name }}. Remove one of the two.
{{- else if .valueFrom }}
{{ $.path }}.extraEnv has {{ $name }}, which the chart reads from the Secret {{ .valueFrom.secretKeyRef.name }}. Remove it, and change the key {{ .valueFrom.secretKeyRef.key }} of the Secret.
{{- else }}
{{ $.path }}.extraEnv has {{ $name }}, which the chart sets to {{ .value | quote }}. Remove it, and change the value from which the chart derives it.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
