{{/*
TLS to Postgres and Redis: `global.postgres.tls` and `global.redis.tls`. A ConfigMap holds the authorities' certificates. Most
helpers take a list: the scope, and postgres or redis.
*/}}

{{/* The path of the CA file in a container. Empty without TLS, and for an authority that the image trusts. */}}
{{- define "tenantry.ca-file" -}}
{{- $tls := (index (index . 0).Values.global (index . 1)).tls -}}
{{- if and $tls.enabled $tls.caConfigMap -}}
/etc/tenantry/{{ index . 1 }}/ca.crt
{{- end }}
{{- end }}

{{/* A variable with that path. The third item of the list is its name. */}}
{{- define "tenantry.ca-env" -}}
{{- with include "tenantry.ca-file" . }}
- {name: {{ index $ 2 }}, value: {{ . }}}
{{- end }}
{{- end }}

{{/* The mounts and volumes of CA files. The list may name both postgres and redis. */}}
{{- define "tenantry.ca-mounts" -}}
{{- range $store := rest . }}
{{- with include "tenantry.ca-file" (list (first $) $store) }}
- {name: {{ $store }}-ca, mountPath: {{ dir . }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "tenantry.ca-volumes" -}}
{{- range $store := rest . }}
{{- if include "tenantry.ca-file" (list (first $) $store) }}
- name: {{ $store }}-ca
  configMap: {name: {{ (index (first $).Values.global $store).tls.caConfigMap | quote }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end }}
