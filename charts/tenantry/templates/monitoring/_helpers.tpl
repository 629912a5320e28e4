{{/* A file in files/monitoring, with the namespace and release inserted. Takes a list: the scope and the file's name. */}}
{{- define "monitoring.file" -}}
{{- $top := index . 0 -}}
{{ $top.Files.Get (printf "files/monitoring/%s" (index . 1)) | replace "$namespace" $top.Release.Namespace | replace "$release" (include "tenantry.fullname" $top) }}
{{- end }}

{{/* The metadata of a monitoring object. Takes the dict of a workload, and extraLabels, by which Prometheus or Grafana selects. */}}
{{- define "monitoring.metadata" -}}
{{ include "tenantry.metadata" . }}
  {{- with .extraLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
