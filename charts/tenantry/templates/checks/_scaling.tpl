{{/* Numbers of pods. */}}
{{- define "tenantry.checks.scaling" -}}
{{- with .Values.qdrant }}
{{- $zone := get (merge (deepCopy (.nodeSelector | default dict)) ($.Values.global.nodeSelector | default dict)) "topology.kubernetes.io/zone" }}
{{- if and .enabled $zone (gt (int .autoscaling.minReplicas) 1) (not .topologySpreadConstraints) }}
qdrant.autoscaling.minReplicas is {{ .autoscaling.minReplicas }}, and peers must be in two zones, but qdrant.nodeSelector or global.nodeSelector allows only the zone {{ $zone }}. Select nodes of several zones, or set qdrant.topologySpreadConstraints.
{{- end }}
{{- end }}
{{ include "tenantry.checks.each" (dict "values" .Values "path" "" "section" "autoscaling" "check" "tenantry.checks.autoscaler") }}
{{- $keda := .Values.global.network.kedaNamespace }}
{{- with .Values.n8n.worker.autoscaling.source }}
{{- if and $keda (ne . "keda") }}
global.network.kedaNamespace is {{ $keda }}, but n8n.worker.autoscaling.source is {{ . }}, so KEDA does not read the queue. Empty global.network.kedaNamespace.
{{- else if and (eq . "keda") $.Values.redis.enabled $.Values.n8n.enabled (not $keda) }}
n8n.worker.autoscaling.source is keda, but global.network.kedaNamespace is empty, so the network policies keep KEDA out of the Redis of this release. Set the namespace of KEDA's operator.
{{- end }}
{{- end }}
{{- with .Values.gateway }}
{{- $most := .autoscaling.maxReplicas }}
{{- range $name, $quota := pick . "embeddingsPerMinute" "embeddingTokensPerMinute" }}
{{- if lt (int $quota) (int $most) }}
gateway.{{ $name }} ({{ $quota }}) is below gateway.autoscaling.maxReplicas ({{ $most }}), but the gateways share this quota. Set Bedrock's quota of your account, or lower the maximum.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tenantry.checks.autoscaler" -}}
{{- with .values }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{ $.path }}.minReplicas ({{ .minReplicas }}) is above {{ $.path }}.maxReplicas ({{ .maxReplicas }}). Lower the minimum or raise the maximum.
{{- end }}
{{- if hasKey . "initialReplicas" }}
{{- if lt (int .initialReplicas) (int .minReplicas) }}
{{ $.path }}.initialReplicas ({{ .initialReplicas }}) is below {{ $.path }}.minReplicas ({{ .minReplicas }}). Set it to at least the minimum.
{{- end }}
{{- if gt (int .initialReplicas) (int .maxReplicas) }}
{{ $.path }}.initialReplicas ({{ .initialReplicas }}) is above {{ $.path }}.maxReplicas ({{ .maxReplicas }}). Lower it or raise the maximum.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
