{{/* Models of Bedrock: an inference profile exists in the regions of its geography, which its id begins with. */}}
{{- define "tenantry.checks.models" -}}
{{- $region := .Values.global.aws.region }}
{{- $settings := .Values.gateway.settings | default dict }}
{{- range .Values.gateway.extraEnv }}
{{- $settings = merge (dict .name .value) $settings }}
{{- end }}
{{- $chat := $settings.GATEWAY_CHAT_MODEL | default "us.anthropic.claude-sonnet-4-6" }}
{{- $fallbacks := $settings.GATEWAY_CHAT_FALLBACKS | default "[]" | fromJsonArray }}
{{- range $name, $models := dict "GATEWAY_CHAT_MODEL" (list $chat) "GATEWAY_CHAT_FALLBACKS" $fallbacks }}
{{- range $models }}
{{- $geography := regexFind `^(us-gov|us|eu|apac|jp|au|ca|global)\.` . | trimSuffix "." }}
{{- if and $geography (not (regexMatch (get (include "tenantry.checks.geographies" $ | fromYaml) $geography) $region)) }}
gateway.settings.{{ $name }} ({{ . }}{{ if not (hasKey $settings $name) }}, the default{{ end }}) is an inference profile of the geography {{ $geography }}, but global.aws.region is {{ $region }}. Use a model or a profile of this region.
{{- end }}
{{- end }}
{{- end }}
{{- if has $chat $fallbacks }}
gateway.settings.GATEWAY_CHAT_FALLBACKS contains {{ $chat }}, which is gateway.settings.GATEWAY_CHAT_MODEL, so it would be no fallback. Remove it.
{{- end }}
{{- end }}

{{/* The regions of each geography, as regular expressions. */}}
{{- define "tenantry.checks.geographies" -}}
us: ^(us-(east|west)|ca-[a-z]+)-
us-gov: ^us-gov-
eu: ^eu-(central|north|south|west)-
apac: ^ap-
jp: ^ap-northeast-
au: ^ap-southeast-
ca: ^ca-
global: ^(us-(east|west)|eu-(central|north|south|west)|(af|ap|ca|il|me|mx|sa)-[a-z]+)-
{{- end }}
