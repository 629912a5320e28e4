"""Test of the Renovate configuration: it matches version and digest of each external image."""

import json
import re

import yaml

from tools.version import PLACEHOLDER, REPOSITORY

CHART = REPOSITORY / "charts" / "tenantry"


def test_each_external_image_is_matched_with_version_and_digest() -> None:
    (manager,) = json.loads((REPOSITORY / ".github" / "renovate.json").read_text())["customManagers"]
    (pattern,) = (each.replace("(?<", "(?P<") for each in manager["matchStrings"])
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    found = 0
    for file in CHART.glob("charts/*/Chart.yaml"):
        chart = yaml.safe_load(file.read_text())
        if chart.get("appVersion", PLACEHOLDER) == PLACEHOLDER:
            continue
        match = re.search(pattern, file.read_text())
        assert match, file
        assert match["depName"] == values[chart["name"]]["image"]["repository"]
        assert match["currentValue"] == chart["appVersion"]
        assert match["currentDigest"] == chart.get("annotations", {}).get("tenantry.io/image-digest")
        found += 1
    assert found == 6
