"""Fixtures of the scaling tests: a release on real controllers, under a simulated load."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from tenantry_local.parts.kubernetes import get_kubeconfig
from tenantry_local.platform import Platform

from tests.support.backends.api_server import apply, create_namespace, open_admin_client
from tests.support.charts.metrics_api import CpuLoad, serve_metrics
from tests.support.charts.nodes import run_controllers, run_pods
from tests.support.charts.rendering import RELEASE, Object, Release, render, run_helm
from tools.chart_schema import CHART
from tools.version import stamp

NAMESPACE = "namespace-of-a-scaling-test"
"""Namespace for which the chart is rendered once; tests replace it by a unique one."""


@dataclass(frozen=True)
class ScaledWorkload:
    """Current state of a workload and its autoscaler."""

    replicas: int
    autoscaler: Object

    def get_reason(self, condition: str) -> str:
        """Return the reason of one of the autoscaler's conditions."""
        for each in self.autoscaler["status"].get("conditions", []):
            if each["type"] == condition:
                return str(each["reason"])
        return ""


@dataclass(frozen=True)
class ScalingCluster:
    """A namespace with a release.

    Parameters
    ----------
    platform
        The platform.
    namespace
        Name of the namespace.
    release
        The rendered release.
    api
        Administrator's client, which is faster than kubectl.
    """

    platform: Platform
    namespace: str
    release: Release
    api: client.ApiClient

    def apply(self, objects: Iterable[Object]) -> None:
        """Apply objects as helm does."""
        apply(self.platform, objects, "--field-manager=helm")

    def list_autoscalers(self) -> list[Object]:
        """Return the release's autoscalers."""
        return self.release.list_objects("HorizontalPodAutoscaler")

    def list_workloads(self) -> list[Object]:
        """Return the workloads and the objects that their pods need."""
        kinds = ("PriorityClass", "ServiceAccount", "Deployment", "StatefulSet")
        return [item for item in self.release.list_objects(*kinds) if not is_hook(item)]

    def get_state(self) -> dict[str, ScaledWorkload]:
        """Return the state of each scaled workload, by its name without the release's."""
        apps = client.AppsV1Api(self.api)
        workloads = {
            "Deployment": self._list(apps.list_namespaced_deployment),
            "StatefulSet": self._list(apps.list_namespaced_stateful_set),
        }
        replicas = {
            (kind, item["metadata"]["name"]): item["spec"]["replicas"]
            for kind, items in workloads.items()
            for item in items
        }
        found = {}
        scaling = client.AutoscalingV2Api(self.api)
        for item in self._list(scaling.list_namespaced_horizontal_pod_autoscaler):
            target = item["spec"]["scaleTargetRef"]
            name = target["name"].removeprefix(f"{RELEASE}-")
            found[name] = ScaledWorkload(replicas[target["kind"], target["name"]], item)
        return found

    def get_replicas(self) -> dict[str, int]:
        """Return the desired number of pods of each scaled workload."""
        return {name: scaled.replicas for name, scaled in self.get_state().items()}

    def _list(self, call: Callable[..., Any]) -> list[Object]:
        items: list[Object] = json.loads(call(self.namespace, _preload_content=False).data)["items"]
        return items


def is_hook(item: Object) -> bool:
    """Return True if an object is a helm hook."""
    return "helm.sh/hook" in item["metadata"].get("annotations", {})


def speed_up(autoscaler: Object) -> Object:
    """Return an autoscaler whose times are as short as whole seconds allow, in the same ratio."""
    changed = deepcopy(autoscaler)
    behavior = changed["spec"]["behavior"].values()
    times = [(rules, "stabilizationWindowSeconds") for rules in behavior]
    times += [(policy, "periodSeconds") for rules in behavior for policy in rules.get("policies", [])]
    divisor = gcd(*(where.get(name, 0) for where, name in times))
    for where, name in times:
        if name in where:
            where[name] //= divisor
    return changed


@pytest.fixture(scope="module")
def load(platform: Platform) -> Iterator[CpuLoad]:
    """Simulated load of all releases."""
    if not platform.parts["kubernetes"].managed:
        pytest.skip("another cluster has separate controllers, whose intervals cannot be changed")
    with serve_metrics(platform) as load, run_controllers(platform):
        yield load


@contextmanager
def create_cluster(platform: Platform) -> Iterator[ScalingCluster]:
    """Create an empty namespace for a release, in which pods that Pod Security admits run."""
    with (
        create_namespace(platform, "scaling", enforce="restricted") as name,
        run_pods(platform, name),
        open_admin_client(platform) as api,
    ):
        rendered = render("values-eks-prod.yaml", namespace=NAMESPACE)
        yield ScalingCluster(platform, name, Release(rendered.text.replace(NAMESPACE, name)), api)


@pytest.fixture(scope="module")
def cluster(platform: Platform, load: CpuLoad) -> Iterator[ScalingCluster]:
    """A release with the production profile and fast autoscalers."""
    with create_cluster(platform) as cluster:
        cluster.apply([*cluster.list_workloads(), *map(speed_up, cluster.list_autoscalers())])
        yield cluster


@dataclass(frozen=True)
class Helm:
    """helm commands for one release."""

    cluster: ScalingCluster

    def run(self, verb: str, *arguments: str) -> str:
        return self.run_plain(verb, RELEASE, *arguments, "--wait", "--timeout", "200s")

    def run_plain(self, *arguments: str) -> str:
        """Run helm without waiting."""
        return run_helm(*arguments, "-n", self.cluster.namespace, "--kubeconfig", str(self.kubeconfig))

    def install(self, chart: Path, *options: str) -> None:
        """Install a chart and take over the Tenant CRD, which kubectl created."""
        self.upgrade(chart, "--install", "--take-ownership", "--force-conflicts", *options)

    def upgrade(self, chart: Path, *options: str) -> None:
        """Upgrade the release to another chart."""
        self.run("upgrade", str(chart), "-f", str(CHART / "values-eks-prod.yaml"), *options)

    @property
    def kubeconfig(self) -> Path:
        return get_kubeconfig(self.cluster.platform.context, "admin")


@pytest.fixture
def installed_helm(platform: Platform, load: CpuLoad) -> Iterator[Helm]:
    load.external = {"n8n_scaling_mode_queue_jobs_waiting": 0}
    with create_cluster(platform) as cluster:
        helm = Helm(cluster)
        yield helm
        helm.run("uninstall", "--ignore-not-found")  # its class is then free for the next release
    platform.parts["kubernetes"].provision()  # restore the Tenant CRD, which all tests share


@pytest.fixture
def earlier_chart(tmp_path: Path) -> Path:
    chart = tmp_path / "tenantry"
    shutil.copytree(CHART, chart)
    stamp(chart.rglob("Chart.yaml"), "0.0.9")
    return chart
