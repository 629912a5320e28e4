"""Tests of the conversion of Open WebUI's prompt to the stand-in's format."""

from collections.abc import Mapping
from typing import Any

import pytest
from tenantry_local.standins.bedrock.answers import extract_answer

from tests.bench.adapter import build_converse_request

TEMPLATE = """### Task:
Only when the <source> tag has an id (e.g., <source id="1">) cite it.

<context>
{sources}
</context>
"""
SOURCES = """<source id="1" name="a.md">The budget of 2025 is $4.</source>
<source id="2" name="b.md">The budget of 2026 is $5.</source>"""
QUESTION = "What is the budget of 2026 & not <that> of 2025?"


def make_prompt(*messages: Mapping[str, Any]) -> str:
    (message,) = build_converse_request(messages)["messages"]
    text: str = message["content"][0]["text"]
    return text


@pytest.mark.parametrize("system", [False, True], ids=["before the question", "among the system's words"])
def test_sources_become_passages_and_the_rest_the_question(system: bool) -> None:
    template = TEMPLATE.format(sources=SOURCES)
    messages = (
        [{"role": "system", "content": template}, {"role": "user", "content": QUESTION}]
        if system
        else [{"role": "user", "content": f"{template}\n{QUESTION}"}]
    )
    assert make_prompt(*messages) == (
        '<passage id="1">The budget of 2025 is $4.</passage>\n'
        '<passage id="2">The budget of 2026 is $5.</passage>\n'
        "<question>What is the budget of 2026 &amp; not &lt;that&gt; of 2025?</question>"
    )


def test_the_stand_in_answers_from_the_passages() -> None:
    text = TEMPLATE.format(sources=SOURCES) + "What is the budget of 2026?"
    assert extract_answer(make_prompt({"role": "user", "content": [{"type": "text", "text": text}]})) == (
        "The budget of 2026 is $5. [cite:2]"
    )
