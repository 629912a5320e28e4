"""The real API server takes every object, and has nothing to warn of."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from tenantry_local.parts.kubernetes import kubectl
from tenantry_local.platform import Platform
from tenantry_local.processes import LocalError

from tests.support.charts import PROFILES, render

NAMESPACE = "chart-test"


@pytest.fixture(scope="module")
def namespace(platform: Platform) -> Iterator[str]:
    """A namespace in which a pod that is not confined is warned of."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/warn": "restricted"}},
    }
    kubectl(platform.context, "apply", "-f", "-", stdin=json.dumps(manifest))
    yield NAMESPACE
    kubectl(platform.context, "delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_api_server_takes_all_of_a_profile_without_a_warning(
    platform: Platform, namespace: str, profile: str
) -> None:
    release = render(profile, namespace=namespace)
    applied = kubectl(
        platform.context, "apply", "--server-side", "--force-conflicts", "--dry-run=server",
        "--validate=strict", "--warnings-as-errors", "-f", "-", stdin=release.text,
    )  # fmt: skip
    assert applied.count("serverside-applied") == len(release.objects)


def test_the_number_of_workers_is_set_once_and_no_upgrade_undoes_it(
    platform: Platform, namespace: str
) -> None:
    release = render("values-eks-prod.yaml", namespace=namespace)
    worker = deepcopy(release.get("Deployment", "n8n-worker"))
    rights = [release.get(kind, "n8n-start") for kind in ("ServiceAccount", "Role", "RoleBinding")]
    _upgrade(platform, worker, *rights)
    account = f"system:serviceaccount:{namespace}:{rights[0]['metadata']['name']}"
    (container,) = release.get("Job", "n8n-start")["spec"]["template"]["spec"]["containers"]
    kubectl(platform.context, f"--as={account}", *container["args"])
    assert _replicas(platform, worker) == 3

    # As the autoscaler does in a peak, and then helm, which writes all of the manifest again.
    name = worker["metadata"]["name"]
    kubectl(platform.context, "scale", "deployment", name, "-n", namespace, "--replicas=17")
    worker["spec"]["template"]["metadata"]["labels"]["changed"] = "by-an-upgrade"
    _upgrade(platform, worker)
    assert _replicas(platform, worker) == 17
    with pytest.raises(LocalError, match="forbidden"):
        kubectl(platform.context, f"--as={account}", "delete", "deployment", name, "-n", namespace)


def _upgrade(platform: Platform, *objects: dict[str, Any]) -> None:
    manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl(
        platform.context, "apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", "-",
        stdin=manifests,
    )  # fmt: skip


def _replicas(platform: Platform, deployment: dict[str, Any]) -> int:
    metadata = deployment["metadata"]
    answer = kubectl(
        platform.context, "get", "deployment", metadata["name"], "-n", metadata["namespace"], "-o", "json"
    )
    return int(json.loads(answer)["spec"]["replicas"])
