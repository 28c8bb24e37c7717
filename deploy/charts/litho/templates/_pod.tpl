{{/* The containers of a pod and their volumes. Each takes a dict: root, the chart's scope, and set, of _names.tpl. */}}

{{- define "litho.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "litho.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "litho.trust" -}}
{{- with .root.Values.trust.publicKey }}
- name: LITHO_REQUIRE_SIGNATURE
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Copies the served versions into the pod, and checks every file and signature on the way. */}}
{{- define "litho.fetch" -}}
{{- $values := .root.Values -}}
name: fetch
image: {{ $values.images.litho | default (printf "litho:%s" .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ $values.images.pullPolicy }}
args:
  - fetch
  - {{ if eq .set.source.kind "s3" }}{{ .set.source.url | quote }}{{ else }}{{ printf "/source/%s" (trimPrefix "/" .set.source.path) | trimSuffix "/" | quote }}{{ end }}
  - --to=/models
  {{- if $values.trust.pinned }}
  - --pinned=/etc/litho/models.json
  {{- end }}
env:
  - name: HOME
    value: /tmp
  {{- with include "litho.trust" . | trim }}
  {{- nindent 2 . }}
  {{- end }}
{{- if and (eq .set.source.kind "s3") .set.source.secret }}
envFrom:
  - secretRef:
      name: {{ .set.source.secret | quote }}
{{- end }}
resources:
  requests: {cpu: 500m, memory: 512Mi, ephemeral-storage: {{ .set.source.size }}}
  limits: {memory: {{ .set.source.memory }}, ephemeral-storage: {{ .set.source.size }}}
securityContext:
  {{- include "litho.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: models, mountPath: /models}
  - {name: tmp, mountPath: /tmp}
  - {name: config, mountPath: /etc/litho, readOnly: true}
  {{- if ne .set.source.kind "s3" }}
  - {name: source, mountPath: /source, readOnly: true}
  {{- end }}
{{- end -}}

{{/* An instance whose process died is never started again by Triton, which still says that it is ready. */}}
{{- define "litho.alive" -}}
test "$(grep -ls 'triton_python_backend_stu[b]' /proc/[0-9]*/cmdline | wc -l)" -ge {{ int .set.triton.instances }}
{{- " && " -}}curl -fsS -o /dev/null --max-time 4 http://127.0.0.1:8000/v2/health/live
{{- end -}}

{{- define "litho.triton" -}}
{{- $values := .root.Values -}}
{{- $triton := .set.triton -}}
{{- $operating := "model-repository,shared-memory,trace,logging" -}}
name: {{ if and (eq $values.workload "kserve") (not $values.gateway.enabled) }}kserve-container{{ else }}triton{{ end }}
image: {{ $values.images.triton | quote }}
imagePullPolicy: {{ $values.images.pullPolicy }}
command: [/opt/tritonserver/bin/tritonserver]
args:
  - --model-repository=/models
  - --model-control-mode=none
  - --disable-auto-complete-config
  - --strict-readiness=true
  - --exit-on-error=true
  - --exit-timeout-secs={{ int $triton.stopSeconds }}
  - --http-port=8000
  - --grpc-port=8001
  - --metrics-port=8002
  {{- if not $triton.grpc }}
  - --grpc-address=127.0.0.1
  {{- end }}
  # The pod's own number is a key that nobody gets. Over HTTP only health is asked for.
  - --http-restricted-api={{ $operating }},inference,model-config,metadata,statistics:litho-restricted=$(POD_UID)
  - --grpc-restricted-protocol=shared-memory,trace,logging:litho-restricted=$(POD_UID)
  - --http-max-input-size={{ int64 $triton.requestBytes }}
  - --log-format=ISO8601
  {{- with $triton.traces }}
  - --trace-config=mode=opentelemetry
  - --trace-config=opentelemetry,url={{ . }}
  - --trace-config=opentelemetry,bsp_schedule_delay=1000
  - --trace-config=level=TIMESTAMPS
  - --trace-config=rate=0
  {{- end }}
env:
  - name: POD_UID
    valueFrom:
      fieldRef:
        fieldPath: metadata.uid
  - name: HOME
    value: /tmp
  - name: ORT_DISABLE_TELEMETRY
    value: "1"
  {{- with include "litho.trust" . | trim }}
  {{- nindent 2 . }}
  {{- end }}
ports:
  {{- if and (eq $values.workload "kserve") (not $values.gateway.enabled) }}
  - {name: h2c, containerPort: 8001, protocol: TCP}
  {{- else }}
  - {name: grpc, containerPort: 8001, protocol: TCP}
  {{- end }}
  - {name: health, containerPort: 8000, protocol: TCP}
  - {name: metrics, containerPort: 8002, protocol: TCP}
startupProbe:
  httpGet: {path: /v2/health/ready, port: health}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ max 6 (div (add (int $triton.startupSeconds) 4) 5) }}
# A server that loads a model is not ready for a moment, though it answers on.
readinessProbe:
  httpGet: {path: /v2/health/ready, port: health}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
livenessProbe:
  exec:
    command:
      - /bin/sh
      - -c
      - {{ include "litho.alive" . | quote }}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 3
{{- if $values.gateway.enabled }}
lifecycle:
  preStop:
    exec:
      # The gateway ends first: until it has finished its requests they need Triton.
      command:
        - /bin/sh
        - -c
        - {{ printf "while curl -fsSk -o /dev/null --max-time 4 %s://127.0.0.1:8080/healthz; do sleep 1; done" (include "litho.scheme" .root | lower) | quote }}
{{- else }}
lifecycle:
  preStop:
    exec:
      command: [/bin/sleep, {{ int $values.endpointSeconds | toString | quote }}]
{{- end }}
resources:
  requests:
    cpu: {{ $triton.cpu | quote }}
    memory: {{ $triton.memory }}
    ephemeral-storage: 64Mi
    {{- with $triton.gpu.resource }}
    {{ . }}: {{ int $triton.gpu.count }}
    {{- end }}
  limits:
    memory: {{ $triton.memory }}
    ephemeral-storage: 1Gi
    {{- with $triton.gpu.resource }}
    {{ . }}: {{ int $triton.gpu.count }}
    {{- end }}
securityContext:
  {{- include "litho.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: models, mountPath: /models, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  - {name: shm, mountPath: /dev/shm}
{{- end -}}

{{- define "litho.scheme" -}}
{{ if .Values.gateway.tlsSecret }}HTTPS{{ else }}HTTP{{ end }}
{{- end -}}

{{- define "litho.gateway" -}}
{{- $values := .root.Values -}}
name: {{ if eq $values.workload "kserve" }}kserve-container{{ else }}gateway{{ end }}
image: {{ $values.images.litho | default (printf "litho:%s" .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ $values.images.pullPolicy }}
args:
  - gateway
  - grpc://127.0.0.1:8001
  - --settings=/etc/litho/gateway.json
env:
  - name: HOME
    value: /tmp
ports:
  - {name: http, containerPort: 8080, protocol: TCP}
startupProbe:
  httpGet: {path: /healthz, port: http, scheme: {{ include "litho.scheme" .root }}}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
# Ready: Triton answers, serves a model of litho, and the gateway does not end.
readinessProbe:
  httpGet: {path: /readyz, port: http, scheme: {{ include "litho.scheme" .root }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: http, scheme: {{ include "litho.scheme" .root }}}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 3
lifecycle:
  preStop:
    exec:
      # Until its endpoint is gone everywhere, new requests still come here.
      command: [sleep, {{ int $values.endpointSeconds | toString | quote }}]
resources:
  requests: {cpu: {{ $values.gateway.cpu | quote }}, memory: {{ $values.gateway.memory }}, ephemeral-storage: 64Mi}
  limits: {memory: {{ $values.gateway.memory }}, ephemeral-storage: 1Gi}
securityContext:
  {{- include "litho.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: models, mountPath: /models, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  - {name: config, mountPath: /etc/litho, readOnly: true}
  {{- if $values.gateway.keysSecret }}
  - {name: keys, mountPath: /etc/litho-keys, readOnly: true}
  {{- end }}
  {{- if $values.gateway.tlsSecret }}
  - {name: tls, mountPath: /etc/litho-tls, readOnly: true}
  {{- end }}
  {{- if $values.gateway.receiptSecret }}
  - {name: receipts, mountPath: /etc/litho-receipts, readOnly: true}
  {{- end }}
{{- end -}}

{{/* gateway.json: the settings of litho gateway. */}}
{{- define "litho.gatewaySettings" -}}
{{- $gateway := .root.Values.gateway -}}
{{- $settings := dict "host" "0.0.0.0" "port" 8080 "repository" "/models" "log_format" "json" "drain_seconds" (float64 $gateway.drainSeconds) -}}
{{- if $gateway.insecure }}{{ $_ := set $settings "insecure_remote" true }}{{ end -}}
{{- if $gateway.keysSecret }}{{ $_ := set $settings "keys" "/etc/litho-keys/keys.json" }}{{ end -}}
{{- if $gateway.tlsSecret }}{{ $_ := set $settings "tls_certificate" "/etc/litho-tls/tls.crt" }}{{ $_ := set $settings "tls_key" "/etc/litho-tls/tls.key" }}{{ end -}}
{{- if $gateway.receiptSecret }}{{ $_ := set $settings "receipt_key" "/etc/litho-receipts/private.pem" }}{{ end -}}
{{- with .set.triton.traces }}{{ $_ := set $settings "traces" . }}{{ end -}}
{{- $given := pick $gateway.settings "host" "port" "keys" "tls_certificate" "tls_key" "insecure_remote" "receipt_key" "repository" -}}
{{- if $given }}{{ fail (printf "gateway.settings gives %s, which the chart sets itself" (keys $given | sortAlpha | join ", ")) }}{{ end -}}
{{- dict "schema_version" 1 "settings" (merge (dict) $gateway.settings $settings) | toPrettyJson -}}
{{- end -}}

{{- define "litho.volumes" -}}
{{- $gateway := .root.Values.gateway -}}
- name: models
  emptyDir: {sizeLimit: {{ .set.source.size }}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 256Mi}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ .set.triton.sharedMemory }}}
- name: config
  configMap:
    name: {{ .set.name | quote }}
{{- if eq .set.source.kind "pvc" }}
- name: source
  persistentVolumeClaim: {claimName: {{ .set.source.claim | quote }}, readOnly: true}
{{- else if eq .set.source.kind "image" }}
- name: source
  image: {reference: {{ .set.source.image | quote }}, pullPolicy: IfNotPresent}
{{- end }}
{{- if $gateway.enabled }}
{{- range $name, $secret := dict "keys" $gateway.keysSecret "tls" $gateway.tlsSecret "receipts" $gateway.receiptSecret }}
{{- if $secret }}
- name: {{ $name }}
  secret: {secretName: {{ $secret | quote }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "litho.graceSeconds" -}}
{{- $gateway := .root.Values.gateway -}}
{{- add (int .root.Values.endpointSeconds) (ternary (int $gateway.drainSeconds) 0 $gateway.enabled) (int .set.triton.stopSeconds) 15 -}}
{{- end -}}

{{- define "litho.spread" -}}
{{- $values := .root.Values -}}
- maxSkew: 1
  topologyKey: topology.kubernetes.io/zone
  whenUnsatisfiable: {{ $values.zoneSpread }}
  labelSelector:
    matchLabels:
      {{- include "litho.selector" .root | nindent 6 }}
      litho/track: {{ .set.track }}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: {{ $values.hostSpread }}
  labelSelector:
    matchLabels:
      {{- include "litho.selector" .root | nindent 6 }}
      litho/track: {{ .set.track }}
{{- end -}}

{{- define "litho.nodeSelector" -}}
{{- $selector := deepCopy .root.Values.nodeSelector -}}
{{- with .set.triton.gpu.product }}{{ $_ := set $selector "nvidia.com/gpu.product" . }}{{ end -}}
{{- $selector | toYaml -}}
{{- end -}}

{{- define "litho.tolerations" -}}
{{- $given := .root.Values.tolerations -}}
{{- if .set.triton.gpu.resource -}}
{{- $given = append $given (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule") -}}
{{- end -}}
{{- $given | toYaml -}}
{{- end -}}

{{/* What a pod has beside its containers, whoever makes it. */}}
{{- define "litho.podRest" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ include "litho.serviceAccount" .root | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "litho.graceSeconds" . }}
securityContext:
  {{- include "litho.podSecurity" . | nindent 2 }}
{{- with $values.priorityClass }}
priorityClassName: {{ . }}
{{- end }}
{{- with .set.triton.gpu.runtimeClass }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with include "litho.nodeSelector" . | fromYaml }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "litho.tolerations" . | fromYamlArray }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- include "litho.spread" . | nindent 2 }}
initContainers:
  - {{ include "litho.fetch" . | nindent 4 | trim }}
{{- end -}}
