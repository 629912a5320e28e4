{{/* Buckets, ARNs and the region. */}}
{{- define "tenantry.checks.aws" -}}
{{- with .Values.global.aws }}
{{- if eq .documentsBucket .filesBucket }}
global.aws.documentsBucket and global.aws.filesBucket both are {{ .documentsBucket }}. Use two buckets: Open WebUI must not reach the documents.
{{- end }}
{{- end }}
{{- $region := .Values.global.aws.region }}
{{- $partitions := dict "us-gov-" "aws-us-gov" "cn-" "aws-cn" "us-iso-" "aws-iso" "us-isob-" "aws-iso-b" "eu-isoe-" "aws-iso-e" "us-isof-" "aws-iso-f" "eusc-" "aws-eusc" }}
{{- $partition := "aws" }}
{{- range $prefix, $name := $partitions }}
{{- $partition = hasPrefix $prefix $region | ternary $name $partition }}
{{- end }}
{{- $owners := list }}
{{- range $path := include "tenantry.checks.pod-files" . | fromYaml | keys }}
{{- $owners = append $owners (include "tenantry.checks.variables-owner" (list $.Values $path)) }}
{{- end }}
{{- range $path := uniq $owners | sortAlpha }}
{{- range (include "tenantry.checks.values" (list $.Values $path) | fromYaml).extraEnv }}
{{- if and (eq .name "AWS_REGION") .value (ne .value $region) }}
{{ $path }}.extraEnv has AWS_REGION ({{ .value }}), but global.aws.region is {{ $region }}. Remove the variable, or correct the region.
{{- end }}
{{- end }}
{{- end }}
{{- $roles := dict }}
{{- range include "tenantry.checks.arns" (dict "values" .Values "path" "") | splitList "\n" | compact }}
{{- $path := splitList " " . | first }}
{{- $arn := splitList " " . | last }}
{{- $parts := splitList ":" $arn }}
{{- if ne (index $parts 1) $partition }}
{{ $path }} ({{ $arn }}) is in the partition {{ index $parts 1 }}, but global.aws.region ({{ $region }}) is in the partition {{ $partition }}. Correct one of them.
{{- else if not (has (index $parts 3) (list "" $region)) }}
{{ $path }} ({{ $arn }}) is in the region {{ index $parts 3 }}, but global.aws.region is {{ $region }}. Use one in the same region.
{{- end }}
{{- if contains ":role/" $arn }}
{{- with get $roles $arn }}
{{ . }} and {{ $path }} are the same role ({{ $arn }}). Give each its own role, because each has other rights.
{{- end }}
{{- $_ := set $roles $arn $path }}
{{- end }}
{{- end }}
{{- end }}

{{/* The ARNs in all values, one per line: path, space, ARN. Takes values and their path. */}}
{{- define "tenantry.checks.arns" -}}
{{- $path := .path }}
{{- range $name, $value := .values }}
{{- $path := printf "%s.%v" $path $name | trimPrefix "." }}
{{- if or (kindIs "map" $value) (kindIs "slice" $value) }}
{{- if or (eq $path "global") (ne (toString $name) "global") }}
{{ include "tenantry.checks.arns" (dict "values" $value "path" $path) }}
{{- end }}
{{- else if regexMatch "^arn:[^:]+:[^:]+:[^:]*:[^ ]+$" (toString $value) }}
{{ $path }} {{ $value }}
{{- end }}
{{- end }}
{{- end }}
