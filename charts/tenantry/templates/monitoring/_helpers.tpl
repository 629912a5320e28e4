{{/* A file in files/monitoring with namespace and release filled in. Takes a list: the scope and the file's name. */}}
{{- define "monitoring.file" -}}
{{- $top := index . 0 -}}
{{ $top.Files.Get (printf "files/monitoring/%s" (index . 1)) | replace "$namespace" $top.Release.Namespace | replace "$release" $top.Release.Name }}
{{- end }}

{{/* Takes the dict of a workload with extraLabels: the labels that Prometheus or Grafana selects. */}}
{{- define "monitoring.metadata" -}}
{{ include "tenantry.metadata" . }}
  {{- with .extraLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
