{{/* The variables of Open WebUI, for its pods and for the job that migrates its database. */}}
{{- define "open-webui.env" -}}
{{- $public := include "tenantry.url.public" . -}}
{{- range $name, $value := .Files.Get "environment.yaml" | fromYaml -}}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{ end -}}
- {name: OAUTH_PROVIDER_NAME, value: {{ .Values.signInName | quote }}}
- {name: TENANTRY_NO_TENANT_NOTICE, value: {{ .Values.noTenantNotice | quote }}}
- {name: WEBUI_URL, value: {{ $public | quote }}}
- {name: CORS_ALLOW_ORIGIN, value: {{ $public | quote }}}
{{ include "tenantry.secret-env" (list "WEBUI_SECRET_KEY" .Values.existingSecret "secret-key") }}
- {name: WEBUI_ADMIN_NAME, value: Tenantry}
- {name: WEBUI_ADMIN_EMAIL, value: {{ .Values.global.openWebui.adminEmail | quote }}}
{{ include "tenantry.secret-env" (list "WEBUI_ADMIN_PASSWORD" .Values.existingSecret "admin-password") }}
{{ include "tenantry.secret-env" (list "DATABASE_URL" .Values.existingSecret "database-url") }}
{{ include "tenantry.secret-env" (list "REDIS_URL" .Values.existingSecret "redis-url") }}
{{ include "tenantry.secret-env" (list "WEBSOCKET_REDIS_URL" .Values.existingSecret "redis-url") }}
- {name: TENANTRY_REDIS_TLS, value: {{ .Values.global.redis.tls.enabled | quote }}}
{{- include "tenantry.ca-env" (list . "redis" "TENANTRY_REDIS_CA_FILE") }}
{{- include "tenantry.ca-env" (list . "postgres" "TENANTRY_DATABASE_CA_FILE") }}
- {name: OPENID_PROVIDER_URL, value: "{{ include "tenantry.url.issuer" . }}/.well-known/openid-configuration"}
- {name: OPENID_REDIRECT_URI, value: "{{ $public }}/oauth/oidc/callback"}
{{ include "tenantry.secret-env" (list "OAUTH_CLIENT_SECRET" .Values.existingSecret "oauth-client-secret") }}
- {name: S3_REGION_NAME, value: {{ .Values.global.aws.region | quote }}}
- {name: S3_BUCKET_NAME, value: {{ .Values.global.aws.filesBucket | quote }}}
- {name: AWS_DEFAULT_REGION, value: {{ .Values.global.aws.region | quote }}}
- {name: HOME, value: /data}
- {name: USER, value: open-webui} # libraries need the name of the user, who has no entry in /etc/passwd
- {name: DATA_DIR, value: /data}
- {name: STATIC_DIR, value: /data/static} # Open WebUI empties and rewrites this folder at each start
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "open-webui.mounts" -}}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- include "tenantry.ca-mounts" (list .top "postgres" "redis") }}
{{- include "tenantry.mounts" . }}
{{- end }}

{{/* The volume for caches. Files are in S3, and all other data is in Postgres. */}}
{{- define "open-webui.volumes" -}}
- {name: data, emptyDir: {sizeLimit: 10Gi}}
- {name: tmp, emptyDir: {sizeLimit: 2Gi}}
{{- include "tenantry.ca-volumes" (list .top "postgres" "redis") }}
{{- include "tenantry.volumes" . }}
{{- end }}
