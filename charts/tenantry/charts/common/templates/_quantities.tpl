{{/* A quantity of Kubernetes as a number, so that two of them can be compared: 500m is 0.5, and 1Gi is 1073741824. */}}
{{- define "tenantry.quantity" -}}
{{- $text := toString . -}}
{{- $unit := regexFind "[a-zA-Z]+$" $text -}}
{{- $factors := dict "" 1 "n" 1e-9 "u" 1e-6 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 -}}
{{- $binary := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- get (merge $factors $binary) $unit | mulf (trimSuffix $unit $text | float64) | printf "%.9f" -}}
{{- end }}
