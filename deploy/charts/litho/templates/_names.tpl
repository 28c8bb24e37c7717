{{/* Names, labels, and what one set of pods differs in from another. */}}

{{- define "litho.name" -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- end -}}

{{- define "litho.selector" -}}
app.kubernetes.io/name: litho
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "litho.labels" -}}
{{ include "litho.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: litho
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "litho.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "litho.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* The stable set of pods: root, name, track, source, models, triton, replicas. */}}
{{- define "litho.stable" -}}
{{- dict "name" (include "litho.name" .) "track" "stable" "source" .Values.source "models" .Values.models "triton" .Values.triton "replicas" .Values.replicas | toJson -}}
{{- end -}}

{{/* The canary's: what it does not give is that of the stable one. */}}
{{- define "litho.canary" -}}
{{- $source := mergeOverwrite (deepCopy .Values.source) .Values.canary.source -}}
{{- $triton := mergeOverwrite (deepCopy .Values.triton) .Values.canary.triton -}}
{{- dict "name" (printf "%s-canary" (include "litho.name" .)) "track" "canary" "source" $source "models" .Values.canary.models "triton" $triton "replicas" .Values.canary.replicas | toJson -}}
{{- end -}}

{{/* Refuse what cannot work, in one line. */}}
{{- define "litho.check" -}}
{{- $values := .Values -}}
{{- if and (eq $values.source.kind "pvc") (not $values.source.claim) -}}{{ fail "source.claim is empty; name the PersistentVolumeClaim that holds the repository" }}{{- end -}}
{{- if and (eq $values.source.kind "s3") (not (hasPrefix "s3://" $values.source.url)) -}}{{ fail (printf "source.url is %q; expected s3://BUCKET/PREFIX" $values.source.url) }}{{- end -}}
{{- if and (eq $values.source.kind "image") (not (regexMatch "@sha256:[0-9a-f]{64}$" $values.source.image)) -}}{{ fail (printf "source.image is %q; expected NAME@sha256:DIGEST, as a tag may be moved" $values.source.image) }}{{- end -}}
{{- if and $values.trust.pinned (not $values.models) -}}{{ fail "models is empty, and trust.pinned asks for exactly these; write them with 'litho manifest --format values', or set trust.pinned=false" }}{{- end -}}
{{- if $values.gateway.enabled -}}
{{- if and (not (and $values.gateway.keysSecret $values.gateway.tlsSecret)) (not $values.gateway.insecure) -}}{{ fail "the gateway needs gateway.keysSecret and gateway.tlsSecret, or gateway.insecure=true where something before it has both" }}{{- end -}}
{{- if and $values.gateway.keysSecret $values.gateway.tlsSecret $values.gateway.insecure -}}{{ fail "gateway.insecure was given, but keys and TLS are on; leave it out" }}{{- end -}}
{{- else if not $values.triton.grpc -}}{{ fail "without a gateway only gRPC answers; set triton.grpc=true" }}{{- end -}}
{{- if and (ne $values.autoscaling.kind "none") (not $values.models) -}}{{ fail "autoscaling needs models with their queueSeconds" }}{{- end -}}
{{- if and (eq $values.autoscaling.kind "hpa") (eq $values.workload "kserve") -}}{{ fail "autoscaling.kind is hpa, and KServe's own autoscaler knows only processor time; use keda, or none" }}{{- end -}}
{{- if gt (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas) -}}{{ fail (printf "autoscaling.minReplicas is %d, and maxReplicas is %d; give at most as many" (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas)) }}{{- end -}}
{{- if and $values.canary.enabled (eq $values.workload "kserve") -}}{{ fail "canary was given with workload kserve; use canaryTrafficPercent of the InferenceService" }}{{- end -}}
{{- if and $values.canary.enabled $values.trust.pinned (not $values.canary.models) -}}{{ fail "canary.models is empty, and trust.pinned asks for exactly these" }}{{- end -}}
{{- end -}}

{{/* More pods at once, fewer one by one: they take minutes to start. */}}
{{- define "litho.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - {type: Percent, value: 100, periodSeconds: 60}
    - {type: Pods, value: 2, periodSeconds: 60}
  selectPolicy: Max
scaleDown:
  stabilizationWindowSeconds: {{ int .Values.autoscaling.scaleDownSeconds }}
  policies:
    - {type: Pods, value: 1, periodSeconds: 60}
{{- end -}}

{{/* Seconds that a request for a model waits: takes root and model. */}}
{{- define "litho.waitQuery" -}}
{{- $queries := .root.Files.Get "files/scaling.yaml" | fromYaml -}}
{{- $name := regexReplaceAll "([.])" .model.name "\\\\$1" -}}
{{- $queries.queries.wait_seconds | replace "$namespace" .root.Release.Namespace | replace "$release" .root.Release.Name | replace "$model" $name -}}
{{- end -}}
