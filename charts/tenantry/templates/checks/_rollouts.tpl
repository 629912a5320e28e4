{{/* Gradual rollouts with Argo. */}}
{{- define "tenantry.checks.rollouts" -}}
{{- $known := .Capabilities.APIVersions.Has "argoproj.io/v1alpha1/Rollout" }}
{{- if .Values.global.rollouts.enabled }}
{{- if not $known }}
global.rollouts.enabled is true, but this cluster has no argoproj.io/v1alpha1/Rollout. Install Argo Rollouts first. For helm template, add --api-versions argoproj.io/v1alpha1/Rollout.
{{- end }}
{{- if not .Values.global.rollouts.prometheusUrl }}
global.rollouts.enabled is true, but global.rollouts.prometheusUrl is empty, so nothing decides about new pods. Set the URL of Prometheus.
{{- end }}
{{- if eq (toString .Values.monitoring.enabled) "false" }}
global.rollouts.enabled is true, but monitoring.enabled is false, so Prometheus has no metrics of new pods. Set monitoring.enabled to auto.
{{- else if not (include "monitoring.enabled" .) }}
global.rollouts.enabled is true, but this cluster has no monitoring.coreos.com/v1, so monitoring.enabled ({{ .Values.monitoring.enabled }}) lets Prometheus read no metrics of new pods. Install prometheus-operator first. For helm template, add --api-versions monitoring.coreos.com/v1.
{{- end }}
{{- if not .Values.global.network.monitoringNamespace }}
global.rollouts.enabled is true, but global.network.monitoringNamespace is empty, so the network policies keep Prometheus out of new pods. Set the namespace of your Prometheus.
{{- end }}
{{- else if $known }}
{{- range $name := list "gateway" "open-webui" }}
{{- $full := include "tenantry.name" (dict "top" $ "name" $name) }}
{{- $rollout := lookup "argoproj.io/v1alpha1" "Rollout" $.Release.Namespace $full }}
{{- $deployment := lookup "apps/v1" "Deployment" $.Release.Namespace $full }}
{{- if and $rollout (eq (int (dig "spec" "replicas" 1 $deployment)) 0) }}
global.rollouts.enabled is false, but the pods of {{ $full }} belong to its Rollout and would end. First run: kubectl scale deployment {{ $full }} -n {{ $.Release.Namespace }} --replicas={{ dig "spec" "replicas" 1 $rollout }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
