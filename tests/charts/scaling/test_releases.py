"""helm on a real API server: an upgrade, a rollback and the end of a release lose nothing.

As long as there is no older release, the one before is this chart with other versions, images and resources.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tenantry_local.parts.kubernetes import kubeconfig, kubectl
from tenantry_local.platform import Platform

from tests.support.charts import RELEASE, helm
from tests.support.metrics_api import Load
from tests.support.tenants import applied, tenant_manifest
from tests.support.waiting import until
from tools.chart_schema import CHART
from tools.version import PLACEHOLDER, stamp

from .conftest import Cluster, new_cluster

TENANT = "lasting"
VOLUME = "PersistentVolumeClaim"

KINDS = (
    "deployments,statefulsets,replicasets,pods,jobs,services,serviceaccounts,secrets,configmaps,networkpolicies,"
    "poddisruptionbudgets,horizontalpodautoscalers,roles,rolebindings,clusterroles,clusterrolebindings,ingresses,"
    "persistentvolumeclaims"
)

EARLIER = ("--set", "gateway.resources.requests.cpu=500m,n8n.worker.terminationGracePeriodSeconds=700")


pytestmark = pytest.mark.timeout(600)  # every pod is replaced twice, one after the other


@dataclass(frozen=True)
class Helm:
    """helm, as somebody uses it who is responsible for one release."""

    cluster: Cluster

    def run(self, verb: str, *arguments: str) -> str:
        where = ("-n", self.cluster.namespace, "--kubeconfig", str(self.kubeconfig))
        return helm(verb, RELEASE, *arguments, *where, "--wait", "--timeout", "200s")

    def install(self, chart: Path, *options: str) -> None:
        """Install a chart; the Tenant resource is there already, by kubectl, and is taken over."""
        self.upgrade(chart, "--install", "--take-ownership", "--force-conflicts", *options)

    def upgrade(self, chart: Path, *options: str) -> None:
        """Go on to another chart."""
        self.run("upgrade", str(chart), "-f", str(CHART / "values-eks-prod.yaml"), *options)

    @property
    def kubeconfig(self) -> Path:
        return kubeconfig(self.cluster.platform.context, "admin")


@pytest.fixture
def here(platform: Platform, load: Load) -> Iterator[Helm]:
    load.external = {"n8n_scaling_mode_queue_jobs_waiting": 0}
    with new_cluster(platform) as cluster:
        yield Helm(cluster)
    platform.parts["kubernetes"].provision()  # the Tenant resource is everybody's


@pytest.fixture
def earlier_chart(tmp_path: Path) -> Path:
    chart = tmp_path / "tenantry"
    shutil.copytree(CHART, chart)
    stamp(chart.rglob("Chart.yaml"), "0.0.9")
    return chart


async def test_an_upgrade_and_a_rollback_keep_every_object_the_pods_and_the_tenants(
    here: Helm, earlier_chart: Path, load: Load
) -> None:
    cluster = here.cluster
    here.install(earlier_chart, *EARLIER)
    with applied(cluster.platform, tenant_manifest(TENANT)) as tenants:
        tenant = tenants.get(TENANT)
        before = identities(cluster)
        load.external = {"n8n_scaling_mode_queue_jobs_waiting": 200}
        await until(lambda: cluster.replicas()["n8n-worker"] >= 6, seconds=60, every=0.2)

        here.upgrade(CHART)
        assert image(cluster, "gateway").endswith(f":{PLACEHOLDER}")
        assert before.items() <= identities(cluster).items()
        assert cluster.replicas()["n8n-worker"] >= 6
        assert tenants.get(TENANT) == tenant

        here.run("rollback", "1")
        assert image(cluster, "gateway").endswith(":0.0.9")
        assert before.items() <= identities(cluster).items()
        assert cluster.replicas()["n8n-worker"] >= 6
        assert tenants.get(TENANT) == tenant


async def test_when_a_release_is_uninstalled_the_tenants_and_their_protection_stay_and_nothing_else(
    here: Helm,
) -> None:
    here.install(CHART)
    with applied(here.cluster.platform, tenant_manifest(TENANT)) as tenants:
        tenant = tenants.get(TENANT)
        here.run("uninstall")
        with suppress(TimeoutError):  # what is left is said in the next line
            await until(lambda: not left(here.cluster), seconds=60, every=0.5)
        assert not left(here.cluster)
        assert tenants.get(TENANT) == tenant
        policy = "validatingadmissionpolicy,validatingadmissionpolicybinding"
        kept = kubectl(here.cluster.platform.context, "get", policy, "-o", "name").splitlines()
        assert len([name for name in kept if name.endswith("/tenant-deletion-protection.tenantry.io")]) == 2


def identities(cluster: Cluster) -> dict[str, str]:
    """Return the uid of every object that the release and its controllers keep."""
    kept = {"Deployment", "StatefulSet", "Service", "ServiceAccount", "HorizontalPodAutoscaler", VOLUME}
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["uid"]
        for item in objects(cluster)
        if item["kind"] in kept
    }


def image(cluster: Cluster, workload: str) -> str:
    (found,) = [
        item
        for item in objects(cluster)
        if item["metadata"]["name"] == f"{RELEASE}-{workload}" and item["kind"] == "Deployment"
    ]
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def objects(cluster: Cluster) -> list[dict[str, Any]]:
    answer = kubectl(
        cluster.platform.context, "get", KINDS, "-n", cluster.namespace, "-o", "json",
        "-l", f"app.kubernetes.io/instance={RELEASE}",
    )  # fmt: skip
    items: list[dict[str, Any]] = json.loads(answer)["items"]
    return items


def left(cluster: Cluster) -> list[str]:
    """Return what is left of the release but data; what has no namespace has its name."""
    return [
        f"{item['kind']}/{item['metadata']['name']}"
        for item in objects(cluster)
        if item["kind"] != VOLUME
        and item["metadata"].get("namespace", item["metadata"]["name"]).startswith(cluster.namespace)
    ]
