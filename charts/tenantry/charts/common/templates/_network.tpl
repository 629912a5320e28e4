{{/*
The NetworkPolicy of a workload. Also takes:
  from      {port of this workload: [workloads of this release that connect to it]}; "load-balancer" and "keda" are also allowed
  to        [[workload of this release, its port], ...]
  external  names in global.network: postgres, redis, keycloak, qdrant, aws, kubernetes
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
    {{- include "tenantry.ingress-rules" . | trim | default "[]" | nindent 4 }}
  egress:
    {{- include "tenantry.egress-rules" . | trim | default "[]" | nindent 4 }}
{{- end }}

{{- define "tenantry.ingress-rules" -}}
{{- $network := .top.Values.global.network }}
{{- range $port, $callers := .from }}
{{- range $callers }}
{{- $peers := include "tenantry.pod-peer" (list $.top .) }}
{{- if eq . "load-balancer" }}
{{- $peers = include "tenantry.address-peers" $network.loadBalancer.cidrs }}
{{- else if eq . "keda" }}
{{- $peers = include "tenantry.namespace-peer" $network.kedaNamespace }}
{{- end }}
{{- include "tenantry.network-rule" (list (printf "%s --> %s" . $.name) "from" $port $peers) }}
{{- end }}
{{- end }}
{{- if .metricsPort }}
{{- include "tenantry.network-rule" (list (printf "monitoring --> %s" .name) "from" .metricsPort (include "tenantry.namespace-peer" $network.monitoringNamespace)) }}
{{- end }}
{{- end }}

{{- define "tenantry.egress-rules" -}}
{{- $network := .top.Values.global.network }}
{{- range .to }}
{{- include "tenantry.network-rule" (list (printf "%s --> %s" $.name (index . 0)) "to" (index . 1) (include "tenantry.pod-peer" (list $.top (index . 0)))) }}
{{- end }}
{{- range .external }}
{{- $target := index $network . }}
{{- $peers := include "tenantry.address-peers" $target.cidrs }}
{{- /* The release may include these parts. Pods are selected by labels; cidrs names only addresses outside. */}}
{{- if has . (list "postgres" "redis" "keycloak") }}
{{- $peers = print (include "tenantry.pod-peer" (list $.top .)) "\n" $peers }}
{{- end }}
{{- include "tenantry.network-rule" (list (printf "%s --> %s" $.name .) "to" $target.port $peers) }}
{{- if eq . "aws" }}
{{- include "tenantry.network-rule" (list (printf "%s --> Pod Identity agent" $.name) "to" 80 (include "tenantry.address-peers" $target.podIdentityCidrs)) }}
{{- end }}
{{- if eq . "kubernetes" }}
{{- /* VPC CNI filters before the Service's address is translated to an endpoint. Other CNIs filter after it. */}}
{{- include "tenantry.network-rule" (list (printf "%s --> Service kubernetes" $.name) "to" 443 (include "tenantry.address-peers" $target.serviceCidrs)) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A rule of a network policy. Without peers it is left out: Kubernetes would allow all addresses. Takes a list: a comment,
"from" or "to", the port, and the peers.
*/}}
{{- define "tenantry.network-rule" -}}
{{- with index . 3 | trim }}
# {{ index $ 0 }}
- ports: [{port: {{ index $ 2 }}}]
  {{ index $ 1 }}:
    {{- . | nindent 4 }}
{{- end }}
{{- end }}

{{/* The peers for a list of addresses: none for an empty list. */}}
{{- define "tenantry.address-peers" -}}
{{- range . }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* The peer for all pods of a namespace: none for an empty name. */}}
{{- define "tenantry.namespace-peer" -}}
{{- with . }}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ . | quote }}}}
{{- end }}
{{- end }}

{{/* The peer for the pods of a workload. Takes a list: the scope, and the workload's name. */}}
{{- define "tenantry.pod-peer" -}}
- podSelector: {matchLabels: {app.kubernetes.io/name: {{ index . 1 }}, app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}}}
{{- end }}
