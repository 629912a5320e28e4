#!/usr/bin/env bash
# Install the release in this folder in the cluster of the current kubeconfig, and test it. The pipeline runs this file.
#
#   ./deploy.sh                                          # with the values of the installed release
#   ./deploy.sh -f my-values.yaml -f values-dev.yaml     # with these values
#
# A failed upgrade is rolled back. After a failed test the new version runs: `helm rollback` installs the former one.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
release=${RELEASE:-tenantry}
namespace=${NAMESPACE:-tenantry}

# Print the name of a CustomResourceDefinition, or nothing if the cluster does not have it.
find_crd() {
  kubectl get crd "$1" --ignore-not-found -o name
}

list_ready_tenants() {
  local tenants
  if ! tenants=$(kubectl get tenants -o json); then
    echo "The Tenants cannot be listed, so it is unknown which of them are ready." >&2
    return 1
  fi
  jq -r '.items[] | select(any(.status.conditions[]?; .type == "Ready" and .status == "True")) | .metadata.name' \
    <<<"$tenants" | sort
}

# Wait until each Rollout of Argo runs the Deployment's newest pods completely. A failed analysis ends the wait.
wait_for_rollouts() {
  local deadline=$((SECONDS + ${ROLLOUT_SECONDS:-5400})) objects unfinished
  while true; do
    objects=$(kubectl get rollouts.argoproj.io,deployments -n "$namespace" \
      -l "app.kubernetes.io/instance=$release" -o json)
    unfinished=$(jq -r '
      ([.items[] | select(.kind == "Deployment") | {key: .metadata.name, value: "\(.metadata.generation)"}]
        | from_entries) as $generations
      | .items[] | select(.kind == "Rollout")
      | select(.status.phase != "Healthy" or .status.workloadObservedGeneration != $generations[.metadata.name])
      | "\(.metadata.name) \(.status.phase) \(.status.message // "")"' <<<"$objects")
    if [[ -z $unfinished ]]; then return; fi
    if [[ $unfinished == *" Degraded "* ]] || ((SECONDS > deadline)); then
      echo "The gradual rollout failed: $unfinished" >&2
      return 1
    fi
    sleep "${POLL_SECONDS:-10}"
  done
}

values=(--reset-then-reuse-values)
if (($#)); then values=(--reset-values "$@"); fi
crd=$(find_crd tenants.tenantry.io)
ready=""
if [[ -n $crd ]]; then ready=$(list_ready_tenants); fi # before the first installation there are none

# Helm's new way to wait does not understand Argo's Rollouts (helm issue 32615).
helm upgrade --install "$release" "$folder"/tenantry-*.tgz --namespace "$namespace" "${values[@]}" \
  --values "$folder/images.yaml" --rollback-on-failure --wait=legacy --timeout "${TIMEOUT:-20m}"
crd=$(find_crd rollouts.argoproj.io)
if [[ -n $crd ]]; then wait_for_rollouts; fi

helm test "$release" --namespace "$namespace" --logs --timeout 10m

# An upgrade must not break a tenant that worked before it.
still_ready=$(list_ready_tenants)
lost=$(comm -23 <(echo "$ready") <(echo "$still_ready"))
if [[ -n $lost ]]; then
  echo "Tenants that are no longer ready:" $lost >&2
  exit 1
fi

if [[ -n ${SMOKE_URL:-} ]]; then
  curl -fsS -o /dev/null --retry 10 --retry-all-errors --max-time 30 "$SMOKE_URL"
fi
echo "$release has passed its tests."
