{{/*
The realm to import, from the file that the local platform also uses. Without the value demo, the realm has no users of
invented companies and no clients that accept passwords in a terminal. The other clients have a secret, which Keycloak
reads from its environment.
*/}}
{{- define "keycloak.realm" -}}
{{- $realm := .Files.Get "files/realm.json" | fromJson }}
{{- $clients := list }}
{{- range $realm.clients }}
{{- if eq .clientId "open-webui" }}
{{- $_ := set . "redirectUris" (list (printf "%s/oauth/oidc/callback" (include "tenantry.url.public" $))) }}
{{- end }}
{{- if or $.Values.demo .secret }}
{{- $clients = append $clients . }}
{{- end }}
{{- end }}
{{- $users := list }}
{{- range $realm.users }}
{{- if or $.Values.demo .serviceAccountClientId }}
{{- $users = append $users . }}
{{- end }}
{{- end }}
{{- merge (dict "realm" .Values.global.keycloak.realm "clients" $clients "users" $users) $realm | toPrettyJson }}
{{- end }}
