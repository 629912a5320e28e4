"""Tests of gradual rollouts: weights, what decides about new pods, and what the option changes elsewhere."""

import json
from typing import Any

import pytest

from tests.support.charts.rendering import MONITORED, HelmError, Object, Release, render
from tests.support.charts.third_party import make_definitions

PROFILE = "values-eks-prod.yaml"
KNOWN = (*MONITORED, "--api-versions", "argoproj.io/v1alpha1/Rollout")
PROMETHEUS = "http://prometheus.monitoring:9090"
ENABLED = (*KNOWN, "--set", f"global.rollouts.enabled=true,global.rollouts.prometheusUrl={PROMETHEUS}")
WORKLOADS = ("gateway", "open-webui")

workloads = pytest.mark.parametrize("name", WORKLOADS)


@pytest.fixture(scope="module")
def release() -> Release:
    return render(PROFILE, *ENABLED)


def get_canary(release: Release, name: str) -> Any:
    return release.get("Rollout", name)["spec"]["strategy"]["canary"]


def test_rollouts_are_off_by_default() -> None:
    release = render(PROFILE, *KNOWN)
    assert not release.list_objects("Rollout", "AnalysisTemplate")
    for name in WORKLOADS:
        assert release.get("HorizontalPodAutoscaler", name)["spec"]["scaleTargetRef"]["kind"] == "Deployment"


@workloads
def test_new_pods_get_10_then_50_then_all_requests(release: Release, name: str) -> None:
    steps = get_canary(release, name)["steps"]
    assert [step["setWeight"] for step in steps if "setWeight" in step] == [10, 50]
    assert [step["pause"] for step in steps if "pause" in step] == [{"duration": "10m"}] * 2
    assert "pause" in steps[-1]  # all requests follow after the last step


@workloads
def test_a_rollout_takes_the_pods_of_the_deployment(release: Release, name: str) -> None:
    rollout, deployment = release.get("Rollout", name)["spec"], release.get("Deployment", name)
    assert rollout["workloadRef"] == {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"],
        "scaleDown": "onsuccess",
    }  # fmt: skip
    assert rollout["selector"] == deployment["spec"]["selector"]
    assert "template" not in rollout
    assert "replicas" not in deployment["spec"]  # helm would start its pods again at each upgrade


@workloads
def test_no_pod_ends_before_its_successor_is_ready(release: Release, name: str) -> None:
    canary = get_canary(release, name)
    assert (canary["maxSurge"], canary["maxUnavailable"]) == (1, 0)


@workloads
def test_the_autoscaler_scales_the_rollout(release: Release, name: str) -> None:
    autoscaler = release.get("HorizontalPodAutoscaler", name)["spec"]
    assert autoscaler["scaleTargetRef"] == {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": f"demo-{name}",
    }  # fmt: skip
    assert release.get("Rollout", name)["spec"]["replicas"] == autoscaler["minReplicas"]


def test_the_load_balancer_divides_requests_between_two_services_of_open_webui(release: Release) -> None:
    canary = get_canary(release, "open-webui")
    assert canary["pingPong"] == {
        "pingService": "demo-open-webui-ping",
        "pongService": "demo-open-webui-pong",
    }
    alb = canary["trafficRouting"]["alb"]
    root = release.get("Service", "open-webui")
    assert (alb["ingress"], alb["rootService"], alb["servicePort"]) == (
        "demo-open-webui",
        "demo-open-webui",
        8080,
    )
    for name in ("ping", "pong"):
        assert release.get("Service", f"open-webui-{name}")["spec"] == root["spec"]
    (rule,) = release.get("Ingress", "open-webui")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "demo-open-webui", "port": {"name": "use-annotation"}}


def test_a_browser_keeps_its_version_for_less_than_a_step(release: Release) -> None:
    stickiness = get_canary(release, "open-webui")["trafficRouting"]["alb"]["stickinessConfig"]
    assert stickiness == {"enabled": True, "durationSeconds": 300}
    annotations = release.get("Ingress", "open-webui")["metadata"]["annotations"]
    attributes = annotations["alb.ingress.kubernetes.io/target-group-attributes"]
    assert "stickiness.enabled=false," in attributes  # a pod's cookie would defeat the weights


def test_weights_of_the_gateway_are_numbers_of_pods_because_no_load_balancer_reaches_it(
    release: Release,
) -> None:
    assert "trafficRouting" not in get_canary(release, "gateway")


TARGET_GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tenantry/0"
OTHER_WAYS = (
    "ingress.className=nginx,ingress.alb.prefixLists=null,ingress.alb.webAclArn=",
    f"ingress.enabled=false,targetGroupBinding.enabled=true,targetGroupBinding.targetGroupArn={TARGET_GROUP}",
)


@pytest.mark.parametrize("way", OTHER_WAYS)
def test_without_an_alb_of_the_chart_weights_of_open_webui_are_numbers_of_pods(way: str) -> None:
    release = render(PROFILE, *ENABLED, "--set", way)
    assert "trafficRouting" not in get_canary(release, "open-webui")
    assert "pingPong" not in get_canary(release, "open-webui")
    assert not [
        each for each in release.list_objects("Service") if each["metadata"]["name"].endswith("-ping")
    ]
    for ingress in release.list_objects("Ingress"):
        assert "use-annotation" not in json.dumps(ingress)


@workloads
def test_metrics_of_the_new_pods_alone_decide(release: Release, name: str) -> None:
    analysis = get_canary(release, name)["analysis"]
    assert analysis["templates"] == [{"templateName": f"demo-{name}"}]
    assert analysis["args"] == [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}]
    metrics = list_metrics(release, name)
    assert metrics
    for metric in metrics:
        prometheus = metric["provider"]["prometheus"]
        assert prometheus["address"] == PROMETHEUS
        selectors = prometheus["query"].count("{namespace=")
        assert prometheus["query"].count(f'pod=~"demo-{name}-{{{{args.hash}}}}-.*"') == selectors > 0
        assert metric["failureLimit"] == 2


@workloads
def test_pods_whose_metrics_prometheus_lacks_end_a_rollout(release: Release, name: str) -> None:
    """Without a result, all other metrics succeed: at night, there are no requests."""
    found = {metric["name"]: metric["successCondition"] for metric in list_metrics(release, name)}
    assert found.pop("metrics-of-new-pods") == "len(result) > 0 && result[0] > 0"
    assert found
    assert all(condition.startswith("len(result) == 0 || ") for condition in found.values())


def test_open_webui_can_be_off() -> None:
    off = "open-webui.enabled=false,global.openWebui.adminEmail=,ingress.enabled=false"
    release = render(PROFILE, *ENABLED, "--set", off)
    assert [each["metadata"]["name"] for each in release.list_objects("Rollout")] == ["demo-gateway"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((*MONITORED, *ENABLED[-2:]), "this cluster has no argoproj.io/v1alpha1/Rollout"),
        ((*KNOWN, "--set", "global.rollouts.enabled=true"), "global.rollouts.prometheusUrl is empty"),
        ((*ENABLED, "--set", "monitoring.enabled=false"), "monitoring.enabled is false"),
        (ENABLED[2:], "this cluster has no monitoring.coreos.com/v1"),
        ((*ENABLED, "--set", "global.network.monitoringNamespace="), "monitoringNamespace is empty"),
        ((*ENABLED, "--set", "global.rollouts.stepMinutes=1"), "stepMinutes"),
        ((*ENABLED, "--set", "global.rollouts.prometheusUrl=prometheus:9090"), "prometheusUrl"),
    ],
)
def test_values_without_which_nothing_decides_are_refused(options: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(HelmError, match=sentence):
        render(PROFILE, *options)


def test_alerts_and_panels_find_the_pods_of_a_rollout(release: Release) -> None:
    (alerts,) = [
        each for each in release.list_objects("PrometheusRule") if "alerts" in each["metadata"]["name"]
    ]
    rules = {rule["alert"]: rule["expr"] for group in alerts["spec"]["groups"] for rule in group["rules"]}
    down = rules["TenantryWorkloadDown"]
    assert 'replicaset=~"(demo-gateway|demo-open-webui)-[a-z0-9]+"' in down
    assert "demo-gateway" not in down.partition("kube_statefulset")[0]  # its Deployment has no pods
    assert "demo-gateway|demo-open-webui" in rules["TenantryMemoryNearLimit"]


def test_the_definitions_of_the_tests_have_the_kinds() -> None:
    kinds = {each["spec"]["names"]["kind"] for each in make_definitions()}
    assert kinds >= {"Rollout", "AnalysisTemplate"}


def list_metrics(release: Release, name: str) -> list[Object]:
    metrics: list[Object] = release.get("AnalysisTemplate", name)["spec"]["metrics"]
    return metrics
