"""Prometheus reads every pod that has metrics, finds them where it looks, and is let in."""

from typing import Any

import pytest
import yaml

from tests.support.charts import PROFILES, RELEASE, Release, render
from tests.support.promtool import play
from tests.support.watched import NAMESPACE, series, steady
from tools.chart_schema import CHART

EXAMPLE = CHART.parents[1] / "docs" / "examples" / "prometheus-adapter.yaml"


@pytest.fixture(params=PROFILES, scope="module")
def release(request: pytest.FixtureRequest) -> Release:
    """A release that is watched from the namespace "monitoring"."""
    watched = "monitoring.enabled=true,monitoring.labels.release=prom"
    return render(request.param, "--set", f"{watched},global.network.monitoringNamespace=monitoring")


@pytest.fixture(scope="module")
def external() -> dict[str, Any]:
    """The one rule that prometheus-adapter needs for us."""
    (rule,) = yaml.safe_load(EXAMPLE.read_text())["rules"]["external"]
    return dict(rule)


def read(release: Release, pod: dict[str, Any]) -> list[int]:
    """Return the ports of a pod that some PodMonitor reads."""
    ports = {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    }
    return [
        ports[endpoint["port"]]
        for monitor in release.of("PodMonitor")
        if _meets(monitor["spec"]["selector"], pod["metadata"]["labels"])
        for endpoint in monitor["spec"]["podMetricsEndpoints"]
    ]


def _meets(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return selector["matchLabels"].items() <= labels.items() and all(
        labels[wanted["key"]] in wanted["values"] for wanted in selector["matchExpressions"]
    )


def let_in(release: Release, name: str) -> list[int]:
    """Return the ports of a workload at which its network policy lets monitoring in."""
    return [
        port["port"]
        for rule in release.get("NetworkPolicy", name)["spec"]["ingress"] or []
        if any("namespaceSelector" in peer for peer in rule["from"])
        for port in rule["ports"]
    ]


def test_what_is_read_is_what_monitoring_is_let_in_to(release: Release) -> None:
    found = {name: read(release, pod) for name, pod in release.pods()}
    assert found == {name: let_in(release, name) for name in found}
    ours = {found[name][0] for name in ("gateway", "operator", "file-sync")}
    assert ours == {9090}, "a port that no policy opens to anybody else"
    assert found["qdrant"] == [6333]


def test_qdrants_metrics_are_read_with_the_key_that_writes_nothing(release: Release) -> None:
    (endpoint,) = release.get("PodMonitor", "metrics-qdrant")["spec"]["podMetricsEndpoints"]
    (qdrant,) = release.get("StatefulSet", "qdrant")["spec"]["template"]["spec"]["containers"]
    (key,) = [entry for entry in qdrant["env"] if entry["name"] == "QDRANT__SERVICE__READ_ONLY_API_KEY"]
    assert endpoint["authorization"]["credentials"] == key["valueFrom"]["secretKeyRef"]


def test_qdrants_metrics_are_read_in_secret_where_it_has_a_certificate(release: Release) -> None:
    (plain,) = release.get("PodMonitor", "metrics-qdrant")["spec"]["podMetricsEndpoints"]
    assert "tlsConfig" not in plain
    encrypted = render("values-eks-prod.yaml", "--set", "monitoring.enabled=true,global.qdrant.tlsSecret=tls")
    (endpoint,) = encrypted.get("PodMonitor", "metrics-qdrant")["spec"]["podMetricsEndpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["ca"] == {"secret": {"name": "tls", "key": "ca.crt"}}
    # Prometheus goes to a pod's address, which no certificate holds.
    assert endpoint["tlsConfig"]["serverName"] == encrypted.get("Service", "qdrant")["metadata"]["name"]
    (others,) = encrypted.get("PodMonitor", "metrics")["spec"]["podMetricsEndpoints"]
    assert "scheme" not in others


def test_a_metrics_job_is_the_workload_whose_it_is(release: Release) -> None:
    for monitor in release.of("PodMonitor"):
        assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"


def test_a_prometheus_that_chooses_by_label_chooses_ours(release: Release) -> None:
    for item in release.of("PodMonitor", "PrometheusRule"):
        assert item["metadata"]["labels"]["release"] == "prom"


def test_unless_it_is_asked_for_nothing_needs_prometheus_operator() -> None:
    assert not render("values-eks-prod.yaml", "--set", "monitoring.enabled=false").of(
        "PodMonitor", "PrometheusRule"
    )


def test_prometheus_adapter_serves_what_the_workers_scale_by(external: dict[str, Any]) -> None:
    release = render("values-eks-prod.yaml")
    (metric,) = release.get("HorizontalPodAutoscaler", "n8n-worker")["spec"]["metrics"]
    name = metric["external"]["metric"]["name"]
    # What the series is called the adapter calls it, too; and it asks for the autoscaler's namespace.
    assert external["seriesQuery"].startswith(f"{name}{{")
    assert external["resources"]["overrides"] == {"namespace": {"resource": "namespace"}}


def test_the_queues_depth_is_mains_word_and_this_namespaces(external: dict[str, Any]) -> None:
    name = "n8n_scaling_mode_queue_jobs_waiting"
    query = external["metricsQuery"].replace("<<.Series>>", name)
    query = query.replace("<<.LabelMatchers>>", f'namespace="{NAMESPACE}"')
    # Two mains for a moment, as when one has just been replaced, count one and the same queue.
    world = (
        series(name, steady(200), job="n8n", pod=f"{RELEASE}-n8n-1")
        | series(name, steady(190), job="n8n", pod=f"{RELEASE}-n8n-2")
        | series(name, steady(999), job="n8n", pod="other-n8n-1", namespace="another")
    )
    play(world, {f"group(({query}) == 200)": {"{}"}, f"group({external['seriesQuery']})": {"{}"}})
