{{- /* What is off or open in the values: one line for each, with the value that changes it. NOTES.txt prints them. */}}
{{- define "tenantry.limitations" -}}
{{- $openWebui := index .Values "open-webui" }}
{{- $everywhere := list "0.0.0.0/0" "::/0" }}
{{- if not .Values.crds.install }}
- Upgrades do not change the Tenant resource (crds.install).
{{- end }}
{{- if not (index .Values "file-sync" "enabled") }}
- Files in Open WebUI are not searchable (file-sync.enabled).
{{- end }}
{{- if not .Values.n8n.enabled }}
- No workflows run, and no files are indexed (n8n.enabled).
{{- end }}
{{- include "monitoring.limitations" . }}
{{- include "tenantry.scaling-limitations" . }}
{{- if .Values.keycloak.enabled }}
- Keycloak is a single pod: no one can sign in while it restarts (keycloak.enabled).
{{- if .Values.keycloak.demo }}
- People of two invented companies can sign in with one password (keycloak.demo).
{{- end }}
{{- end }}
{{- if .Values.postgres.enabled }}
- Postgres is a single pod without backups (postgres.enabled).
{{- end }}
{{- if .Values.redis.enabled }}
- Redis is a single pod without backups (redis.enabled).
{{- end }}
{{- range $store := list "postgres" "redis" }}
{{- if not (or (index $.Values $store).enabled (index $.Values.global $store).tls.enabled) }}
- Connections to {{ title $store }} are not encrypted (global.{{ $store }}.tls.enabled).
{{- end }}
{{- end }}
{{- if .Values.qdrant.enabled }}
{{- if lt (int .Values.qdrant.autoscaling.minReplicas) 2 }}
- Qdrant has one copy of the index: answers stop while its pod restarts (qdrant.autoscaling.minReplicas).
{{- end }}
{{- if not .Values.qdrant.snapshots.enabled }}
- No snapshots: a lost index is built from the documents again, which takes longer (qdrant.snapshots.enabled).
{{- end }}
{{- if not .Values.global.qdrant.tlsSecret }}
- Connections to Qdrant are not encrypted (global.qdrant.tlsSecret).
{{- end }}
{{- else if hasPrefix "http://" .Values.global.qdrant.url }}
- Connections to Qdrant are not encrypted (global.qdrant.url).
{{- end }}
{{- range $name := list "aws" "keycloak" }}
{{- if include "tenantry.contains-any" (list (index $.Values.global.network $name).cidrs $everywhere) }}
- Pods may connect to every address on port {{ (index $.Values.global.network $name).port }} (global.network.{{ $name }}.cidrs).
{{- end }}
{{- end }}
{{- if not .Values.keycloak.enabled }}
{{- if hasPrefix "http://" .Values.global.keycloak.url }}
- Passwords and tokens are sent to Keycloak unencrypted (global.keycloak.url).
{{- end }}
{{- end }}
{{- if $openWebui.enabled }}
{{- if not (include "tenantry.is-exposed" .) }}
- Open WebUI is not reachable from outside the cluster (ingress.enabled, httpRoute.enabled, targetGroupBinding.enabled).
{{- else if hasPrefix "http://" .Values.global.openWebui.url }}
- Browsers use Open WebUI unencrypted (global.openWebui.url).
{{- else if not .Values.ingress.enabled }}
{{- /* The Gateway or the target group's load balancer has its own TLS and its own web ACL. */}}
{{- else if ne .Values.ingress.className "alb" }}
{{- if not .Values.ingress.tlsSecret }}
- The Ingress has no certificate: browsers use Open WebUI unencrypted (ingress.tlsSecret).
{{- end }}
{{- else }}
{{- if not (hasPrefix "ELBSecurityPolicy-TLS13-1-3-" .Values.ingress.alb.sslPolicy) }}
- The load balancer accepts TLS below 1.3 (ingress.alb.sslPolicy).
{{- end }}
{{- if not .Values.ingress.alb.webAclArn }}
- The load balancer has no web ACL (ingress.alb.webAclArn).
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tenantry.is-exposed" -}}
{{- if or .Values.ingress.enabled .Values.httpRoute.enabled .Values.targetGroupBinding.enabled -}}
true
{{- end -}}
{{- end }}

{{- /* "true" if a list contains one of some entries, else empty. Takes a list: the list and the entries. */}}
{{- define "tenantry.contains-any" -}}
{{- range index . 1 }}
{{- if has . (index $ 0) }}true{{ end }}
{{- end }}
{{- end }}

{{- /* Autoscalers whose metric no program serves in this cluster, one line for each. */}}
{{- define "tenantry.scaling-limitations" -}}
{{- $worker := .Values.n8n.worker.autoscaling }}
{{- $external := .Capabilities.APIVersions.Has "external.metrics.k8s.io/v1beta1" }}
{{- if and .Values.n8n.enabled (eq $worker.source "prometheus-adapter") (ne (int $worker.minReplicas) (int $worker.maxReplicas)) (not $external) }}
- n8n's workers are not scaled until you install prometheus-adapter (n8n.worker.autoscaling.source).
{{- end }}
{{- with .Values.qdrant.autoscaling }}
{{- $custom := or ($.Capabilities.APIVersions.Has "custom.metrics.k8s.io/v1beta1") ($.Capabilities.APIVersions.Has "custom.metrics.k8s.io/v1beta2") }}
{{- if and $.Values.qdrant.enabled (eq .source "prometheus-adapter") (ne (int .minReplicas) (int .maxReplicas)) (not $custom) }}
- Qdrant gets no more peers until you install prometheus-adapter (qdrant.autoscaling.source).
{{- end }}
{{- end }}
{{- end }}
