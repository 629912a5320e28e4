{{/* A file about this release: takes the scope and the file's name. */}}
{{- define "monitoring.own" -}}
{{- $top := index . 0 -}}
{{ $top.Files.Get (printf "files/monitoring/%s" (index . 1)) | replace "$namespace" $top.Release.Namespace | replace "$release" $top.Release.Name }}
{{- end }}

{{/* Takes a workload's dict, and in it the labels by which a Prometheus or Grafana chooses. */}}
{{- define "monitoring.metadata" -}}
{{ include "tenantry.metadata" . }}
  {{- with .chosenBy }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
