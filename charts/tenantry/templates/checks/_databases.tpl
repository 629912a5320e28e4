{{/* Databases, and the Secrets with their passwords. */}}
{{- define "tenantry.checks.databases" -}}
{{- if and .Values.n8n.enabled .Values.keycloak.enabled (eq .Values.n8n.postgres.host .Values.keycloak.postgres.host) }}
{{- range list "database" "user" }}
{{- if eq (get $.Values.n8n.postgres .) (get $.Values.keycloak.postgres .) }}
n8n.postgres.{{ . }} and keycloak.postgres.{{ . }} both are {{ get $.Values.n8n.postgres . }}, on the same server. Give each its own.
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.postgres.enabled }}
{{- range $part := list "n8n" "keycloak" }}
{{- if include "tenantry.checks.is-enabled" (list $.Values $part) }}
{{- range $key, $value := pick (index $.Values $part).postgres "database" "user" }}
{{- if ne $value $part }}
{{ $part }}.postgres.{{ $key }} is {{ $value }}, but postgres.enabled is true, and the included Postgres has only {{ $part }}. Set it to {{ $part }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.redis.enabled .Values.n8n.enabled (gt (int .Values.n8n.redis.database) 15) }}
n8n.redis.database is {{ .Values.n8n.redis.database }}, but redis.enabled is true, and the included Redis has the databases 0 to 15. Choose one of them.
{{- end }}
{{- end }}

{{/* Stores of Secrets, and Secrets in which two parts would read the same key, although each needs another value. */}}
{{- define "tenantry.checks.secrets" -}}
{{- if .Values.externalSecrets.enabled }}
{{- if not .Values.externalSecrets.store.name }}
externalSecrets.enabled is true, but externalSecrets.store.name is empty. Set the name of the store.
{{- end }}
{{- if .Values.global.secretsStore.enabled }}
externalSecrets.enabled and global.secretsStore.enabled are both true, and would overwrite each other's Secrets. Set one of them to false.
{{- end }}
{{- end }}
{{- $own := list "database-url" "redis-url" "keycloak-client-secret" "postgres-password" "admin-password" }}
{{- $readers := dict }}
{{- range $path, $keys := include "tenantry.secret-keys" .Values | fromYaml }}
{{- if include "tenantry.checks.is-enabled" (list $.Values $path) }}
{{- $path = printf "%s.existingSecret" $path }}
{{- $secret := include "tenantry.checks.text" (list $.Values $path) }}
{{- /* This job works with the rights of Open WebUI's role. */}}
{{- if not (and (eq $path "file-sync.grants.existingSecret") (eq $secret (index $.Values "open-webui" "existingSecret"))) }}
{{- range $key := $keys }}
{{- if has $key $own }}
{{- $entry := printf "%s/%s" $secret $key }}
{{- with get $readers $entry }}
{{ . }} and {{ $path }} both are {{ $secret }}, but each needs its own {{ $key }}. Use two Secrets.
{{- end }}
{{- $_ := set $readers $entry $path }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
