{{/*
Check each section of the values that has a given name, in whatever part it is. Takes:
  values   the values to search
  path     their path, empty for all values
  section  the name of the section: autoscaling, resources
  check    the helper that prints the faults of a section; it takes path and values
*/}}
{{- define "tenantry.checks.each" -}}
{{- $search := . }}
{{- range $name, $values := .values }}
{{- /* The values of a subchart have a copy of "global". */}}
{{- if and (kindIs "map" $values) (or (empty $search.path) (ne $name "global")) }}
{{- $path := printf "%s.%s" $search.path $name | trimPrefix "." }}
{{- if eq $name $search.section }}
{{ include $search.check (dict "path" $path "values" $values) }}
{{- else }}
{{ include "tenantry.checks.each" (dict "path" $path "values" $values "section" $search.section "check" $search.check) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
