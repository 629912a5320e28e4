"""Tests of scraping: monitors cover all pods with metrics, and network policies allow it."""

import re
from typing import Any

import pytest
import yaml

from tests.support.charts.monitoring_series import NAMESPACE, make_constant, make_series
from tests.support.charts.promtool import check_queries
from tests.support.charts.rendering import MONITORED, PROFILES, RELEASE, Release, render
from tools.chart_schema import CHART

EXAMPLE = CHART.parents[1] / "docs" / "examples" / "prometheus-adapter.yaml"


@pytest.fixture(params=PROFILES, scope="module")
def release(request: pytest.FixtureRequest) -> Release:
    """A release that Prometheus scrapes from the namespace "monitoring"."""
    options = "monitoring.labels.release=prom,global.network.monitoringNamespace=monitoring"
    return render(request.param, *MONITORED, "--set", options)


@pytest.fixture(scope="module")
def memory_rule() -> dict[str, Any]:
    """The example's rule for prometheus-adapter about pods."""
    (rule,) = yaml.safe_load(EXAMPLE.read_text())["rules"]["custom"]
    return dict(rule)


@pytest.fixture(scope="module")
def adapter_rule() -> dict[str, Any]:
    """The example's rule for prometheus-adapter about the queue."""
    (rule,) = yaml.safe_load(EXAMPLE.read_text())["rules"]["external"]
    return dict(rule)


def list_scraped_ports(release: Release, pod: dict[str, Any]) -> list[int]:
    """Return the ports of a pod that PodMonitors scrape."""
    ports = {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    }
    return [
        ports[endpoint["port"]]
        for monitor in release.list_objects("PodMonitor")
        if _matches(monitor["spec"]["selector"], pod["metadata"]["labels"])
        for endpoint in monitor["spec"]["podMetricsEndpoints"]
    ]


def list_ports_of_services(release: Release, pod: dict[str, Any]) -> list[int]:
    """Return the ports of a pod that ServiceMonitors scrape, through the Services that select the pod."""
    ports = {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    }
    return [
        ports[port["targetPort"]]
        for service in release.list_objects("Service")
        if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        for monitor in release.list_objects("ServiceMonitor")
        if _matches(monitor["spec"]["selector"], service["metadata"]["labels"])
        for endpoint in monitor["spec"]["endpoints"]
        for port in service["spec"]["ports"]
        if port["name"] == endpoint["port"]
    ]


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return selector["matchLabels"].items() <= labels.items() and all(
        labels[wanted["key"]] in wanted["values"] for wanted in selector["matchExpressions"]
    )


def list_allowed_ports(release: Release, name: str) -> list[int]:
    """Return the ports of a workload that its network policy opens to monitoring."""
    return [
        port["port"]
        for rule in release.get("NetworkPolicy", name)["spec"]["ingress"] or []
        if any("namespaceSelector" in peer for peer in rule["from"])
        for port in rule["ports"]
    ]


def test_scraped_ports_are_those_open_to_monitoring(release: Release) -> None:
    found = {name: list_scraped_ports(release, pod) for name, pod in release.iter_pods()}
    assert found == {name: list_allowed_ports(release, name) for name in found}
    ours = {found[name][0] for name in ("gateway", "operator", "file-sync")}
    assert ours == {9090}, "a port that is open only to monitoring"
    assert found["qdrant"] == [6333]


@pytest.mark.parametrize("profile", PROFILES)
def test_service_monitors_scrape_the_ports_of_pod_monitors(profile: str) -> None:
    by_pod = render(profile, *MONITORED)
    by_service = render(profile, *MONITORED, "--set", "monitoring.monitorKind=ServiceMonitor")
    assert not by_service.list_objects("PodMonitor")
    for name, pod in by_service.iter_pods():
        assert list_ports_of_services(by_service, pod) == list_scraped_ports(by_pod, pod), name
    for monitor in by_service.list_objects("ServiceMonitor"):
        (endpoint,) = monitor["spec"]["endpoints"]
        (other,) = by_pod.get("PodMonitor", monitor["metadata"]["name"].removeprefix("demo-"))["spec"][
            "podMetricsEndpoints"
        ]
        assert endpoint | {"port": ""} == other | {"port": ""}


@pytest.mark.parametrize("profile", PROFILES)
def test_alerts_select_each_workload_of_a_release_by_its_name(profile: str) -> None:
    release = render(profile, *MONITORED)
    texts = [item["spec"] for item in release.list_objects("PrometheusRule")]
    patterns = {
        kind: set(re.findall(rf'\b{label}=~"([^"]+)"', str(texts)))
        for kind, label in (
            ("Deployment", "deployment"),
            ("StatefulSet", "statefulset"),
            ("Job", "job_name"),
            ("CronJob", "cronjob"),
            ("HorizontalPodAutoscaler", "horizontalpodautoscaler"),
        )
    }
    assert all(patterns.values())
    for item in release.list_objects(*patterns):
        name = item["metadata"]["name"]
        if item["spec"].get("suspend"):
            continue  # a person runs it and watches it
        for pattern in patterns[item["kind"]]:
            assert re.fullmatch(pattern, name), (item["kind"], name)
        if item["kind"] == "CronJob":
            assert any(re.fullmatch(pattern, f"{name}-29384756") for pattern in patterns["Job"])


def test_series_have_the_label_of_their_release(release: Release) -> None:
    for monitor in release.list_objects("PodMonitor"):
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["relabelings"] == [{"targetLabel": "release", "replacement": RELEASE}]


def test_qdrant_is_scraped_with_the_read_only_key(release: Release) -> None:
    (endpoint,) = release.get("PodMonitor", "metrics-qdrant")["spec"]["podMetricsEndpoints"]
    (qdrant,) = release.get("StatefulSet", "qdrant")["spec"]["template"]["spec"]["containers"]
    (key,) = [entry for entry in qdrant["env"] if entry["name"] == "QDRANT__SERVICE__READ_ONLY_API_KEY"]
    assert endpoint["authorization"]["credentials"] == key["valueFrom"]["secretKeyRef"]


def test_qdrant_is_scraped_over_tls_if_it_has_a_certificate(release: Release) -> None:
    (plain,) = release.get("PodMonitor", "metrics-qdrant")["spec"]["podMetricsEndpoints"]
    assert "tlsConfig" not in plain
    encrypted = render("values-eks-prod.yaml", *MONITORED, "--set", "global.qdrant.tlsSecret=tls")
    (endpoint,) = encrypted.get("PodMonitor", "metrics-qdrant")["spec"]["podMetricsEndpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["ca"] == {"secret": {"name": "tls", "key": "ca.crt"}}
    # Prometheus connects to a pod's address, which the certificate does not contain.
    assert endpoint["tlsConfig"]["serverName"] == encrypted.get("Service", "qdrant")["metadata"]["name"]
    (others,) = encrypted.get("PodMonitor", "metrics")["spec"]["podMetricsEndpoints"]
    assert "scheme" not in others


def test_the_job_label_is_the_workload(release: Release) -> None:
    for monitor in release.list_objects("PodMonitor"):
        assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"


def test_objects_have_the_labels_that_prometheus_selects(release: Release) -> None:
    for item in release.list_objects("PodMonitor", "PrometheusRule"):
        assert item["metadata"]["labels"]["release"] == "prom"


def test_prometheus_adapter_serves_the_metric_of_the_workers_autoscaler(adapter_rule: dict[str, Any]) -> None:
    release = render("values-eks-prod.yaml")
    (metric,) = release.get("HorizontalPodAutoscaler", "n8n-worker")["spec"]["metrics"]
    name = metric["external"]["metric"]["name"]
    # The adapter serves the series under its own name, in the autoscaler's namespace.
    assert adapter_rule["seriesQuery"].startswith(f"{name}{{")
    assert adapter_rule["resources"]["overrides"] == {"namespace": {"resource": "namespace"}}


def test_the_queue_depth_is_the_maximum_in_this_namespace(adapter_rule: dict[str, Any]) -> None:
    name = "n8n_scaling_mode_queue_jobs_waiting"
    query = adapter_rule["metricsQuery"].replace("<<.Series>>", name)
    query = query.replace("<<.LabelMatchers>>", f'namespace="{NAMESPACE}"')
    # While the main process is replaced, two main processes report the same queue.
    samples = (
        make_series(name, make_constant(200), job="n8n", pod=f"{RELEASE}-n8n-1")
        | make_series(name, make_constant(190), job="n8n", pod=f"{RELEASE}-n8n-2")
        | make_series(name, make_constant(999), job="n8n", pod="other-n8n-1", namespace="another")
    )
    check_queries(
        samples, {f"group(({query}) == 200)": {"{}"}, f"group({adapter_rule['seriesQuery']})": {"{}"}}
    )


def test_prometheus_adapter_serves_the_memory_of_qdrants_autoscaler(memory_rule: dict[str, Any]) -> None:
    release = render("values-eks-prod.yaml")
    (metric,) = release.get("HorizontalPodAutoscaler", "qdrant")["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert memory_rule["seriesQuery"].startswith(f"{name}{{")
    overrides = {each: {"resource": each} for each in ("namespace", "pod")}
    assert memory_rule["resources"]["overrides"] == overrides
    pods = f'namespace="{NAMESPACE}",pod=~"{RELEASE}-qdrant-0|{RELEASE}-qdrant-1"'
    query = memory_rule["metricsQuery"].replace("<<.Series>>", name).replace("<<.GroupBy>>", "pod")
    query = query.replace("<<.LabelMatchers>>", pods)
    samples = {
        series: values
        for container, value in (("qdrant", 3e9), ("", 3.1e9), ("another", 1e9))
        for pod in (f"{RELEASE}-qdrant-0", f"{RELEASE}-qdrant-1")
        for series, values in make_series(name, make_constant(value), pod=pod, container=container).items()
    }
    found = {f'{{pod="{RELEASE}-qdrant-{number}"}}' for number in (0, 1)}
    check_queries(samples, {f"({query}) == bool 3e9": found})
