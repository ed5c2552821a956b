{{- define "phoenix-grpc.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "phoenix-grpc.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "phoenix-grpc.labels" -}}
{{ include "phoenix-grpc.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "phoenix-grpc.metadata" -}}
name: {{ include "phoenix-grpc.name" . }}
labels:
  {{- include "phoenix-grpc.labels" . | nindent 2 }}
{{- end }}
