{{/* Parts that are in this release or elsewhere, and what depends on them. */}}
{{- define "tenantry.checks.parts" -}}
{{- range $part, $paths := include "tenantry.checks.addresses" . | fromYaml }}
{{- range $path := $paths }}
{{- if include "tenantry.checks.is-enabled" (list $.Values $path) }}
{{- $address := include "tenantry.checks.text" (list $.Values $path) }}
{{- if and $address (include "tenantry.checks.is-enabled" (list $.Values $part)) }}
{{ $part }}.enabled is true, but {{ $path }} ({{ $address }}) is the address of another one. Empty {{ $path }}, or set {{ $part }}.enabled to false.
{{- else if not (or $address (include "tenantry.checks.is-enabled" (list $.Values $part))) }}
{{ $part }}.enabled is false, but {{ $path }} is empty. Set the address of the one that you use, or set {{ $part }}.enabled to true.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $part, $port := dict "keycloak" 8080 "postgres" 5432 "redis" 6379 }}
{{- $path := printf "global.network.%s.port" $part }}
{{- if and (include "tenantry.checks.is-enabled" (list $.Values $part)) (ne (include "tenantry.checks.text" (list $.Values $path)) (toString $port)) }}
{{ $part }}.enabled is true, but {{ $path }} is {{ include "tenantry.checks.text" (list $.Values $path) }}. Set it to {{ $port }}, the port of the included part.
{{- end }}
{{- end }}
{{- range $part := list "postgres" "redis" }}
{{- $tls := (index $.Values.global $part).tls }}
{{- if and $tls.enabled (index $.Values $part "enabled") }}
{{ $part }}.enabled is true, but the included part has no TLS and global.{{ $part }}.tls.enabled is true. Set one of them to false.
{{- end }}
{{- end }}
{{- with .Values.global.postgres.tls }}
{{- if and .enabled (not .caConfigMap) }}
global.postgres.tls.enabled is true, but global.postgres.tls.caConfigMap is empty. Name the ConfigMap with the authorities of Postgres.
{{- end }}
{{- end }}
{{- if and (index .Values "open-webui" "enabled") (not .Values.global.openWebui.adminEmail) }}
open-webui.enabled is true, but global.openWebui.adminEmail is empty. Set the e-mail address of its administrator.
{{- end }}
{{- if and .Values.global.openWebui.adminEmail (not (index .Values "open-webui" "enabled")) }}
open-webui.enabled is false, but global.openWebui.adminEmail is {{ .Values.global.openWebui.adminEmail }}, so the operator would wait for it. Empty the address.
{{- end }}
{{- if and (eq (index .Values "open-webui" "orchestrator") "n8n") (index .Values "open-webui" "enabled") (not .Values.n8n.enabled) }}
n8n.enabled is false, but open-webui.orchestrator is n8n. Set open-webui.orchestrator to direct.
{{- end }}
{{- if and .Values.keycloak.demo (not .Values.keycloak.enabled) }}
keycloak.demo is true, but keycloak.enabled is false, and only the Keycloak of this release can have these users. Set keycloak.demo to false.
{{- end }}
{{- if and .Values.databases.keycloak .Values.keycloak.enabled }}
databases.keycloak is true, which is for a Keycloak outside this release, but keycloak.enabled is true. Set one of them to false.
{{- end }}
{{- with .Values.qdrant.image }}
{{- if and .tag (hasSuffix "qdrant/qdrant" .repository) (not (hasSuffix "-unprivileged" .tag)) }}
qdrant.image.tag ({{ .tag }}) of qdrant.image.repository ({{ .repository }}) is an image that runs as root, which the pod does not allow. Use {{ .tag }}-unprivileged.
{{- end }}
{{- end }}
{{- end }}

{{/* The values that hold the address of a part outside this release, by the part. */}}
{{- define "tenantry.checks.addresses" -}}
keycloak: [global.keycloak.url, global.network.keycloak.cidrs]
qdrant: [global.qdrant.url, global.network.qdrant.cidrs]
postgres: [global.network.postgres.cidrs, n8n.postgres.host, keycloak.postgres.host]
redis: [global.network.redis.cidrs, n8n.redis.host]
{{- end }}
