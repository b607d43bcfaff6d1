#!/bin/sh
# A step as a Job of Kubernetes, for the profile beside this file.
#   job.sh submit THREADS MEGABYTES SCRIPT    starts a Job that runs SCRIPT and prints its name
#   job.sh status NAME                        prints success, failed or running
#   job.sh cancel NAME...                     deletes Jobs
# TXRAY_IMAGE must hold the Python that .venv was made with, at the same path.
set -eu
NAMESPACE=${TXRAY_NAMESPACE:-default} IMAGE=${TXRAY_IMAGE:-python:3.11-slim} CLAIM=${TXRAY_CLAIM:-txray} MOUNT=${TXRAY_MOUNT:-/txray}

submit() {
    kubectl --namespace "$NAMESPACE" create --output name --filename - <<END | sed 's|.*/||'
apiVersion: batch/v1
kind: Job
metadata: {generateName: txray-}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 86400
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: step
          image: "$IMAGE"
          command: [/bin/sh, "$3"]
          workingDir: "$PWD"
          env: [{name: OMP_NUM_THREADS, value: "$1"}]
          resources: {requests: {cpu: "$1", memory: "$2M"}, limits: {memory: "$2M"}}
          volumeMounts: [{name: txray, mountPath: "$MOUNT"}]
      volumes: [{name: txray, persistentVolumeClaim: {claimName: "$CLAIM"}}]
END
}

status() {
    case $(kubectl --namespace "$NAMESPACE" get job "$1" --output 'jsonpath={.status.succeeded}/{.status.failed}') in
        1/*) echo success ;;
        /) echo running ;;
        *) echo failed ;;
    esac
}

case ${1:-} in
    submit) submit "$2" "$3" "$4" ;;
    status) status "$2" ;;
    cancel) shift; kubectl --namespace "$NAMESPACE" delete job "$@" ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
