"""What alerts and panels ask for by name, the services say by that name.

Names of metrics and labels are seen in test_alerts.py and test_dashboard.py; these are the labels' values.
"""

import re

import pytest

from tools.chart_schema import CHART

REPOSITORY = CHART.parents[1]
QUERIES = "".join(file.read_text() for file in sorted((CHART / "files" / "monitoring").glob("*.yaml")))


def asked(label: str) -> set[str]:
    """Return the values of a label that some query asks for."""
    found = re.findall(rf'\b{label}=~?"([^"]+)"', QUERIES)
    return {value for pattern in found for value in pattern.split("|")}


@pytest.mark.parametrize("label", ["system", "operation", "outcome", "stage"])
def test_the_value_of_a_label_is_one_that_the_code_gives(label: str) -> None:
    code = "".join(
        file.read_text()
        for folder in ("services", "operator")
        for file in (REPOSITORY / folder).rglob("*.py")
        if file.name != "metrics.py"  # which only describes them
    )
    assert asked(label)
    assert not {value for value in asked(label) if f'"{value}"' not in code}


def test_a_route_is_one_of_the_gateways() -> None:
    page = (REPOSITORY / "docs" / "reference" / "gateway.md").read_text()
    routes = re.findall(r"^## [A-Z]+ (/\S+)$", page, re.MULTILINE)
    assert asked("route")
    assert all(any(re.fullmatch(pattern, route) for route in routes) for pattern in asked("route"))


def test_a_job_is_a_workload_that_is_read() -> None:
    template = (CHART / "templates" / "monitoring" / "pod-monitors.yaml").read_text()
    assert asked("job")
    assert all(f'"{job}"' in template for job in asked("job"))
