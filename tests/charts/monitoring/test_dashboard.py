"""Tests of the dashboard RAG-System-Health: its panels and its queries on a healthy release."""

import json
from itertools import combinations, pairwise
from typing import Any

import pytest

from tests.support.charts.monitoring_series import ELSEWHERE, HEALTHY, NAMESPACE
from tests.support.charts.promtool import check_queries
from tests.support.charts.rendering import MONITORED, RELEASE, Release, render, run_helm
from tools.chart_schema import CHART

PANELS_IN_AWS_ARCHITECTURE = [
    "Response times",
    "Error rates",
    "Tenant query distribution",
    "Bedrock latency",
    "Qdrant search performance",
    "Resource use",
]

Panel = dict[str, Any]


@pytest.fixture(scope="module")
def release() -> Release:
    """A release with monitoring."""
    return render("values-eks-prod.yaml", *MONITORED)


@pytest.fixture(scope="module")
def dashboard(release: Release) -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    text = release.get("ConfigMap", "rag-system-health")["data"]["rag-system-health.json"]
    return dict(json.loads(text))


@pytest.fixture(scope="module")
def panels(dashboard: dict[str, Any]) -> list[Panel]:
    """Panels in order."""
    return list(dashboard["panels"])


def test_the_panels_of_the_aws_architecture_come_first_in_order(panels: list[Panel]) -> None:
    assert [panel["title"] for panel in panels][:6] == PANELS_IN_AWS_ARCHITECTURE


def test_response_times_have_three_quantiles(panels: list[Panel]) -> None:
    assert [target["legendFormat"] for target in panels[0]["targets"]] == ["p50", "p95", "p99"]


def test_client_and_server_errors_are_separate(panels: list[Panel]) -> None:
    assert [target["legendFormat"] for target in panels[1]["targets"]] == ["4xx", "5xx"]


def test_every_query_returns_data_for_a_healthy_release(panels: list[Panel]) -> None:
    queries = [
        target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]
    ]
    assert not [query for query in queries if "$" in query]
    check_queries(HEALTHY, {f"group({query})": {"{}"} for query in queries})


def test_the_error_rate_without_errors_is_zero(panels: list[Panel]) -> None:
    without_errors = {name: values for name, values in HEALTHY.items() if 'status="5xx"' not in name}
    query = panels[1]["targets"][1]["expr"].replace("$__rate_interval", "5m")
    check_queries(without_errors, {f"group(({query}) == 0)": {"{}"}})


def test_no_query_returns_data_of_another_release(panels: list[Panel]) -> None:
    queries = [
        target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]
    ]
    for move in ELSEWHERE:
        check_queries(move(HEALTHY), {f"group({query})": set() for query in queries})


def test_panels_do_not_overlap(panels: list[Panel]) -> None:
    def list_cells(panel: Panel) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        return {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}

    assert not [pair for pair in combinations(panels, 2) if list_cells(pair[0]) & list_cells(pair[1])]
    assert all(before["gridPos"]["y"] <= after["gridPos"]["y"] for before, after in pairwise(panels))


def test_ids_of_panels_and_queries_are_unique(panels: list[Panel]) -> None:
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_two_releases_have_separate_dashboards(dashboard: dict[str, Any]) -> None:
    options = ("-f", str(CHART / "values-eks-prod.yaml"), *MONITORED)
    for release, namespace in ((RELEASE, "another"), ("another", NAMESPACE)):
        other = Release(run_helm("template", release, str(CHART), "-n", namespace, *options))
        (found,) = other.list_objects("ConfigMap")
        elsewhere = json.loads(found["data"]["rag-system-health.json"])
        assert elsewhere["uid"] != dashboard["uid"]
        assert elsewhere["title"] != dashboard["title"]
    assert dashboard["title"] == f"RAG-System-Health ({NAMESPACE}/{RELEASE})"


def test_the_dashboard_has_the_label_of_grafanas_sidecar(release: Release) -> None:
    assert release.get("ConfigMap", "rag-system-health")["metadata"]["labels"]["grafana_dashboard"] == "1"
