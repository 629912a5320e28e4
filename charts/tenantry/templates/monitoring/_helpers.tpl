{{/*
"true" if this release creates monitoring objects. Helm installs nothing if one object has a kind that the cluster does not know,
so `auto` creates them only where prometheus-operator's kinds exist.
*/}}
{{- define "monitoring.enabled" -}}
{{- $known := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" -}}
{{- if and $known (ne (toString .Values.monitoring.enabled) "false") }}true{{ end -}}
{{- end }}

{{/*
The workloads of this release, as a YAML list. Those with a monitor serve /metrics. A workload that the release lacks may be in
the list, if it has no monitor: alerts select series by these names.
*/}}
{{- define "monitoring.workloads" -}}
{{- $gradual := ternary "Rollout" "Deployment" .Values.global.rollouts.enabled -}}
- {name: operator, kind: Deployment, monitor: metrics}
- {name: gateway, kind: {{ $gradual }}, monitor: metrics}
- {name: file-sync, kind: Deployment{{ if index .Values "file-sync" "enabled" }}, monitor: metrics{{ end }}}
- {name: n8n, kind: Deployment{{ if .Values.n8n.enabled }}, monitor: metrics-n8n{{ end }}}
- {name: n8n-webhook, kind: Deployment{{ if .Values.n8n.enabled }}, monitor: metrics-n8n{{ end }}}
- {name: n8n-worker, kind: Deployment{{ if .Values.n8n.enabled }}, monitor: metrics-n8n{{ end }}}
- {name: open-webui, kind: {{ $gradual }}{{ if index .Values "open-webui" "enabled" }}, monitor: metrics{{ end }}}
- {name: qdrant, kind: StatefulSet{{ if .Values.qdrant.enabled }}, monitor: metrics-qdrant{{ end }}}
- {name: keycloak, kind: Deployment{{ if .Values.keycloak.enabled }}, monitor: metrics-keycloak{{ end }}}
- {name: postgres, kind: StatefulSet}
- {name: redis, kind: StatefulSet}
- {name: databases-install, kind: Job}
- {name: file-sync-grants, kind: Job}
- {name: n8n-initial-scale, kind: Job}
- {name: n8n-install, kind: Job}
- {name: open-webui-install, kind: Job}
- {name: open-webui-migrate, kind: Job}
- {name: qdrant-snapshots, kind: CronJob}
{{- end }}

{{/* The groups of workloads that are scraped in the same way, as a YAML list: the port's name and number, its TLS and its key. */}}
{{- define "monitoring.monitors" -}}
- {name: metrics, port: metrics, number: 9090}
- {name: metrics-n8n, port: http, number: 5678}
- name: metrics-qdrant
  port: http
  number: 6333
  tls: {{ .Values.global.qdrant.tlsSecret | quote }}
  key: {name: {{ .Values.qdrant.existingSecret | quote }}, key: read-only-api-key}
- {name: metrics-keycloak, port: management, number: 9000}
{{- end }}

{{/*
A file in files/monitoring. The chart replaces $namespace, $release, and these regular expressions of names: $deployments,
$rollouts, $replicated (both), $statefulsets, $cronjobs, $jobs (with the hash or the time in a job's name) and $pods. A plain prefix would also select the objects of
another release, whose name begins with this release's name.
*/}}
{{- define "monitoring.file" -}}
{{- $top := index . 0 -}}
{{- $names := dict "Deployment" list "Rollout" list "StatefulSet" list "Job" list "CronJob" list -}}
{{- range include "monitoring.workloads" $top | fromYamlArray -}}
{{- $_ := set $names .kind (append (index $names .kind) (include "tenantry.name" (dict "top" $top "name" .name))) -}}
{{- end -}}
{{- $deployments := join "|" $names.Deployment -}}
{{- $statefulsets := join "|" $names.StatefulSet -}}
{{- $rollouts := join "|" $names.Rollout -}}
{{- $replicated := join "|" (concat $names.Deployment $names.Rollout) -}}
{{- $pods := printf "(%s)-[a-z0-9]+(-[a-z0-9]{5})?|(%s)-[0-9]+" $replicated $statefulsets -}}
{{- $text := $top.Files.Get (printf "files/monitoring/%s" (index . 1)) -}}
{{- $text = $text | replace "$namespace" $top.Release.Namespace | replace "$release" $top.Release.Name -}}
{{- $text = $text | replace "$deployments" $deployments | replace "$statefulsets" $statefulsets | replace "$pods" $pods -}}
{{- $text = $text | replace "$rollouts" $rollouts | replace "$replicated" $replicated -}}
{{- $text = $text | replace "$cronjobs" (join "|" $names.CronJob) -}}
{{- $text | replace "$jobs" (printf "(%s)(-[a-z0-9]+)?" (join "|" $names.Job)) -}}
{{- end }}

{{/* The metadata of a monitoring object. Takes the dict of a workload, and extraLabels, by which Prometheus or Grafana selects. */}}
{{- define "monitoring.metadata" -}}
{{ include "tenantry.metadata" . }}
  {{- with .extraLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What is not watched, one line for each, for tenantry.limitations. */}}
{{- define "monitoring.limitations" -}}
{{- if eq (toString .Values.monitoring.enabled) "false" }}
- No alerts and no dashboard: no one is notified of a fault (monitoring.enabled).
{{- else if not (include "monitoring.enabled" .) }}
- No alerts and no dashboard until you install prometheus-operator and upgrade this release (monitoring.enabled).
{{- else if not .Values.global.network.monitoringNamespace }}
- Prometheus cannot reach the pods (global.network.monitoringNamespace).
{{- end }}
{{- end }}
