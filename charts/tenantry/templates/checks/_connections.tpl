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
{{- with .Values.global.qdrant }}
{{- if and (hasPrefix "http://" .url) .tlsSecret }}
global.qdrant.tlsSecret is {{ .tlsSecret }}, but global.qdrant.url ({{ .url }}) has no TLS. Begin the URL with https:// or empty the Secret's name.
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
{{ include "tenantry.checks.hosts" . }}
{{- end }}

{{/* The port of a URL. */}}
{{- define "tenantry.checks.port" -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end }}

{{/* Blocks that do not begin with their first address: Kubernetes and AWS read them differently. Takes values and their path. */}}
{{- define "tenantry.checks.blocks" -}}
{{- $path := .path }}
{{- range $name, $values := .values }}
{{- $path := printf "%s.%s" $path $name | trimPrefix "." }}
{{- if and (kindIs "map" $values) (or (eq $path "global") (ne $name "global")) }}
{{ include "tenantry.checks.blocks" (dict "values" $values "path" $path) }}
{{- else if and (kindIs "slice" $values) (regexMatch "(^c|C)idrs$" $name) }}
{{- range $values }}
{{- $address := splitList "/" . | first }}
{{- $size := splitList "/" . | last | int }}
{{- $bits := include "tenantry.checks.bits" $address }}
{{- if contains "1" (substr $size (len $bits) $bits) }}
{{- $first := printf "%s%s" (substr 0 $size $bits) (repeat (sub (len $bits) $size | int) "0") }}
{{ $path }} has the block {{ . }}, which begins in the middle. Write {{ include "tenantry.checks.address" $first }}/{{ $size }} for the block, or {{ $address }}/{{ len $bits }} for one address.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The bits of an IPv4 or IPv6 address, in binary. */}}
{{- define "tenantry.checks.bits" -}}
{{- if contains ":" . -}}
{{- $ends := splitList "::" . -}}
{{- $left := first $ends | splitList ":" | compact -}}
{{- $right := rest $ends | join "" | splitList ":" | compact -}}
{{- range $left }}{{ printf "0x%s" . | int64 | printf "%016b" }}{{ end -}}
{{- repeat (add (len $left) (len $right) | sub 8 | mul 16 | int) "0" -}}
{{- range $right }}{{ printf "0x%s" . | int64 | printf "%016b" }}{{ end -}}
{{- else -}}
{{- range splitList "." . }}{{ int64 . | printf "%08b" }}{{ end -}}
{{- end -}}
{{- end }}

{{/* The address of bits. */}}
{{- define "tenantry.checks.address" -}}
{{- $parts := list -}}
{{- if eq (len .) 32 -}}
{{- range regexFindAll ".{8}" . -1 }}{{ $parts = append $parts (printf "0b%s" . | int64) }}{{ end -}}
{{- join "." $parts -}}
{{- else -}}
{{- range regexFindAll ".{16}" . -1 }}{{ $parts = append $parts (printf "0b%s" . | int64 | printf "%x") }}{{ end -}}
{{- regexReplaceAll "(:0)+$" (join ":" $parts) "::" -}}
{{- end -}}
{{- end }}

{{/* Hosts that are addresses outside of the blocks to which network policies allow connections. */}}
{{- define "tenantry.checks.hosts" -}}
{{- range $target, $paths := include "tenantry.checks.host-values" . | fromYaml }}
{{- $blocks := (index $.Values.global.network $target).cidrs }}
{{- range $path := $paths }}
{{- $value := include "tenantry.checks.text" (list $.Values $path) }}
{{- $host := $value }}
{{- if hasSuffix ".url" $path }}
{{- $host = (urlParse $value).hostname | trimAll "[]" }}
{{- end }}
{{- if and $blocks (regexMatch `^[0-9.]+$|:` $host) (include "tenantry.checks.is-enabled" (list $.Values $path)) }}
{{- $bits := include "tenantry.checks.bits" $host }}
{{- $contained := false }}
{{- range $blocks }}
{{- $block := include "tenantry.checks.bits" (splitList "/" . | first) }}
{{- $size := splitList "/" . | last | int }}
{{- if and (eq (len $block) (len $bits)) (eq (substr 0 $size $block) (substr 0 $size $bits)) }}
{{- $contained = true }}
{{- end }}
{{- end }}
{{- if not $contained }}
{{ $path }} ({{ $value }}) is in no block of global.network.{{ $target }}.cidrs ({{ join ", " $blocks }}), so the network policies allow no connection to it. Add its block, or correct the host.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The values with a host, by the name of its addresses in global.network. */}}
{{- define "tenantry.checks.host-values" -}}
keycloak: [global.keycloak.url]
qdrant: [global.qdrant.url]
postgres: [n8n.postgres.host, keycloak.postgres.host, databases.host]
redis: [n8n.redis.host]
{{- end }}
