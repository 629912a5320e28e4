"""Tests of the table in docs/aws.md that leads from an empty account to the first answer."""

import re

from tenantry_infra.costs.estimate import CLUSTER, Cost, estimate_environment

from tools.cost_reference import load_complete
from tools.version import REPOSITORY

PAGE = (REPOSITORY / "docs" / "aws.md").read_text()
ROW = re.compile(r"^\| (\d)\. (.+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
COMMAND = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\(#([\w-]+)\)")


def list_anchors() -> dict[str, str]:
    """Return the text of each section by its anchor."""
    sections = re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE)[1:]
    return {
        re.sub(r"[^\w -]", "", section.partition("\n")[0]).lower().replace(" ", "-"): section
        for section in sections
    }


def test_each_step_has_a_section_with_its_commands() -> None:
    anchors, rows = list_anchors(), ROW.findall(PAGE)
    assert [int(number) for number, *_ in rows] == list(range(1, 10))
    for _, step, commands, _, _ in rows:
        text = "".join(anchors[anchor] for anchor in LINK.findall(step)).replace("make -s ", "make ")
        for command in COMMAND.findall(commands):
            assert command in text, f"{step}: {command}"


def test_the_steps_are_in_the_order_of_the_page() -> None:
    order = list(list_anchors())
    firsts = [order.index(LINK.findall(step)[-1]) for _, step, *_ in ROW.findall(PAGE)]
    assert firsts == sorted(firsts)


def test_the_dollars_of_stacks_and_cluster_are_those_of_the_estimate() -> None:
    costs = estimate_environment(load_complete("small"))
    total = sum(costs.values(), Cost()).dollars
    dollars = {step: each for step, *_, each in ROW.findall(PAGE)}
    assert dollars["2"] == f"{total - costs[CLUSTER].dollars:.0f}"
    assert dollars["3"] == f"{costs[CLUSTER].dollars:.0f}"
    assert f"margin\nis about {500 - total:.0f} dollars" in PAGE
