"""Tests of n8n in the chart: settings of its processes, shutdown, and scaling of the workers."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from n8n_install.environment import ENVIRONMENT
from tenantry_local.parts.n8n import CONCURRENCY, NO_TELEMETRY
from tenantry_local.programs import n8n

from tests.support.charts.monitoring_series import ELSEWHERE, NAMESPACE, make_constant, make_series
from tests.support.charts.promtool import check_queries
from tests.support.charts.rendering import Release, render
from tools.chart_schema import CHART

PROCESSES = ("n8n", "n8n-webhook", "n8n-worker")
PROFILE = "values-eks-prod.yaml"
LONGEST_UPLOAD_SECONDS = 610
ADAPTER = CHART.parents[1] / "docs" / "examples" / "prometheus-adapter.yaml"


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart with the production profile."""
    return render(PROFILE)


def get_container(release: Release, process: str) -> dict[str, Any]:
    """Return the only container of a process of n8n."""
    (found,) = release.get("Deployment", process)["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_has_the_settings_that_prevent_stored_data(release: Release, process: str) -> None:
    given = {entry["name"]: entry.get("value") for entry in get_container(release, process)["env"]}
    assert (NO_TELEMETRY | dict(ENVIRONMENT)).items() <= given.items()
    names = [entry["name"] for entry in get_container(release, process)["env"]]
    assert len(set(names)) == len(names)


def test_the_version_of_n8n_is_the_tested_version(release: Release) -> None:
    for process in PROCESSES:
        assert get_container(release, process)["image"] == f"n8nio/n8n:{n8n.get_version()}"


def test_each_process_has_its_arguments(release: Release) -> None:
    assert [get_container(release, process)["args"] for process in PROCESSES] == [
        ["start"],
        ["webhook"],
        ["worker", f"--concurrency={CONCURRENCY}"],
    ]


def test_the_main_process_is_single_and_recreated(release: Release) -> None:
    spec = release.get("Deployment", "n8n")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_editor_is_not_reachable_from_outside(release: Release) -> None:
    assert release.get("Service", "n8n")["spec"].get("type", "ClusterIP") == "ClusterIP"


@pytest.mark.parametrize("process", ["n8n-webhook", "n8n-worker"])
def test_a_terminating_pod_finishes_the_longest_upload(release: Release, process: str) -> None:
    pod = release.get("Deployment", process)["spec"]["template"]["spec"]
    given = {entry["name"]: entry.get("value") for entry in get_container(release, process)["env"]}
    drain = get_container(release, process)["lifecycle"]["preStop"]["sleep"]["seconds"]
    shutdown_seconds = int(given["N8N_GRACEFUL_SHUTDOWN_TIMEOUT"])
    assert LONGEST_UPLOAD_SECONDS < shutdown_seconds < pod["terminationGracePeriodSeconds"] - drain


def test_workers_scale_by_the_queue(release: Release) -> None:
    spec = release.get("HorizontalPodAutoscaler", "n8n-worker")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 20)
    (metric,) = spec["metrics"]
    assert metric["external"]["metric"]["name"] == "n8n_scaling_mode_queue_jobs_waiting"
    waiting, each = 200, int(metric["external"]["target"]["averageValue"])
    assert waiting / each == spec["maxReplicas"]


@pytest.mark.parametrize("move", ELSEWHERE, ids=lambda move: move.__name__)
def test_the_queue_of_another_release_does_not_scale_the_workers(
    release: Release, move: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    """The query of prometheus-adapter sees the queue of this release, also if the other queue is longer."""
    (metric,) = release.get("HorizontalPodAutoscaler", "n8n-worker")["spec"]["metrics"]
    asked = metric["external"]["metric"]
    (rule,) = yaml.safe_load(ADAPTER.read_text())["rules"]["external"]
    # The adapter adds the namespace of the autoscaler.
    labels = {"namespace": NAMESPACE} | asked.get("selector", {}).get("matchLabels", {})
    matchers = ",".join(f'{name}="{value}"' for name, value in labels.items())
    query = rule["metricsQuery"].replace("<<.Series>>", asked["name"]).replace("<<.LabelMatchers>>", matchers)
    own = make_series(asked["name"], make_constant(4), job="n8n")
    other = move(make_series(asked["name"], make_constant(400), job="n8n"))
    check_queries(own | other, {f"{query} == bool 4": {"{}"}})


def test_keda_scales_the_workers_within_the_same_bounds(release: Release) -> None:
    with_keda = render(PROFILE, "--set", "n8n.worker.autoscaling.source=keda")
    scaled = with_keda.get("ScaledObject", "n8n-worker")["spec"]
    ours = release.get("HorizontalPodAutoscaler", "n8n-worker")["spec"]
    assert scaled["scaleTargetRef"]["name"] == ours["scaleTargetRef"]["name"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (
        ours["minReplicas"],
        ours["maxReplicas"],
    )
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == ours["behavior"]
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["listName"] == "bull:jobs:wait"
    scalers = with_keda.list_objects("HorizontalPodAutoscaler")
    assert ours["scaleTargetRef"] not in [item["spec"]["scaleTargetRef"] for item in scalers]


def test_a_job_sets_three_workers_after_the_first_install(release: Release) -> None:
    job = release.get("Job", "n8n-initial-scale")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install"
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"deployment/demo-n8n-worker", "--replicas=3"} <= set(arguments)


def test_the_rights_of_the_job_that_sets_replicas_are_minimal_and_temporary(release: Release) -> None:
    rules = release.get("Role", "n8n-initial-scale")["rules"]
    assert all(rule["resourceNames"] == ["demo-n8n-worker"] for rule in rules)
    for kind in ("ServiceAccount", "Role", "RoleBinding", "Job"):
        policy = release.get(kind, "n8n-initial-scale")["metadata"]["annotations"][
            "helm.sh/hook-delete-policy"
        ]
        assert "hook-succeeded" in policy


def test_without_initial_replicas_no_job_sets_replicas() -> None:
    release = render(PROFILE, "--set", "n8n.worker.autoscaling.initialReplicas=2")
    assert not [item for item in release.objects if item["metadata"]["name"] == "demo-n8n-initial-scale"]


def test_without_n8n_the_chart_has_no_object_of_n8n() -> None:
    release = render(PROFILE, "--set", "n8n.enabled=false,open-webui.orchestrator=direct")
    assert not [item for item in release.objects if "demo-n8n" in item["metadata"]["name"]]
