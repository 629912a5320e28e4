{{/*
Tenantry's own images, also those of install jobs, have the chart's version as their tag. Images of other programs have
their subchart's appVersion. The digest in Chart.yaml belongs to that appVersion, so another tag has no digest.
*/}}
{{- define "tenantry.image" -}}
{{- $image := .values.image -}}
{{- $ours := eq (.role | default "") "install" -}}
{{- $version := ternary .top.Chart.Version .top.Chart.AppVersion $ours -}}
{{- $tested := ternary (index .top.Chart.Annotations "tenantry.io/image-digest") "" (and (empty $image.tag) (not $ours)) -}}
{{ $image.repository }}:{{ $image.tag | default $version }}{{ with $image.digest | default $tested }}@{{ . }}{{ end }}
{{- end }}

{{/* The fields of every pod: Pod Security "restricted", its PriorityClass, and the spread over zones and nodes. */}}
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

{{/* HTTP probes. Also takes live and ready (paths), probePort and scheme. */}}
{{- define "tenantry.probes" -}}
{{- $port := .probePort | default "http" }}
{{- $scheme := upper (.scheme | default "http") }}
{{- $live := dict "path" (.live | default "/healthz") "port" $port "scheme" $scheme }}
{{- $ready := dict "path" (.ready | default "/readyz") "port" $port "scheme" $scheme }}
{{- include "tenantry.probes-from" (dict "httpGet" $live "ready" (dict "httpGet" $ready)) }}
{{- end }}

{{/*
Takes the handler of the liveness probe in the syntax of Kubernetes, and as "ready" the handler of the readiness probe if it
differs. A start may take ten minutes, because Keycloak builds itself first.
*/}}
{{- define "tenantry.probes-from" -}}
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

{{/* Keep serving for some seconds at shutdown, because load balancers and kube-proxy still send requests. */}}
{{- define "tenantry.pre-stop" -}}
lifecycle:
  preStop:
    sleep: {seconds: {{ .Values.global.drainSeconds }}}
{{- end }}

{{/* A variable from a Secret. Takes a list: variable, Secret, key. */}}
{{- define "tenantry.secret-env" -}}
- name: {{ index . 0 }}
  valueFrom: {secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}}
{{- end }}

{{/* The CA of Qdrant's certificate, without the private key, for a client. Takes a list: the scope and the variable. */}}
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
The Secrets Store CSI driver creates a Secret when a pod mounts its volume, and deletes it with the last such pod. So each
pod that reads a Secret mounts its volume as well. Also takes secrets: their names.
*/}}
{{- define "tenantry.secrets-store-mounts" -}}
{{- if .top.Values.global.secretsStore.enabled }}
{{- range $number, $name := uniq .secrets }}
- {name: store-{{ $number }}, mountPath: /mnt/secrets-store/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "tenantry.secrets-store-volumes" -}}
{{- if .top.Values.global.secretsStore.enabled }}
{{- range $number, $name := uniq .secrets }}
- name: store-{{ $number }}
  csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: {{ $name }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* The settings and additional variables of a service from the values. */}}
{{- define "tenantry.settings-env" -}}
{{- range $name, $value := .values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
