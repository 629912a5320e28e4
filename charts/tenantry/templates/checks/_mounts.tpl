{{/* Additional volumes and mounts of pods, next to the chart's. The API server would refuse the pods. */}}
{{- define "tenantry.checks.mounts" -}}
{{- range $path, $file := include "tenantry.checks.pod-files" . | fromYaml }}
{{- $values := include "tenantry.checks.values" (list $.Values $path) | fromYaml }}
{{- if or $values.extraVolumes $values.extraVolumeMounts }}
{{- $faults := list }}
{{- range $workload := include "tenantry.checks.pods" (list $ $path $file) | fromYamlArray }}
{{- range concat ($workload.pod.initContainers | default list) $workload.pod.containers }}
{{- $faults = concat $faults (include "tenantry.checks.mount-faults" (merge (dict "path" $path "container" .) $workload) | splitList "\n" | compact) }}
{{- end }}
{{- end }}
{{ uniq $faults | join "\n" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Faults of the volumes and mounts of a container. Takes the path of the values, and the specs of workload, pod and container. */}}
{{- define "tenantry.checks.mount-faults" -}}
{{- $volumes := list }}
{{- range .spec.volumeClaimTemplates }}
{{- $volumes = append $volumes .metadata.name }}
{{- end }}
{{- range .pod.volumes }}
{{- if has .name $volumes }}
{{ $.path }}.extraVolumes has the name {{ .name }}, which another volume of the pod has. Choose another name.
{{- end }}
{{- $volumes = append $volumes .name }}
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
