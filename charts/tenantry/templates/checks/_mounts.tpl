{{/* Additional volumes and mounts of pods, next to the chart's. The API server would refuse the pods. */}}
{{- define "tenantry.checks.mounts" -}}
{{- range $path, $file := include "tenantry.checks.pod-files" . | fromYaml }}
{{- $part := splitList "." $path | first }}
{{- $values := $.Values }}
{{- range splitList "." $path }}
{{- $values = get $values . }}
{{- end }}
{{- $scope := hasPrefix "templates/" $file | ternary $ (get $.Subcharts $part) }}
{{- if and $scope (or $values.extraVolumes $values.extraVolumeMounts) }}
{{- $folder := hasPrefix "templates/" $file | ternary $.Chart.Name (printf "%s/charts/%s/templates" $.Chart.Name $part) }}
{{- $faults := list }}
{{- range include (printf "%s/%s" $folder $file) $scope | splitList "\n---\n" }}
{{- $object := fromYaml . }}
{{- $spec := $object.spec | default dict }}
{{- $spec = ($spec.jobTemplate | default (dict "spec" $spec)).spec }}
{{- $pod := ($spec.template | default (dict "spec" $spec)).spec | default dict }}
{{- range $pod.containers }}
{{- $faults = concat $faults (include "tenantry.checks.mount-faults" (dict "path" $path "spec" $spec "pod" $pod "container" .) | splitList "\n" | compact) }}
{{- end }}
{{- end }}
{{ uniq $faults | join "\n" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Faults of the volumes and mounts of a container. Takes the path of the values, and the specs of workload, pod and container. */}}
{{- define "tenantry.checks.mount-faults" -}}
{{- $volumes := list }}
{{- range .pod.volumes }}
{{- if has .name $volumes }}
{{ $.path }}.extraVolumes has the name {{ .name }}, which another volume of the pod has. Choose another name.
{{- end }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- range .spec.volumeClaimTemplates }}
{{- $volumes = append $volumes .metadata.name }}
{{- end }}
{{- $paths := list }}
{{- range .container.volumeMounts }}
{{- if not (has .name $volumes) }}
{{ $.path }}.extraVolumeMounts has the name {{ .name }}, but {{ $.path }}.extraVolumes has no such volume. Add the volume, or correct the name.
{{- end }}
{{- if has .mountPath $paths }}
{{ $.path }}.extraVolumeMounts has the path {{ .mountPath }}, where the pod has another mount. Choose another path.
{{- end }}
{{- $paths = append $paths .mountPath }}
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
