"""What holds for every workload: it is confined, can be drained, and does not fight with its autoscaler."""

import re
from typing import Any

import pytest
import yaml
from file_sync.__main__ import GRACE_SECONDS as FILE_SYNC_GRACE
from gateway.__main__ import GRACE_SECONDS as GATEWAY_GRACE
from gateway.settings import Settings as GatewaySettings
from tenantry_local.parts.kubernetes import RBAC

from tests.support.charts import PROFILES, Release, render
from tools.chart_schema import CHART

NEEDS_THE_API = {"operator", "gateway", "file-sync", "n8n-initial-scale"}
"""Whose pods have a token of the Kubernetes API."""

PLAIN_SECRET = re.compile(r"""(?i)(secret|password)[\w-]*(":\s*"(?!\$\{)|\s+'|=)""")
"""The word and what it is: in JSON but for ``${VARIABLE}``, in SQL but for ``:'variable'``, as a variable."""


@pytest.fixture(params=PROFILES, scope="module")
def release(request: pytest.FixtureRequest) -> Release:
    """The chart, rendered with each profile."""
    return render(request.param)


def test_pods_are_confined(release: Release) -> None:
    for name, pod in release.pods():
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


def test_a_pod_has_a_token_only_where_the_api_is_used(release: Release) -> None:
    assert {
        name for name, pod in release.pods() if pod["spec"]["automountServiceAccountToken"]
    } == NEEDS_THE_API
    assert not any(item["automountServiceAccountToken"] for item in release.of("ServiceAccount"))


def test_each_pod_has_its_own_service_account(release: Release) -> None:
    accounts = [pod["spec"]["serviceAccountName"] for _, pod in release.pods()]
    assert len(set(accounts)) == len(accounts)
    assert set(accounts) == {item["metadata"]["name"] for item in release.of("ServiceAccount")}


def test_each_container_asks_for_cpu_and_is_bound_in_memory(release: Release) -> None:
    for name, pod in release.pods():
        for container in pod["spec"]["containers"]:
            assert "cpu" in container["resources"]["requests"], name
            assert "memory" in container["resources"]["limits"], name


def test_what_a_pod_writes_is_bound(release: Release) -> None:
    for name, pod in release.pods():
        for volume in pod["spec"].get("volumes", []):
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": "no emptyDir"}), name


def test_nothing_secret_is_in_the_release(release: Release) -> None:
    assert not release.of("Secret")
    for item in release.of("ConfigMap"):
        for text in item["data"].values():
            assert not PLAIN_SECRET.search(text), item["metadata"]["name"]


def test_objects_say_what_they_are_for(release: Release) -> None:
    ours = [item for item in release.objects if "tenantry.io" not in item["metadata"]["name"]]
    for item in ours:
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "tenantry"
        assert labels["app.kubernetes.io/component"]
        assert labels["app.kubernetes.io/name"] in item["metadata"]["name"]


def test_every_workload_can_be_drained(release: Release) -> None:
    budgets = {item["metadata"]["name"]: item["spec"] for item in release.of("PodDisruptionBudget")}
    for item in release.of("Deployment", "StatefulSet"):
        budget = budgets[item["metadata"]["name"]]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == item["spec"]["selector"]


def test_every_selector_meets_the_pods_of_one_workload(release: Release) -> None:
    pods = {name: pod["metadata"]["labels"] for name, pod in release.pods()}
    for item in release.of("Deployment", "StatefulSet", "Service", "PodDisruptionBudget"):
        selector: dict[str, Any] = item["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        met = [name for name, labels in pods.items() if wanted.items() <= labels.items()]
        assert len(met) == 1, item["metadata"]["name"]


def test_where_an_autoscaler_rules_nobody_else_states_a_number(release: Release) -> None:
    scaled = {item["spec"]["scaleTargetRef"]["name"] for item in release.of("HorizontalPodAutoscaler")}
    assert scaled == {
        item["metadata"]["name"]
        for item in release.of("Deployment", "StatefulSet")
        if "replicas" not in item["spec"]
    }


def test_the_gateway_scales_as_asked(release: Release) -> None:
    spec = release.get("HorizontalPodAutoscaler", "gateway")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    target = {"type": "Utilization", "averageUtilization": 70}
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def test_requests_under_way_may_come_to_their_end(release: Release) -> None:
    longest = {
        "gateway": GatewaySettings.model_fields["request_seconds"].default + GATEWAY_GRACE,
        "file-sync": FILE_SYNC_GRACE,
    }
    for name, seconds in longest.items():
        spec = release.get("Deployment", name)["spec"]["template"]["spec"]
        drain = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] > drain + seconds


def test_services_may_do_what_they_may_on_one_machine(release: Release) -> None:
    local = {
        item["metadata"]["name"].removeprefix("tenantry-"): item["rules"]
        for item in yaml.safe_load_all(RBAC.read_text())
        if item["kind"] == "ClusterRole"
    }
    granted = {
        item["metadata"]["labels"]["app.kubernetes.io/name"]: item["rules"]
        for item in release.of("ClusterRole")
    }
    assert granted == local


def test_the_chart_ships_the_definitions_themselves(release: Release) -> None:
    for file in (CHART.parents[1] / "crds").glob("*.yaml"):
        for definition in yaml.safe_load_all(file.read_text()):
            assert definition in release.objects, file.name


def test_tenants_outlive_the_release(release: Release) -> None:
    (definition,) = release.of("CustomResourceDefinition")
    assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
