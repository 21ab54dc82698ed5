"""Templates of the files that `zoo.serving.deployment` writes, for `str.format`."""

KUBERNETES = """\
# The artifact {base}, version {version} and those to come, served by TensorFlow Serving.
# Two ways: an InferenceService, where KServe is installed; and a Deployment with a Service, for any cluster. Delete
# what you do not want.
# Both read the folder {name} of the PersistentVolumeClaim {claim}: copy {base} there under this name, as
# kserve.github.io/website/docs/model-serving/storage/providers/pvc shows. A new version in that folder is loaded by
# the Deployment by itself.
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name}
spec:
  predictor:
    model:
      modelFormat:
        name: tensorflow
        version: "2"
      # The tag of the image: KServe's own default may be older than the TensorFlow that wrote the model.
      runtimeVersion: {tag}
      storageUri: {uri}
      resources:
        requests:
          cpu: "1"
          memory: {request}
        limits:
          cpu: "{cpus}"
          memory: {limit}
      securityContext:
        runAsNonRoot: true
        runAsUser: {kserve_user}
        allowPrivilegeEscalation: false
        capabilities:
          drop: [ALL]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  replicas: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: {user}
        runAsGroup: {user}
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: tensorflow-serving
          image: {image}
          args:
            # Else as many threads as the node has cores, of which the limit below takes most of the time away.
            - --tensorflow_intra_op_parallelism={cpus}
            - --tensorflow_inter_op_parallelism={cpus}
          env:
            - name: MODEL_NAME
              value: {name}
          ports:
            - name: grpc
              containerPort: {grpc}
            - name: rest
              containerPort: {rest}
          # The ports are opened when the model is loaded and the warm-up requests are replayed.
          startupProbe:
            httpGet:
              path: /v1/models/{plain}
              port: rest
            periodSeconds: 5
            failureThreshold: {attempts}
          readinessProbe:
            httpGet:
              path: /v1/models/{plain}
              port: rest
            periodSeconds: 10
            timeoutSeconds: 5
          # Not over HTTP: a server that is busy is not to be restarted.
          livenessProbe:
            tcpSocket:
              port: grpc
            periodSeconds: 20
          resources:
            requests:
              cpu: "1"
              memory: {request}
            limits:
              cpu: "{cpus}"
              memory: {limit}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: models
              mountPath: /models/{plain}
              subPath: {name}
              readOnly: true
            - name: scratch
              mountPath: /tmp
      volumes:
        - name: models
          persistentVolumeClaim:
            claimName: {claim}
            readOnly: true
        - name: scratch
          emptyDir: {{}}
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: grpc
      port: {grpc}
      targetPort: grpc
    - name: rest
      port: {rest}
      targetPort: rest
"""

DOCKERFILE = """\
# TensorFlow Serving with one version of the artifact in it. Built by: docker compose up --build
FROM {image}
COPY --chown={user}:{user} {version} /models/{name}/{version}
ENV MODEL_NAME={name}
USER {user}:{user}
EXPOSE {grpc} {rest}
"""

# Read in place of a .dockerignore, as it stands beside the Dockerfile and begins with its name:
# docs.docker.com/build/concepts/context, "Filename and location".
IGNORED = """\
# Of the artifact only what TensorFlow Serving reads: run/ names the files that the model was trained on.
*
!{version}/saved_model.pb
!{version}/fingerprint.pb
!{version}/variables
!{version}/assets
!{version}/assets.extra
"""

COMPOSE = """\
services:
  {name}:
    build:
      context: {context}
      dockerfile: {dockerfile}
    image: {tagged}
    ports:
      # This machine only; TensorFlow Serving knows no passwords.
      - "127.0.0.1:{grpc}:{grpc}"
      - "127.0.0.1:{rest}:{rest}"
    read_only: true
    tmpfs:
      - /tmp
    cap_drop:
      - ALL
    security_opt:
      - no-new-privileges:true
    healthcheck:
      # The image has no curl.
      test: {test}
      interval: 10s
      timeout: 5s
      start_period: {loading}s
    restart: unless-stopped
"""
TEST = (
    "exec 3<>/dev/tcp/127.0.0.1/{rest}; printf 'GET /v1/models/{name} HTTP/1.0\\r\\n\\r\\n' >&3; grep -q AVAILABLE <&3"
)
