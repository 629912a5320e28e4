"""Tests that the documentation quotes exactly the messages, file states, status lines and valves."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel
from webui_install.functions import tenantry, tenantry_erasure, tenantry_events
from webui_install.functions.tenantry import FILE_STATES, MESSAGES

from tests.support.open_webui.pipe import ANSWER, FakePipeBackends, ask, make_pipe, make_problem, make_stream

DOCS = Path(__file__).parents[4] / "docs"
USERS, OPEN_WEBUI = DOCS / "guides" / "users.md", DOCS / "open-webui.md"


def list_rows(page: Path, *headings: str) -> list[list[str]]:
    """Return the cells of each row of the tables whose first heading is one of ``headings``."""
    tables = re.findall(r"^\| ([^|]+) \|.*\n\|[-|]+\|\n((?:\|.*\n?)+)", page.read_text(), re.MULTILINE)
    return [
        [cell.strip() for cell in row.split("|")[1:-1]]
        for heading, rows in tables
        if heading in headings
        for row in rows.splitlines()
    ]


def list_first_cells(page: Path, *headings: str) -> list[str]:
    """Return the first cells of the tables whose first heading is one of ``headings``."""
    return [cells[0] for cells in list_rows(page, *headings)]


@pytest.mark.parametrize(("page", "heading"), [(USERS, "message begins with"), (OPEN_WEBUI, "message")])
def test_page_lists_each_message_once_and_no_other(page: Path, heading: str) -> None:
    cells = [cell.rstrip(" .") for cell in list_first_cells(page, heading)]
    kinds = [kind for cell in cells for kind, message in MESSAGES.items() if message.startswith(cell)]
    assert len(kinds) == len(cells), "a row matches no message or several"
    assert sorted(kinds) == sorted(MESSAGES)


def test_limits_quote_existing_messages() -> None:
    section = USERS.read_text().partition("\n## Limits\n")[2].partition("\n## ")[0]
    quotes = [quote.rstrip(" .") for quote in re.findall(r"\*([^*`]+)\*", section)]
    assert len(quotes) >= 3
    for quote in quotes:
        assert any(text.startswith(quote) for text in [*MESSAGES.values(), *FILE_STATES.values()]), quote


@pytest.mark.parametrize("page", [USERS, OPEN_WEBUI])
def test_page_lists_each_file_state_once_and_no_other(page: Path) -> None:
    assert sorted(list_first_cells(page, "state")) == sorted(FILE_STATES.values())


@pytest.mark.parametrize(
    ("function", "valves"),
    [
        ("tenantry", tenantry.Pipe.Valves),
        ("tenantry_events", tenantry_events.Event.Valves),
        ("tenantry_erasure", tenantry_erasure.Action.Valves),
    ],
)
def test_page_lists_each_valve_with_its_default(function: str, valves: type[BaseModel]) -> None:
    rows = list_rows(OPEN_WEBUI, f"valve of `{function}`")
    documented = {name.rstrip(" *").strip("`"): default.strip("`") for name, default, _ in rows}
    defaults = valves().model_dump(mode="json").items()
    assert documented == {
        name: f"{value:g}" if isinstance(value, float) else str(value).lower() for name, value in defaults
    }


async def test_guide_lists_each_status_line_of_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenantry, "POLL_INTERVAL_SECONDS", 0.01)
    assert set(list_first_cells(USERS, "line")) == {status async for status in _stream_statuses()}


async def _stream_statuses() -> AsyncIterator[str]:
    file = {"id": "f1", "filename": "plan.pdf", "state": "indexing"}
    states = iter([file, file | {"state": "ready"}])
    files = {"/v1/files": lambda _: httpx.Response(200, json={"files": [next(states)]})}
    without_source = ANSWER | {"citations": []}
    for reply in (
        make_stream("Yes"),
        make_stream("No", end=without_source),
        make_stream("Yes", end=None),
        make_problem(429, "rate-limited"),
    ):
        attached = [{"type": "file", "id": "f1"}] if files else []
        backends = FakePipeBackends({"/v1/answers": reply, **files})
        output = await ask(make_pipe(backends, orchestrator="direct"), __files__=attached)
        files = {}
        for status in output.statuses:
            yield status
