{{/*
The edges of the network. Takes also:
  from   {port of this workload: [callers of this release]}; "load-balancer" is the world's door
  to     [[workload of this release, its port], ...]
  out    names in global.network: postgres, redis, keycloak, aws, kubernetes; without addresses it is the release's own
  metricsPort  where monitoring reads, if it may and there is something to read
*/}}
{{- define "tenantry.network-policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "tenantry.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "tenantry.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- range $port, $callers := .from }}
    {{- range $callers }}
    # {{ . }} --> {{ $.name }}
    - ports: [{port: {{ $port }}}]
      from:
        {{- include "tenantry.caller" (list $.top .) | nindent 8 }}
    {{- end }}
    {{- end }}
    {{- if and .metricsPort .top.Values.global.network.monitoringNamespace }}
    # monitoring --> {{ $.name }}
    - ports: [{port: {{ $.metricsPort }}}]
      from:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .top.Values.global.network.monitoringNamespace }}}}
    {{- end }}
  egress:
    {{- range .to }}
    # {{ $.name }} --> {{ index . 0 }}
    - ports: [{port: {{ index . 1 }}}]
      to:
        - podSelector: {matchLabels: {app.kubernetes.io/name: {{ index . 0 }}, app.kubernetes.io/instance: {{ $.top.Release.Name }}}}
    {{- end }}
    {{- range .out }}
    {{- $place := index $.top.Values.global.network . }}
    # {{ $.name }} --> {{ . }}
    - ports: [{port: {{ $place.port }}}]
      to:
        {{- range $place.cidrs }}
        - ipBlock: {cidr: {{ . }}}
        {{- else }}
        {{- include "tenantry.caller" (list $.top .) | nindent 8 }}
        {{- end }}
    {{- end }}
{{- end }}

{{- define "tenantry.caller" -}}
{{- $top := index . 0 -}}
{{- if eq (index . 1) "load-balancer" -}}
{{- range $top.Values.global.network.loadBalancer.cidrs }}
- ipBlock: {cidr: {{ . }}}
{{- end }}
{{- else -}}
- podSelector: {matchLabels: {app.kubernetes.io/name: {{ index . 1 }}, app.kubernetes.io/instance: {{ $top.Release.Name }}}}
{{- end }}
{{- end }}
