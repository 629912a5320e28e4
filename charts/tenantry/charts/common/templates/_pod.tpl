{{/*
The tag of an image of ours is the chart's version; that of another program is its chart's appVersion. Jobs that
install are ours. The digest in Chart.yaml belongs to its appVersion, so another tag leaves it out.
*/}}
{{- define "tenantry.image" -}}
{{- $image := .values.image -}}
{{- $ours := eq (.role | default "") "install" -}}
{{- $version := ternary .top.Chart.Version .top.Chart.AppVersion $ours -}}
{{- $tested := ternary (index .top.Chart.Annotations "tenantry.io/image-digest") "" (and (empty $image.tag) (not $ours)) -}}
{{ $image.repository }}:{{ $image.tag | default $version }}{{ with $image.digest | default $tested }}@{{ . }}{{ end }}
{{- end }}

{{/* What a pod of any workload has: Pod Security "restricted", and a place apart from its siblings. */}}
{{- define "tenantry.pod" -}}
serviceAccountName: {{ include "tenantry.name" . }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
{{- with .top.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user | default 10001 }}
  runAsGroup: {{ .user | default 10001 }}
  fsGroup: {{ .user | default 10001 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .values.terminationGracePeriodSeconds }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
{{- $priority := ternary "background" "serving" (or .job .background | default false) }}
{{- with index .top.Values.global.priorityClasses $priority }}
priorityClassName: {{ . }}
{{- else }}
{{- if .top.Values.global.priorityClasses.install }}
priorityClassName: {{ include "tenantry.priority-class" (dict "top" .top "name" $priority) }}
{{- end }}
{{- end }}
{{- if not .job }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "tenantry.selector" $ | nindent 8 }}
    {{- if not $.stateful }}
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "tenantry.container" -}}
image: {{ include "tenantry.image" . }}
imagePullPolicy: {{ .values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources:
  {{- toYaml .values.resources | nindent 2 }}
{{- end }}

{{/* The kubelet's questions to a service of ours. */}}
{{- define "tenantry.probes" -}}
{{- $port := .probePort | default "http" }}
{{- $scheme := upper (.scheme | default "http") }}
{{- $live := dict "path" (.live | default "/healthz") "port" $port "scheme" $scheme }}
{{- $ready := dict "path" (.ready | default "/readyz") "port" $port "scheme" $scheme }}
{{- include "tenantry.probes-by" (dict "httpGet" $live "ready" (dict "httpGet" $ready)) }}
{{- end }}

{{/*
Takes how to ask whether it lives, as Kubernetes writes it, and as "ready" how to ask whether it may be given work, where
that is another question. Ready late beats restarted early: ten minutes to come up, since Keycloak builds itself first.
*/}}
{{- define "tenantry.probes-by" -}}
startupProbe:
  {{- omit . "ready" | toYaml | nindent 2 }}
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: 200
livenessProbe:
  {{- omit . "ready" | toYaml | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  {{- .ready | default . | toYaml | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* Load balancers and kube-proxy send requests for some seconds more: they are still served. */}}
{{- define "tenantry.drain" -}}
lifecycle:
  preStop:
    sleep: {seconds: {{ .Values.global.drainSeconds }}}
{{- end }}

{{/* One variable out of a Secret. Takes a list: variable, Secret, key. */}}
{{- define "tenantry.secret-env" -}}
- name: {{ index . 0 }}
  valueFrom: {secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}}
{{- end }}

{{/* The authority of Qdrant's certificate, for a pod that talks to it: what its setting is called, and nothing of the private key. */}}
{{- define "tenantry.qdrant-ca-env" -}}
{{- if (index . 0).Values.global.qdrant.tlsSecret }}
- {name: {{ index . 1 }}, value: /etc/tenantry/qdrant/ca.crt}
{{- end }}
{{- end }}

{{- define "tenantry.qdrant-ca-mount" -}}
{{- if .Values.global.qdrant.tlsSecret }}
- {name: qdrant-ca, mountPath: /etc/tenantry/qdrant, readOnly: true}
{{- end }}
{{- end }}

{{- define "tenantry.qdrant-ca-volume" -}}
{{- with .Values.global.qdrant.tlsSecret }}
- name: qdrant-ca
  secret: {secretName: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end }}

{{/*
The Secrets Store CSI driver makes a Secret when a pod has its volume, and takes it away with the last such pod. So each pod that reads a Secret mounts its
volume, too. Takes also secrets: their names.
*/}}
{{- define "tenantry.store-mounts" -}}
{{- if .top.Values.global.secretsStore.enabled }}
{{- range $number, $name := uniq .secrets }}
- {name: store-{{ $number }}, mountPath: /mnt/secrets-store/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "tenantry.store-volumes" -}}
{{- if .top.Values.global.secretsStore.enabled }}
{{- range $number, $name := uniq .secrets }}
- name: store-{{ $number }}
  csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: {{ $name }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* The settings of a service that the chart does not derive, and whatever else its pod is to be told. */}}
{{- define "tenantry.settings-env" -}}
{{- range $name, $value := .values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
