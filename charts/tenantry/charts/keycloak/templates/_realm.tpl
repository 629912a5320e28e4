{{/*
The realm to import. Its file is the local platform's, with people of two invented companies and with clients that take
their passwords in a terminal: these are only there for a demonstration. Clients of ours have a secret, which Keycloak
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
