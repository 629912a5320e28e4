"""Tests of the notes that helm prints after an installation."""

import pytest

from tests.support.charts.rendering import PROFILES, RELEASE, run_helm
from tools.chart_schema import CHART


def read_notes(profile: str, *options: str) -> str:
    values = ["-f", str(CHART / profile), *options]
    output = run_helm("install", RELEASE, str(CHART), "--dry-run=client", "-n", "chart-test", *values)
    return output.partition("NOTES:\n")[2]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_notes_name_the_next_commands_and_the_address(profile: str) -> None:
    notes = read_notes(profile)
    assert "kubectl get pods -n chart-test" in notes
    assert "kubectl wait --for=condition=Ready tenant/NAME" in notes
    assert "://" in notes


def test_without_an_ingress_the_notes_name_a_port_forward() -> None:
    without = read_notes("values-kind.yaml", "--set", "ingress.enabled=false")
    assert f"svc/{RELEASE}-open-webui 8080" in without
    assert "port-forward" not in read_notes("values-eks-prod.yaml")


def test_without_open_webui_the_notes_have_no_address() -> None:
    options = ["open-webui.enabled=false", "ingress.enabled=false", "global.openWebui.adminEmail="]
    notes = read_notes("values-eks-prod.yaml", *(word for option in options for word in ("--set", option)))
    assert "Sign in" not in notes
