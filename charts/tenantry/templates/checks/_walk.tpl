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

{{/* The text of a value, empty for a missing one; the items of a list have commas between them. Takes a list: all values, the path. */}}
{{- define "tenantry.checks.text" -}}
{{- $value := index . 0 -}}
{{- range splitList "." (index . 1) -}}
{{- $value = get ($value | default dict) . -}}
{{- end -}}
{{- if kindIs "slice" $value }}{{ join ", " $value }}{{ else if not (kindIs "invalid" $value) }}{{ $value }}{{ end -}}
{{- end }}

{{/* A section of the values, as YAML. Takes a list: all values, the path. */}}
{{- define "tenantry.checks.values" -}}
{{- $values := index . 0 -}}
{{- range splitList "." (index . 1) -}}
{{- $values = get ($values | default dict) . -}}
{{- end -}}
{{- toYaml $values -}}
{{- end }}

{{/* "true" if the part at the beginning of a path is in this release. Takes a list: all values, the path. */}}
{{- define "tenantry.checks.is-enabled" -}}
{{- $part := index . 1 | splitList "." | first | get (index . 0) -}}
{{- ne (toString $part.enabled) "false" | ternary "true" "" -}}
{{- end }}
