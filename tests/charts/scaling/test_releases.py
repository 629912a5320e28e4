"""Tests of helm on a real API server: upgrade, rollback and uninstall lose nothing.

No older release exists yet, so the earlier release is this chart with another version and other resources.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tenantry_local.parts.kubernetes import run_kubectl

from tests.support.charts.metrics_api import CpuLoad
from tests.support.charts.rendering import RELEASE
from tests.support.tenants.manifests import apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until
from tools.chart_schema import CHART
from tools.version import PLACEHOLDER

from .conftest import Helm, ScalingCluster

TENANT = "kept"
VOLUME = "PersistentVolumeClaim"

KINDS = (
    "deployments,statefulsets,replicasets,pods,jobs,services,serviceaccounts,secrets,configmaps,networkpolicies,"
    "poddisruptionbudgets,horizontalpodautoscalers,roles,rolebindings,clusterroles,clusterrolebindings,ingresses,"
    "persistentvolumeclaims"
)

EARLIER = ("--set", "gateway.resources.requests.cpu=500m,n8n.worker.terminationGracePeriodSeconds=700")


pytestmark = pytest.mark.timeout(600)  # every pod is replaced twice, sequentially


async def test_upgrade_and_rollback_keep_objects_replicas_and_tenants(
    installed_helm: Helm, earlier_chart: Path, load: CpuLoad
) -> None:
    cluster = installed_helm.cluster
    installed_helm.install(earlier_chart, *EARLIER)
    with apply_tenants(cluster.platform, make_tenant_manifest(TENANT)) as tenants:
        tenant = tenants.get(TENANT)
        before = get_uids(cluster)
        load.external = {"n8n_scaling_mode_queue_jobs_waiting": 200}
        await wait_until(lambda: cluster.get_replicas()["n8n-worker"] >= 6, seconds=60, every=0.2)

        installed_helm.upgrade(CHART)
        assert get_image(cluster, "gateway").endswith(f":{PLACEHOLDER}")
        assert before.items() <= get_uids(cluster).items()
        assert cluster.get_replicas()["n8n-worker"] >= 6
        assert tenants.get(TENANT) == tenant

        installed_helm.run("rollback", "1")
        assert get_image(cluster, "gateway").endswith(":0.0.9")
        assert before.items() <= get_uids(cluster).items()
        assert cluster.get_replicas()["n8n-worker"] >= 6
        assert tenants.get(TENANT) == tenant


async def test_uninstall_keeps_only_tenants_their_protection_and_data(
    installed_helm: Helm,
) -> None:
    installed_helm.install(CHART)
    with apply_tenants(installed_helm.cluster.platform, make_tenant_manifest(TENANT)) as tenants:
        tenant = tenants.get(TENANT)
        installed_helm.run("uninstall")
        with suppress(TimeoutError):  # the next line reports remaining objects
            await wait_until(lambda: not list_remaining(installed_helm.cluster), seconds=60, every=0.5)
        assert not list_remaining(installed_helm.cluster)
        assert tenants.get(TENANT) == tenant
        policy = "validatingadmissionpolicy,validatingadmissionpolicybinding"
        kept = run_kubectl(installed_helm.cluster.platform.context, "get", policy, "-o", "name").splitlines()
        assert len([name for name in kept if name.endswith("/tenant-deletion-protection.tenantry.io")]) == 2


def get_uids(cluster: ScalingCluster) -> dict[str, str]:
    """Return the uid of every object that an upgrade keeps."""
    kept = {"Deployment", "StatefulSet", "Service", "ServiceAccount", "HorizontalPodAutoscaler", VOLUME}
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["uid"]
        for item in list_objects(cluster)
        if item["kind"] in kept
    }


def get_image(cluster: ScalingCluster, workload: str) -> str:
    (found,) = [
        item
        for item in list_objects(cluster)
        if item["metadata"]["name"] == f"{RELEASE}-{workload}" and item["kind"] == "Deployment"
    ]
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def list_objects(cluster: ScalingCluster) -> list[dict[str, Any]]:
    answer = run_kubectl(
        cluster.platform.context, "get", KINDS, "-n", cluster.namespace, "-o", "json",
        "-l", f"app.kubernetes.io/instance={RELEASE}",
    )  # fmt: skip
    items: list[dict[str, Any]] = json.loads(answer)["items"]
    return items


def list_remaining(cluster: ScalingCluster) -> list[str]:
    """Return remaining objects except volumes; cluster-scoped names begin with the namespace."""
    return [
        f"{item['kind']}/{item['metadata']['name']}"
        for item in list_objects(cluster)
        if item["kind"] != VOLUME
        and item["metadata"].get("namespace", item["metadata"]["name"]).startswith(cluster.namespace)
    ]
