{{/*
Other releases in the cluster, found by the ClusterRoles of their operators. Two releases must not serve the same Tenants,
and only one can own the Tenant resource. Without a cluster (helm template), there is nothing to find.
*/}}
{{- define "tenantry.checks.releases" -}}
{{- $owner := include "tenantry.checks.release" (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "tenants.tenantry.io") }}
{{- range (lookup "rbac.authorization.k8s.io/v1" "ClusterRole" "" "").items }}
{{- $labels := .metadata.labels | default dict }}
{{- if and (eq (get $labels "app.kubernetes.io/part-of") "tenantry") (eq (get $labels "app.kubernetes.io/name") "operator") }}
{{- $release := include "tenantry.checks.release" . }}
{{- $namespace := dig "annotations" "meta.helm.sh/release-namespace" "" .metadata }}
{{- $own := and (eq $namespace $.Release.Namespace) (eq (get $labels "app.kubernetes.io/instance") $.Release.Name) }}
{{- /* A deleted namespace leaves the ClusterRole of its release. */}}
{{- if and $release (not $own) (lookup "apps/v1" "Deployment" $namespace (trimPrefix (printf "%s-" $namespace) .metadata.name)) }}
{{- if eq (get $labels "tenantry.io/tenant-class" | default "default") $.Values.global.tenantClass }}
global.tenantClass: {{ $release }} already serves the Tenants of the class {{ $.Values.global.tenantClass | quote }}. Set global.tenantClass to a class that no other release serves.
{{- end }}
{{- if and $.Values.crds.install (eq $release $owner) }}
crds.install: {{ $release }} owns the Tenant resource, which all releases in a cluster share. Set crds.install to false.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The release that owns an object of the cluster, in words; empty if the object is absent or not helm's. */}}
{{- define "tenantry.checks.release" -}}
{{- with dig "metadata" "annotations" "meta.helm.sh/release-name" "" . -}}
the release {{ . }} in the namespace {{ dig "metadata" "annotations" "meta.helm.sh/release-namespace" "" $ }}
{{- end }}
{{- end }}
