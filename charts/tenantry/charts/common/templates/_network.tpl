{{/*
The NetworkPolicy of a workload. Also takes:
  from      {port of this workload: [workloads of this release that connect to it]}; "load-balancer" is also allowed
  to        [[workload of this release, its port], ...]
  external  names in global.network: postgres, redis, keycloak, aws, kubernetes; a name without addresses means this release's workload
  metricsPort  the port that Prometheus scrapes, if there is one
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
        {{- include "tenantry.network-peer" (list $.top .) | nindent 8 }}
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
    {{- range .external }}
    {{- $target := index $.top.Values.global.network . }}
    # {{ $.name }} --> {{ . }}
    - ports: [{port: {{ $target.port }}}]
      to:
        {{- range $target.cidrs }}
        - ipBlock: {cidr: {{ . }}}
        {{- else }}
        {{- include "tenantry.network-peer" (list $.top .) | nindent 8 }}
        {{- end }}
    {{- end }}
{{- end }}

{{- define "tenantry.network-peer" -}}
{{- $top := index . 0 -}}
{{- if eq (index . 1) "load-balancer" -}}
{{- range $top.Values.global.network.loadBalancer.cidrs }}
- ipBlock: {cidr: {{ . }}}
{{- end }}
{{- else -}}
- podSelector: {matchLabels: {app.kubernetes.io/name: {{ index . 1 }}, app.kubernetes.io/instance: {{ $top.Release.Name }}}}
{{- end }}
{{- end }}
