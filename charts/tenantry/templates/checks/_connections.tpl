{{/* URLs, and the network policies that allow connections to them. */}}
{{- define "tenantry.checks.connections" -}}
{{- range $path, $target := dict "global.keycloak.url" "keycloak" "global.qdrant.url" "qdrant" }}
{{- with include "tenantry.checks.text" (list $.Values $path) }}
{{- $port := include "tenantry.checks.port" . | int }}
{{- $allowed := (index $.Values.global.network $target).port | int }}
{{- if ne $port $allowed }}
{{ $path }} ({{ . }}) has the port {{ $port }}, but the network policies allow only global.network.{{ $target }}.port ({{ $allowed }}). Set both to the same port.
{{- end }}
{{- end }}
{{- end }}
{{- $chat := urlParse .Values.global.openWebui.url }}
{{- $login := urlParse .Values.global.keycloak.url }}
{{- if and $chat.host (eq $chat.host $login.host) (empty $login.path) }}
global.keycloak.url and global.openWebui.url both are {{ .Values.global.keycloak.url }}, so one would hide the other. Give each its own host.
{{- end }}
{{- range $path, $url := dict "global.openWebui.url" $chat "global.keycloak.url" $login }}
{{- $default := ternary ":443" ":80" (eq $url.scheme "https") }}
{{- if hasSuffix $default $url.host }}
{{ $path }} ends in {{ $default }}, the default port of {{ $url.scheme }}, which browsers leave out. Remove it.
{{- end }}
{{- end }}
{{ include "tenantry.checks.blocks" (dict "values" .Values "path" "") }}
{{- end }}

{{/* The port of a URL. */}}
{{- define "tenantry.checks.port" -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end }}

{{/* IPv4 blocks that do not begin with their first address: Kubernetes and AWS read them differently. Takes values and their path. */}}
{{- define "tenantry.checks.blocks" -}}
{{- $path := .path }}
{{- range $name, $values := .values }}
{{- $path := printf "%s.%s" $path $name | trimPrefix "." }}
{{- if and (kindIs "map" $values) (or (eq $path "global") (ne $name "global")) }}
{{ include "tenantry.checks.blocks" (dict "values" $values "path" $path) }}
{{- else if and (kindIs "slice" $values) (regexMatch "(^c|C)idrs$" $name) }}
{{- range $values }}
{{- $address := splitList "/" . | first }}
{{- $size := splitList "/" . | last | int | sub 32 | int }}
{{- if not (contains ":" .) }}
{{- $number := 0 }}
{{- range splitList "." $address }}
{{- $number = add (mul $number 256) (int .) }}
{{- end }}
{{- $addresses := 1 }}
{{- range until $size }}
{{- $addresses = mul $addresses 2 }}
{{- end }}
{{- $first := sub $number (mod $number $addresses) }}
{{- if ne (int64 $first) (int64 $number) }}
{{- $octets := list }}
{{- range list 16777216 65536 256 1 }}
{{- $octets = append $octets (mod (div $first .) 256) }}
{{- end }}
{{ $path }} has the block {{ . }}, which begins in the middle. Write {{ join "." $octets }}/{{ sub 32 $size }} for the block, or {{ $address }}/32 for one address.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
