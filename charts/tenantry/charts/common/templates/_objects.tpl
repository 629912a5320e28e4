{{- define "tenantry.service-account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "tenantry.metadata" . | nindent 2 }}
  {{- with .values.serviceAccount }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
automountServiceAccountToken: false # pods that need a token mount it explicitly
{{- end }}

{{- define "tenantry.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "tenantry.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "tenantry.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http}
{{- end }}

{{/* The volumes of a StatefulSet, for the end of its spec. They are kept when the set is deleted or scaled down. */}}
{{- define "tenantry.volume" -}}
{{- include "tenantry.refuse-renaming" . -}}
persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .values.storage.class }}
      storageClassName: {{ . | quote }}
      {{- end }}
      resources: {requests: {storage: {{ .values.storage.size }}}}
{{- end }}

{{/* Refuse an upgrade that renames a StatefulSet: the new one has empty volumes. `helm template` sees no cluster. */}}
{{- define "tenantry.refuse-renaming" -}}
{{- $name := include "tenantry.name" . -}}
{{- range (lookup "apps/v1" "StatefulSet" .top.Release.Namespace "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- $same := eq (pick $labels "app.kubernetes.io/name" "app.kubernetes.io/instance" | toJson) (include "tenantry.selector" $ | fromYaml | toJson) -}}
{{- if and $same (ne .metadata.name $name) -}}
{{- fail (printf "This upgrade renames StatefulSet %s to %s, whose volumes are empty: restore global.fullnameOverride and global.nameOverride." .metadata.name $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
A Job that runs once for each pod template, which is immutable: its name has a hash of it. Also takes:
  pod  the pod's spec
  run  a number, if the Job also runs whenever this number changes
*/}}
{{- define "tenantry.job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "tenantry.name" . }}-{{ print .pod (.run | default "") (include "tenantry.extra-labels" .) (include "tenantry.pod-annotations" .) | sha256sum | trunc 8 }}
  namespace: {{ .top.Release.Namespace | quote }}
  labels:
    {{- include "tenantry.labels" . | nindent 4 }}
spec:
  backoffLimit: 6
  template:
    metadata:
      {{- include "tenantry.pod-metadata" . | nindent 6 }}
    spec:
      {{- .pod | nindent 6 }}
{{- end }}

{{/*
A Job that configures a program after each install, upgrade and rollback. Also takes:
  args     its arguments
  env      its variables
  secrets  the Secrets that it reads
*/}}
{{- define "tenantry.install-job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "tenantry.metadata" . | nindent 2 }}
  annotations:
    helm.sh/hook: post-install,post-upgrade,post-rollback
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 6
  template:
    metadata:
      {{- include "tenantry.pod-metadata" . | nindent 6 }}
    spec:
      {{- include "tenantry.pod" . | nindent 6 }}
      restartPolicy: Never
      containers:
        - name: {{ .name }}
          {{- include "tenantry.container" . | nindent 10 }}
          args: {{ toJson .args }}
          env:
            {{- .env | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- include "tenantry.mounts" . | nindent 12 }}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 16Mi}}
        {{- include "tenantry.volumes" . | nindent 8 }}
{{- end }}

{{/* Allow the eviction of one pod at a time, so that a node can always be drained. */}}
{{- define "tenantry.disruption-budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "tenantry.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "tenantry.selector" . | nindent 6 }}
{{- end }}

{{/*
The autoscaler of a workload. Also takes metric, behavior if it differs from the default, and gradual if it can have a Rollout.
The workload itself must not set replicas, because every upgrade would then reset the number.
*/}}
{{- define "tenantry.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "tenantry.metadata" . | nindent 2 }}
spec:
  {{- if and (default false .gradual) .top.Values.global.rollouts.enabled }}
  scaleTargetRef: {apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: {{ include "tenantry.name" . }}}
  {{- else }}
  scaleTargetRef: {apiVersion: apps/v1, kind: {{ ternary "StatefulSet" "Deployment" (default false .stateful) }}, name: {{ include "tenantry.name" . }}}
  {{- end }}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    {{- .metric | nindent 4 }}
  behavior:
    {{- .behavior | default (include "tenantry.scaling-behavior" .) | nindent 4 }}
{{- end }}

{{/* Scale up immediately, by 100 % or four pods a minute. Scale down slowly, because peaks often follow each other. */}}
{{- define "tenantry.scaling-behavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - {type: Percent, value: 100, periodSeconds: 60}
    - {type: Pods, value: 4, periodSeconds: 60}
scaleDown:
  stabilizationWindowSeconds: 300
  policies:
    - {type: Percent, value: 25, periodSeconds: 60}
{{- end }}

{{/* A metric for the autoscaler. Takes a list: cpu or memory, and the percentage of the request. */}}
{{- define "tenantry.resource-metric" -}}
- type: Resource
  resource: {name: {{ index . 0 }}, target: {type: Utilization, averageUtilization: {{ index . 1 }}}}
{{- end }}

{{/* A ClusterRole and its binding to the workload's ServiceAccount. Also takes rules: the rules of the ClusterRole. */}}
{{- define "tenantry.cluster-role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .top.Release.Namespace }}-{{ include "tenantry.name" . }}
  labels:
    {{- include "tenantry.labels" . | nindent 4 }}
    tenantry.io/tenant-class: {{ .top.Values.global.tenantClass | quote }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .top.Release.Namespace }}-{{ include "tenantry.name" . }}
  labels:
    {{- include "tenantry.labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ .top.Release.Namespace }}-{{ include "tenantry.name" . }}}
subjects:
  - {kind: ServiceAccount, name: {{ include "tenantry.name" . }}, namespace: {{ .top.Release.Namespace | quote }}}
{{- end }}

{{/* Dimensions of the metrics in CloudWatch: those of infra/cloudformation/observability.yaml. Takes the scope of any chart. */}}
{{- define "tenantry.cloudwatch-dimensions" -}}
{{ dict "Namespace" .Release.Namespace "Release" .Release.Name | toJson }}
{{- end }}
