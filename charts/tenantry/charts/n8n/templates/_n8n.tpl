{{/* The dict of one of n8n's processes. Takes a list: the scope, its key in the values, its name and its role. */}}
{{- define "n8n.workload" -}}
{{- $top := index . 0 -}}
{{- $values := merge (deepCopy (index $top.Values (index . 1))) (pick $top.Values "image" "extraEnv") -}}
{{ dict "name" (index . 2) "role" (index . 3) "values" $values "port" 5678 "metricsPort" 5678 "user" 1000 "live" "/healthz" "ready" "/healthz/readiness" "secrets" (list $top.Values.existingSecret) | toJson }}
{{- end }}

{{/* The spec of a Deployment from "selector" on. Also takes args, and env: additional variables. */}}
{{- define "n8n.pods" -}}
selector:
  matchLabels:
    {{- include "tenantry.selector" . | nindent 4 }}
template:
  metadata:
    {{- include "tenantry.pod-metadata" . | nindent 4 }}
  spec:
    {{- include "tenantry.pod" . | nindent 4 }}
    containers:
      - name: n8n
        {{- include "tenantry.container" . | nindent 8 }}
        args: {{ toJson .args }}
        ports:
          - {name: http, containerPort: 5678}
        {{- include "tenantry.probes" . | nindent 8 }}
        {{- include "tenantry.pre-stop" .top | nindent 8 }}
        env:
          {{- range $name, $value := .top.Files.Get "environment.yaml" | fromYaml }}
          - {name: {{ $name }}, value: {{ $value | quote }}}
          {{- end }}
          {{- range $name, $value := .env }}
          - {name: {{ $name }}, value: {{ $value | quote }}}
          {{- end }}
          - {name: N8N_PORT, value: "5678"}
          - {name: HOME, value: /data}
          - {name: N8N_USER_FOLDER, value: /data}
          - {name: N8N_GRACEFUL_SHUTDOWN_TIMEOUT, value: {{ sub .values.terminationGracePeriodSeconds (add .top.Values.global.drainSeconds 10) | quote }}}
          - {name: N8N_EDITOR_BASE_URL, value: {{ include "tenantry.url.n8n" .top | quote }}}
          - {name: WEBHOOK_URL, value: {{ include "tenantry.url.n8n-webhook" .top | quote }}}
          - {name: N8N_SECURE_COOKIE, value: "false"} # inside the cluster, requests use plain HTTP
          {{- with .top.Values }}
          - {name: N8N_INSTANCE_OWNER_MANAGED_BY_ENV, value: "true"}
          - {name: N8N_INSTANCE_OWNER_EMAIL, value: {{ .ownerEmail | quote }}}
          - {name: N8N_INSTANCE_OWNER_FIRST_NAME, value: Tenantry}
          - {name: N8N_INSTANCE_OWNER_LAST_NAME, value: Owner}
          {{- include "tenantry.secret-env" (list "N8N_INSTANCE_OWNER_PASSWORD_HASH" .existingSecret "owner-password-hash") | nindent 10 }}
          {{- include "tenantry.secret-env" (list "N8N_ENCRYPTION_KEY" .existingSecret "encryption-key") | nindent 10 }}
          - {name: N8N_METRICS, value: "true"}
          - {name: N8N_METRICS_INCLUDE_QUEUE_METRICS, value: "true"}
          - {name: DB_TYPE, value: postgresdb}
          - {name: DB_POSTGRESDB_HOST, value: {{ include "tenantry.host" (list $.top "postgres" .postgres.host) | quote }}}
          - {name: DB_POSTGRESDB_PORT, value: {{ .global.network.postgres.port | quote }}}
          - {name: DB_POSTGRESDB_DATABASE, value: {{ .postgres.database | quote }}}
          - {name: DB_POSTGRESDB_USER, value: {{ .postgres.user | quote }}}
          {{- include "tenantry.secret-env" (list "DB_POSTGRESDB_PASSWORD" .existingSecret "postgres-password") | nindent 10 }}
          {{- if .global.postgres.tls.enabled }}
          - {name: DB_POSTGRESDB_SSL_ENABLED, value: "true"}
          - {name: DB_POSTGRESDB_SSL_REJECT_UNAUTHORIZED, value: "true"}
          {{- include "tenantry.ca-env" (list $.top "postgres" "DB_POSTGRESDB_SSL_CA_FILE") | nindent 10 }}
          {{- end }}
          - {name: QUEUE_BULL_REDIS_HOST, value: {{ include "tenantry.host" (list $.top "redis" .redis.host) | quote }}}
          - {name: QUEUE_BULL_REDIS_PORT, value: {{ .global.network.redis.port | quote }}}
          - {name: QUEUE_BULL_REDIS_DB, value: {{ .redis.database | quote }}}
          - {name: QUEUE_BULL_REDIS_USERNAME, value: {{ .redis.user | quote }}}
          {{- include "tenantry.secret-env" (list "QUEUE_BULL_REDIS_PASSWORD" .existingSecret "redis-password") | nindent 10 }}
          {{- if .global.redis.tls.enabled }}
          - {name: QUEUE_BULL_REDIS_TLS, value: "true"}
          - {name: QUEUE_BULL_REDIS_TLS_VALIDATE_CERTIFICATE, value: "true"}
          {{- include "tenantry.ca-env" (list $.top "redis" "NODE_EXTRA_CA_CERTS") | nindent 10 }}
          {{- end }}
          {{- end }}
          {{- with .values.extraEnv }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
        volumeMounts:
          {{- include "tenantry.ca-mounts" (list .top "postgres" "redis") | nindent 10 }}
          - {name: data, mountPath: /data}
          - {name: tmp, mountPath: /tmp}
          {{- include "tenantry.mounts" . | nindent 10 }}
    volumes:
      {{- include "tenantry.ca-volumes" (list .top "postgres" "redis") | nindent 6 }}
      # This volume is empty at each start: workflows are stored in Postgres.
      - {name: data, emptyDir: {sizeLimit: 1Gi}}
      - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
      {{- include "tenantry.volumes" . | nindent 6 }}
{{- end }}
