"""Tests of the objectives: their alerts fire by burn rate, for enough events only."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.support.charts.burns import BURNS, MINUTES, Burn
from tests.support.charts.monitoring_series import ELSEWHERE
from tests.support.charts.promtool import check_queries, check_rules
from tests.support.charts.rendering import MONITORED, render
from tools.chart_schema import CHART

FIRING = 'group by (alertname) (ALERTS{alertstate="firing"})'
DOCS_PAGE = CHART.parents[1] / "docs" / "how-to" / "monitor.md"


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    """Rules of the objectives."""
    return dict(render("values-eks-prod.yaml", *MONITORED).get("PrometheusRule", "slos")["spec"])


def test_promtool_accepts_the_rules(rules: dict[str, Any]) -> None:
    check_rules(rules)


@pytest.mark.parametrize("burn", BURNS, ids=lambda burn: burn.name)
def test_an_alert_fires_when_the_error_budget_burns(rules: dict[str, Any], burn: Burn) -> None:
    fires = {f'{{alertname="{name}"}}' for name in burn.fires}
    check_queries(burn.build_series(), {FIRING: fires}, rules, minutes=MINUTES, rule_minutes=60)


@pytest.mark.parametrize("move", ELSEWHERE, ids=lambda move: move.__name__)
def test_another_release_burns_its_own_budget(
    rules: dict[str, Any], move: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    burn = next(burn for burn in BURNS if burn.fires)
    check_queries(move(burn.build_series()), {FIRING: set()}, rules, minutes=MINUTES, rule_minutes=60)


def test_the_page_states_each_objective() -> None:
    page = DOCS_PAGE.read_text()
    for slo in yaml.safe_load((CHART / "files" / "monitoring" / "slos.yaml").read_text()):
        assert f"| {100 * slo['objective']:g} % |" in page, slo["name"]
