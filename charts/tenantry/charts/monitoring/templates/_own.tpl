{{/* A file of this chart, for this release: takes the scope and the file's name. */}}
{{- define "monitoring.own" -}}
{{- $top := index . 0 -}}
{{ $top.Files.Get (index . 1) | replace "$namespace" $top.Release.Namespace | replace "$release" $top.Release.Name }}
{{- end }}

{{/* Takes a workload's dict. The labels of the values are those by which a Prometheus or Grafana chooses. */}}
{{- define "monitoring.metadata" -}}
{{ include "tenantry.metadata" . }}
  {{- with .chosenBy }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
