"""cfn-lint on all templates."""

from pathlib import Path

import pytest
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs
from tenantry_infra.stacks import STACKS, Stack

CONFIG = ManualArgs(regions=["us-east-1", "us-west-2"], include_checks=["I"], ignore_checks=["I3042"])
"""All checks. I3042 asks for partitions of China and of governments, which Bedrock's models are not in."""


def list_findings(file: Path) -> list[str]:
    return [f"{each.rule.id} {each.linenumber}: {each.message}" for each in lint_file(file, config=CONFIG)]


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_a_template_has_no_finding(stack: Stack) -> None:
    assert list_findings(stack.template_file) == []


def test_a_misspelt_property_is_found(tmp_path: Path) -> None:
    (stack,) = (stack for stack in STACKS if stack.name == "storage")
    broken = tmp_path / "storage.yaml"
    broken.write_text(stack.template.body.replace("BlockPublicPolicy", "BlockPublicPolicies"))
    assert any("E3002" in finding for finding in list_findings(broken))
