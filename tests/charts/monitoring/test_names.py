"""Tests of the label values in alerts and panels: the code sets each of them.

test_alerts.py and test_dashboard.py cover the names of metrics and labels.
"""

import re

import pytest

from tools.chart_schema import CHART

REPOSITORY = CHART.parents[1]
QUERIES = "".join(file.read_text() for file in sorted((CHART / "files" / "monitoring").glob("*.yaml")))


def list_queried_values(label: str) -> set[str]:
    """Return the values of a label that the queries select."""
    found = re.findall(rf'\b{label}=~?"([^"]+)"', QUERIES)
    return {value for pattern in found for value in pattern.split("|")}


@pytest.mark.parametrize("label", ["system", "operation", "outcome", "stage"])
def test_queried_label_values_are_set_by_the_code(label: str) -> None:
    code = "".join(
        file.read_text()
        for folder in ("services", "operator")
        for file in (REPOSITORY / folder).rglob("*.py")
        if file.name != "metrics.py"  # this label only describes
    )
    assert list_queried_values(label)
    assert not {value for value in list_queried_values(label) if f'"{value}"' not in code}


def test_queried_routes_exist_in_the_gateway() -> None:
    page = (REPOSITORY / "docs" / "reference" / "gateway.md").read_text()
    routes = re.findall(r"^## [A-Z]+ (/\S+)$", page, re.MULTILINE)
    assert list_queried_values("route")
    assert all(
        any(re.fullmatch(pattern, route) for route in routes) for pattern in list_queried_values("route")
    )


def test_queried_jobs_are_scraped_workloads() -> None:
    template = (CHART / "templates" / "monitoring" / "_helpers.tpl").read_text()
    jobs = list_queried_values("job") - {"$workload"}  # the chart replaces it by each workload
    assert jobs
    assert all(f"name: {job}," in template for job in jobs)
