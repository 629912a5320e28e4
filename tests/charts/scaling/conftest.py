"""A release whose pods run, on the real controllers, under a load that a test chooses."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client
from tenantry_local.platform import Platform

from tests.support.apiserver import admin_client, apply, new_namespace
from tests.support.charts import RELEASE, Object, Release, render
from tests.support.metrics_api import Load, serving_metrics
from tests.support.nodes import running_pods, running_workloads

MINUTE = 60


@dataclass(frozen=True)
class Scaled:
    """A workload and its autoscaler, as they are now."""

    replicas: int
    autoscaler: Object

    def says(self, condition: str) -> str:
        """Return the reason that the autoscaler gives with a condition."""
        for each in self.autoscaler["status"].get("conditions", []):
            if each["type"] == condition:
                return str(each["reason"])
        return ""


@dataclass(frozen=True)
class Cluster:
    """A namespace with a release in it.

    Parameters
    ----------
    platform
        Where it is.
    namespace
        Its name.
    release
        What is in it.
    api
        A client with every right: it is asked too often for kubectl.
    """

    platform: Platform
    namespace: str
    release: Release
    api: client.ApiClient

    def apply(self, objects: Iterable[Object]) -> None:
        """Apply objects as helm does."""
        apply(self.platform, objects, "--field-manager=helm")

    def autoscalers(self) -> list[Object]:
        """Return the release's autoscalers."""
        return self.release.of("HorizontalPodAutoscaler")

    def workloads(self) -> list[Object]:
        """Return the workloads, and what their pods cannot be made without."""
        kinds = ("PriorityClass", "ServiceAccount", "Deployment", "StatefulSet")
        return [item for item in self.release.of(*kinds) if not is_hook(item)]

    def now(self) -> dict[str, Scaled]:
        """Return each workload that is scaled, by its name behind the release's."""
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
            found[name] = Scaled(replicas[target["kind"], target["name"]], item)
        return found

    def replicas(self) -> dict[str, int]:
        """Return how many pods each workload that is scaled should have now."""
        return {name: scaled.replicas for name, scaled in self.now().items()}

    def _list(self, call: Callable[..., Any]) -> list[Object]:
        items: list[Object] = json.loads(call(self.namespace, _preload_content=False).data)["items"]
        return items


def is_hook(item: Object) -> bool:
    """Tell whether helm applies an object apart from the others."""
    return "helm.sh/hook" in item["metadata"].get("annotations", {})


def hurried(autoscaler: Object) -> Object:
    """Return an autoscaler for which a second is what a minute was."""
    changed = deepcopy(autoscaler)
    for rules in changed["spec"]["behavior"].values():
        if "stabilizationWindowSeconds" in rules:
            rules["stabilizationWindowSeconds"] //= MINUTE
        for policy in rules.get("policies", []):
            policy["periodSeconds"] //= MINUTE
    return changed


@pytest.fixture(scope="module")
def load(platform: Platform) -> Iterator[Load]:
    """What there is to do, for all releases alike."""
    if not platform.parts["kubernetes"].managed:
        pytest.skip("another cluster has its own controllers, and nobody may tell them how time passes")
    with serving_metrics(platform) as load, running_workloads(platform):
        yield load


@contextmanager
def new_cluster(platform: Platform) -> Iterator[Cluster]:
    """Yield an empty namespace for a release; what comes into it runs, if Pod Security takes it."""
    with (
        new_namespace(platform, "scaling", enforce="restricted") as name,
        running_pods(platform, name),
        admin_client(platform) as api,
    ):
        yield Cluster(platform, name, render("values-eks-prod.yaml", namespace=name), api)


@pytest.fixture(scope="module")
def cluster(platform: Platform, load: Load) -> Iterator[Cluster]:
    """The release as it is for production, in a hurry."""
    with new_cluster(platform) as cluster:
        cluster.apply([*cluster.workloads(), *map(hurried, cluster.autoscalers())])
        yield cluster
