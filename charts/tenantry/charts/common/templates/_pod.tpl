{{/*
Tenantry's own images, also those of jobs, have the chart's version as their tag. Images of other programs have
their subchart's appVersion. The digest in Chart.yaml belongs to that appVersion, so another tag has no digest.
A registry for all images replaces the registry of each repository.
*/}}
{{- define "tenantry.image" -}}
{{- $image := .values.image -}}
{{- $repository := $image.repository -}}
{{- /* The first part of a repository is a registry if it has a dot or a port, as in Docker. */}}
{{- with .top.Values.global.imageRegistry -}}
{{- $repository = printf "%s/%s" . (regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $repository "") -}}
{{- end -}}
{{- $ours := has (.role | default "") (list "install" "backup" "test") -}}
{{- $version := ternary .top.Chart.Version .top.Chart.AppVersion $ours -}}
{{- $tested := ternary (index .top.Chart.Annotations "tenantry.io/image-digest") "" (and (empty $image.tag) (not $ours)) -}}
{{ $repository }}:{{ $image.tag | default $version }}{{ with $image.digest | default $tested }}@{{ . }}{{ end }}
{{- end }}

{{/*
The fields of every pod: Pod Security "restricted", its PriorityClass, its nodes, and the spread over zones and nodes. Also
takes serviceAccount: the workload whose ServiceAccount it uses, if not its own; and zones: the number of zones over which the pods must be spread, if the spread is not optional.
*/}}
{{- define "tenantry.pod" -}}
serviceAccountName: {{ include "tenantry.name" (merge (dict "name" (.serviceAccount | default .name)) .) }}
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
{{- with .values.priorityClassName | default (index .top.Values.global.priorityClasses $priority) }}
priorityClassName: {{ . | quote }}
{{- else }}
{{- if .top.Values.global.priorityClasses.install }}
priorityClassName: {{ include "tenantry.priority-class" (dict "top" .top "name" $priority) }}
{{- end }}
{{- end }}
{{- with merge (deepCopy (.values.nodeSelector | default dict)) (.top.Values.global.nodeSelector | default dict) }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat (.top.Values.global.tolerations | default list) (.values.tolerations | default list) | uniq }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not .job }}
topologySpreadConstraints:
  {{- include "tenantry.spread" . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A constraint of the values selects the workload's pods unless it has a selector. */}}
{{- define "tenantry.spread" -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "tenantry.selector" . | fromYaml)) }}
{{- range .values.topologySpreadConstraints }}
- {{- ternary . (merge (deepCopy .) $selector) (hasKey . "labelSelector") | toYaml | nindent 2 }}
{{- else }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  {{- if and $.zones (eq . "topology.kubernetes.io/zone") }}
  whenUnsatisfiable: DoNotSchedule
  minDomains: {{ $.zones }}
  nodeTaintsPolicy: Honor # a zone without nodes for these pods does not count
  {{- else }}
  whenUnsatisfiable: ScheduleAnyway
  {{- end }}
  labelSelector:
    matchLabels:
      {{- include "tenantry.selector" $ | nindent 6 }}
  {{- if not $.stateful }}
  matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The metadata of a pod template: labels and annotations, with those of the values. */}}
{{- define "tenantry.pod-metadata" -}}
labels:
  {{- include "tenantry.pod-labels" . | nindent 2 }}
  {{- with include "tenantry.extra-labels" . }}
  {{- . | nindent 2 }}
  {{- end }}
{{- with include "tenantry.pod-annotations" . }}
annotations:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The schema refuses labels of selectors. */}}
{{- define "tenantry.extra-labels" -}}
{{- with merge (deepCopy (.values.podLabels | default dict)) (.top.Values.global.podLabels | default dict) }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/*
A changed annotation restarts the pods. A job runs once and reads its Secrets then. Also takes:
  certificate  a Secret of a certificate that the pod reads, or ""
  config       the content of the ConfigMap that the pod reads when it starts
*/}}
{{- define "tenantry.pod-annotations" -}}
{{- $annotations := merge (deepCopy (.values.podAnnotations | default dict)) (.top.Values.global.podAnnotations | default dict) }}
{{- with .config }}
{{- $_ := set $annotations "checksum/config" (sha256sum .) }}
{{- end }}
{{- if not .job }}
{{- with include "tenantry.secret-versions" . }}
{{- $_ := set $annotations "tenantry.io/secret-versions" . }}
{{- end }}
{{- end }}
{{- with $annotations }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/*
The versions of the Secrets that a pod reads, as Kubernetes counts them: "tenantry-gateway=1234". A version changes with the
Secret and holds nothing of its content. `helm template` and Argo CD see no cluster, so there is none.
*/}}
{{- define "tenantry.secret-versions" -}}
{{- $versions := list }}
{{- range concat (.secrets | default list) (list (.certificate | default "")) | uniq | sortAlpha | compact }}
{{- with lookup "v1" "Secret" $.top.Release.Namespace . }}
{{- $versions = append $versions (printf "%s=%s" .metadata.name .metadata.resourceVersion) }}
{{- end }}
{{- end }}
{{- join "," $versions }}
{{- end }}

{{- define "tenantry.container" -}}
image: {{ include "tenantry.image" . }}
imagePullPolicy: {{ .values.image.pullPolicy | quote }}
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
  valueFrom: {secretKeyRef: {name: {{ index . 1 | quote }}, key: {{ index . 2 }}}}
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
  secret: {secretName: {{ . | quote }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end }}

{{/*
The mounts and volumes that every pod may have: those of the values, and those of the Secrets Store CSI driver. The driver
creates a Secret when a pod mounts its volume, and deletes it with the last such pod. So each pod that reads a Secret mounts
its volume as well. Both also take secrets: the names of the Secrets that the pod reads.
*/}}
{{- define "tenantry.mounts" -}}
{{- if .top.Values.global.secretsStore.enabled }}
{{- range $number, $name := uniq (.secrets | default list) }}
- {name: store-{{ $number }}, mountPath: /mnt/secrets-store/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- with .values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tenantry.volumes" -}}
{{- if .top.Values.global.secretsStore.enabled }}
{{- range $number, $name := uniq (.secrets | default list) }}
- name: store-{{ $number }}
  csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: {{ $name | quote }}}}
{{- end }}
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
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
