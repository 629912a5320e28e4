"""What the pages about the chart say is what the chart does."""

import re

from tests.support.charts import PROFILES, render
from tests.support.secrets_of_charts import asked
from tools.chart_schema import CHART

DOCS = CHART.parents[1] / "docs"


def test_the_page_of_secrets_names_each_that_any_profile_asks_for() -> None:
    page = (DOCS / "how-to" / "secrets.md").read_text()
    named: set[tuple[str, str]] = set()
    secret = ""
    for name, key in re.findall(r"^\| (?:`([a-z0-9-]+)` )?\| `([a-z0-9.-]+)` \|", page, re.MULTILINE):
        secret = name or secret
        named.add((secret, key))
    assert named == {each for profile in PROFILES for each in asked(render(profile))}


def test_the_page_of_scaling_has_the_autoscalers_numbers() -> None:
    page = (DOCS / "how-to" / "scale.md").read_text()
    said = {
        value: tuple(int(number) for number in numbers.split("/"))
        for numbers, value in re.findall(r"\| (\d+ / \d+ / \d+) \| .* \| `([a-zA-Z0-9.-]+)` \|", page)
    }
    names = {
        "gateway.autoscaling": "gateway",
        "n8n.worker.autoscaling": "n8n-worker",
        "n8n.webhook.autoscaling": "n8n-webhook",
        "open-webui.autoscaling": "open-webui",
        "qdrant.autoscaling": "qdrant",
    }
    release = render("values-eks-prod.yaml")
    scalers = {value: release.get("HorizontalPodAutoscaler", name)["spec"] for value, name in names.items()}
    assert len(scalers) == len(release.of("HorizontalPodAutoscaler"))
    assert {value: (least, most) for value, (least, _, most) in said.items()} == {
        value: (spec["minReplicas"], spec["maxReplicas"]) for value, spec in scalers.items()
    }
