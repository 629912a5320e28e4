"""Tests of rules for all objects: Pod Security, drains, autoscalers, labels and RBAC."""

import re
from typing import Any

import pytest
import yaml
from file_sync.__main__ import GRACE_SECONDS as FILE_SYNC_GRACE
from gateway.__main__ import GRACE_SECONDS as GATEWAY_GRACE
from gateway.settings import GatewaySettings
from tenantry_local.parts.kubernetes import RBAC

from tests.support.charts.rendering import PROFILES, Release, render
from tools.chart_schema import CHART

NEEDS_THE_API = {"operator", "gateway", "file-sync", "n8n-initial-scale", "qdrant-snapshots"}
"""Workloads whose pods have a token of the Kubernetes API."""

PLAIN_SECRET = re.compile(r"""(?i)(secret|password)[\w-]*(":\s*"(?!\$\{)|\s+'|=)""")
"""A plain secret: in JSON (except ``${VARIABLE}``), in SQL (except ``:'variable'``), or as a variable."""


@pytest.fixture(params=PROFILES, scope="module")
def release(request: pytest.FixtureRequest) -> Release:
    """The chart, rendered with each profile."""
    return render(request.param)


def test_pods_meet_pod_security_restricted(release: Release) -> None:
    for name, pod in release.iter_pods():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        for container in spec["containers"] + spec.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


def test_only_clients_of_the_api_have_a_token(release: Release) -> None:
    assert {
        name for name, pod in release.iter_pods() if pod["spec"]["automountServiceAccountToken"]
    } == NEEDS_THE_API
    assert not any(item["automountServiceAccountToken"] for item in release.list_objects("ServiceAccount"))


def test_each_pod_has_its_own_service_account(release: Release) -> None:
    # The smoke test has the gateway's account. The two jobs of snapshots are one workload with one name.
    pods = {name: pod for name, pod in release.iter_pods() if name != "smoke-test"}
    accounts = [pod["spec"]["serviceAccountName"] for pod in pods.values()]
    assert len(set(accounts)) == len(accounts)
    assert set(accounts) == {item["metadata"]["name"] for item in release.list_objects("ServiceAccount")}


def test_each_container_has_a_cpu_request_and_a_memory_limit(release: Release) -> None:
    for name, pod in release.iter_pods():
        for container in pod["spec"]["containers"]:
            assert "cpu" in container["resources"]["requests"], name
            assert "memory" in container["resources"]["limits"], name


def test_each_empty_dir_has_a_size_limit(release: Release) -> None:
    for name, pod in release.iter_pods():
        for volume in pod["spec"].get("volumes", []):
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": "no emptyDir"}), name


def test_the_release_contains_no_secret(release: Release) -> None:
    assert not release.list_objects("Secret")
    for item in release.list_objects("ConfigMap"):
        for text in item["data"].values():
            assert not PLAIN_SECRET.search(text), item["metadata"]["name"]


def test_objects_have_the_recommended_labels(release: Release) -> None:
    ours = [item for item in release.objects if "tenantry.io" not in item["metadata"]["name"]]
    for item in ours:
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "tenantry"
        assert labels["app.kubernetes.io/component"]
        # Both jobs of snapshots are one workload.
        name = item["metadata"]["name"].replace("qdrant-restore", "qdrant-snapshots")
        assert labels["app.kubernetes.io/name"] in name


def test_every_workload_has_a_disruption_budget(release: Release) -> None:
    budgets = {item["metadata"]["name"]: item["spec"] for item in release.list_objects("PodDisruptionBudget")}
    for item in release.list_objects("Deployment", "StatefulSet"):
        budget = budgets[item["metadata"]["name"]]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == item["spec"]["selector"]


def test_every_selector_matches_the_pods_of_one_workload(release: Release) -> None:
    pods = {name: pod["metadata"]["labels"] for name, pod in release.iter_pods()}
    for item in release.list_objects("Deployment", "StatefulSet", "Service", "PodDisruptionBudget"):
        selector: dict[str, Any] = item["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        matched = [name for name, labels in pods.items() if wanted.items() <= labels.items()]
        assert len(matched) == 1, item["metadata"]["name"]


def test_workloads_with_an_autoscaler_set_no_replicas(release: Release) -> None:
    scaled = {
        item["spec"]["scaleTargetRef"]["name"] for item in release.list_objects("HorizontalPodAutoscaler")
    }
    assert scaled == {
        item["metadata"]["name"]
        for item in release.list_objects("Deployment", "StatefulSet")
        if "replicas" not in item["spec"]
    }


def test_the_gateway_scales_by_cpu(release: Release) -> None:
    spec = release.get("HorizontalPodAutoscaler", "gateway")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) in ((2, 10), (2, 3)), (
        "3 is what fits in values-eks-small.yaml"
    )
    target = {"type": "Utilization", "averageUtilization": 70}
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def test_the_grace_period_covers_running_requests(release: Release) -> None:
    longest = {
        "gateway": GatewaySettings.model_fields["request_timeout_seconds"].default + GATEWAY_GRACE,
        "file-sync": FILE_SYNC_GRACE,
    }
    for name, seconds in longest.items():
        spec = release.get("Deployment", name)["spec"]["template"]["spec"]
        drain = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] > drain + seconds


def test_cluster_roles_equal_those_of_the_local_platform(release: Release) -> None:
    local = {
        item["metadata"]["name"].removeprefix("tenantry-"): item["rules"]
        for item in yaml.safe_load_all(RBAC.read_text())
        if item["kind"] == "ClusterRole"
    }
    granted = {
        item["metadata"]["labels"]["app.kubernetes.io/name"]: item["rules"]
        for item in release.list_objects("ClusterRole")
    }
    assert granted == local


def test_the_chart_contains_the_crds_of_the_repository(release: Release) -> None:
    for file in (CHART.parents[1] / "crds").glob("*.yaml"):
        for definition in yaml.safe_load_all(file.read_text()):
            assert definition in release.objects, file.name


def test_the_crd_is_kept_when_the_release_is_removed(release: Release) -> None:
    (definition,) = release.list_objects("CustomResourceDefinition")
    assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
