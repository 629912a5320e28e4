{{/* The ways to Open WebUI, its load balancer and its URL. */}}
{{- define "tenantry.checks.ingress" -}}
{{- $url := .Values.global.openWebui.url }}
{{- $parsed := urlParse $url }}
{{- range $way := list "ingress" "httpRoute" "targetGroupBinding" }}
{{- if index $.Values $way "enabled" }}
{{- if not $url }}
{{ $way }}.enabled is true, but global.openWebui.url is empty. Set the URL that browsers open.
{{- else if and (ne $way "targetGroupBinding") (regexMatch `^[0-9.]+$|:.*:` $parsed.hostname) }}
{{ $way }}.enabled is true, but the host in global.openWebui.url ({{ $url }}) is an address. Use a name, by which requests are routed.
{{- end }}
{{- if not (index $.Values "open-webui" "enabled") }}
{{ $way }}.enabled is true, but open-webui.enabled is false, so requests have no target. Set both to the same value.
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute.enabled is true, but httpRoute.parentRefs is empty. Name the Gateway of the route.
{{- end }}
{{- if and .Values.targetGroupBinding.enabled (not .Values.targetGroupBinding.targetGroupArn) }}
targetGroupBinding.enabled is true, but targetGroupBinding.targetGroupArn is empty. Set the ARN of the target group.
{{- end }}
{{- if .Values.ingress.enabled }}
{{- if and (hasPrefix "http://" $url) .Values.ingress.tlsSecret }}
ingress.tlsSecret is {{ .Values.ingress.tlsSecret }}, but global.openWebui.url ({{ $url }}) has no TLS. Begin the URL with https:// or empty the Secret's name.
{{- end }}
{{- if eq .Values.ingress.className "alb" }}
{{ include "tenantry.checks.alb" . }}
{{- else }}
{{- with .Values.ingress }}
{{- $unused := pick .alb "certificateArns" "prefixLists" "webAclArn" }}
{{- if ne .alb.scheme "internet-facing" }}{{ $_ := set $unused "scheme" .alb.scheme }}{{ end }}
{{- if ne .alb.sslPolicy "ELBSecurityPolicy-TLS13-1-3-2021-06" }}{{ $_ := set $unused "sslPolicy" .alb.sslPolicy }}{{ end }}
{{- if ne (toJson .alb.inboundCidrs) `["0.0.0.0/0"]` }}{{ $_ := set $unused "inboundCidrs" .alb.inboundCidrs }}{{ end }}
{{- range $name, $value := $unused }}
{{- if $value }}
ingress.alb.{{ $name }} is set, but ingress.className is {{ $.Values.ingress.className }}, and only the class alb reads it. Remove ingress.alb.{{ $name }} and use ingress.annotations of your controller.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Application Load Balancer. Its listener is HTTPS on port 443. */}}
{{- define "tenantry.checks.alb" -}}
{{- $url := .Values.global.openWebui.url }}
{{- if and $url (or (not (hasPrefix "https://" $url)) (ne (include "tenantry.checks.port" $url) "443")) }}
global.openWebui.url ({{ $url }}) does not lead to the load balancer, because with the ingress.className alb it has only HTTPS on port 443. Begin the URL with https:// and remove its port.
{{- end }}
{{ include "tenantry.checks.alb-annotations" .Values.ingress }}
{{- if .Values.ingress.tlsSecret }}
ingress.tlsSecret is {{ .Values.ingress.tlsSecret }}, but ingress.className is alb, which reads ingress.alb.certificateArns instead. Empty ingress.tlsSecret.
{{- end }}
{{- with .Values.ingress.alb }}
{{- if not (or .inboundCidrs .prefixLists (hasKey ($.Values.ingress.annotations | default dict) "alb.ingress.kubernetes.io/security-groups")) }}
ingress.alb.inboundCidrs and ingress.alb.prefixLists are both empty, and the controller then lets all addresses connect. List the addresses in one of them, or set ingress.enabled to false.
{{- end }}
{{- if and .prefixLists (gt (len (without (.inboundCidrs | default list) "0.0.0.0/0" "::/0")) 0) }}
ingress.alb.inboundCidrs ({{ join ", " .inboundCidrs }}) has no effect, because ingress.alb.prefixLists ({{ join ", " .prefixLists }}) is set. Empty one of them.
{{- end }}
{{- if eq .scheme "internal" }}
{{- range without (.inboundCidrs | default list) "0.0.0.0/0" "::/0" }}
{{- if not (regexMatch `^(10\.|172\.(1[6-9]|2[0-9]|3[01])\.|192\.168\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|[fF][cCdD])` .) }}
ingress.alb.scheme is internal, but ingress.alb.inboundCidrs has the public block {{ . }}, whose addresses cannot connect. Remove the block, or set the scheme to internet-facing.
{{- end }}
{{- end }}
{{- end }}
{{- if contains ":global/" .webAclArn }}
ingress.alb.webAclArn ({{ .webAclArn }}) is a web ACL for CloudFront, but ingress.className is alb, which needs a regional one. Use the ARN of a regional web ACL.
{{- end }}
{{- end }}
{{- end }}

{{/* Additional annotations that would replace those of the chart. Takes the values of the Ingress. */}}
{{- define "tenantry.checks.alb-annotations" -}}
{{- $own := include "tenantry.alb" . | fromYaml }}
{{- $values := dict "scheme" "scheme" "ssl-policy" "sslPolicy" "certificate-arn" "certificateArns" "wafv2-acl-arn" "webAclArn" "inbound-cidrs" "inboundCidrs" "security-group-prefix-lists" "prefixLists" }}
{{- range $annotation, $added := .annotations }}
{{- $name := trimPrefix "alb.ingress.kubernetes.io/" $annotation }}
{{- if hasKey $values $name }}
ingress.annotations has {{ $annotation }}, which ingress.alb.{{ get $values $name }} sets. Remove the annotation, and set ingress.alb.{{ get $values $name }}.
{{- else if and (hasKey $own $annotation) (hasSuffix "-attributes" $name) }}
{{- range $attribute := get $own $annotation | splitList "," }}
{{- $key := splitList "=" $attribute | first }}
{{- range splitList "," $added }}
{{- if eq (splitList "=" . | first | trim) $key }}
ingress.annotations has {{ $annotation }} with {{ $key }}, which the chart sets: {{ $attribute }}. Remove this attribute.
{{- end }}
{{- end }}
{{- end }}
{{- else if hasKey $own $annotation }}
ingress.annotations has {{ $annotation }}, which the chart sets to {{ get $own $annotation }}. Remove the annotation.
{{- else if and (eq $name "security-groups") (or $.alb.inboundCidrs $.alb.prefixLists) }}
ingress.annotations has {{ $annotation }}, with which the controller ignores ingress.alb.inboundCidrs and ingress.alb.prefixLists. Remove the annotation, or empty both lists.
{{- end }}
{{- end }}
{{- end }}
