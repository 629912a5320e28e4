{{/* The pods of this release as they are rendered, for checks of what values add to them. */}}

{{/*
The rendered pods of a file, as a YAML list with the spec of each workload and its pod. Empty if the part is not enabled.
The names of templates begin with the path of this chart, which is another one in a chart that depends on it.
Takes a list: the scope, the path of the values, the file.
*/}}
{{- define "tenantry.checks.pods" -}}
{{- $top := index . 0 -}}
{{- $part := splitList "." (index . 1) | first -}}
{{- $file := index . 2 -}}
{{- $own := hasPrefix "templates/" $file -}}
{{- $chart := dir $top.Template.BasePath -}}
{{- $folder := ternary $chart (printf "%s/charts/%s/templates" $chart $part) $own -}}
{{- with ternary $top (get $top.Subcharts $part) $own }}
{{- range include (printf "%s/%s" $folder $file) . | splitList "\n---\n" }}
{{- $object := fromYaml . }}
{{- $spec := $object.spec | default dict }}
{{- $spec = ($spec.jobTemplate | default (dict "spec" $spec)).spec }}
{{- $pod := ($spec.template | default (dict "spec" $spec)).spec | default dict }}
{{- if $pod.containers }}
- {{ dict "spec" $spec "pod" $pod | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The files of pods, by the path of the values with their additional volumes. */}}
{{- define "tenantry.checks.pod-files" -}}
operator: operator.yaml
gateway: gateway.yaml
file-sync: file-sync.yaml
file-sync.grants: grants.yaml
n8n.main: main.yaml
n8n.webhook: webhook.yaml
n8n.worker: worker.yaml
n8n.install: install.yaml
n8n.initialScale: initial-scale.yaml
open-webui: open-webui.yaml
open-webui.install: install.yaml
qdrant: qdrant.yaml
qdrant.snapshots: snapshots.yaml
keycloak: keycloak.yaml
postgres: postgres.yaml
redis: redis.yaml
databases: templates/databases.yaml
smokeTest: templates/tests/smoke-test.yaml
{{- end }}
