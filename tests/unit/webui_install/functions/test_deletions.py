"""Tests of ``/deletions``: list, release and reject held deletions."""

from typing import Any

import httpx
import pytest

from tests.support.open_webui.pipe import FakePipeBackends, ask, make_pipe, make_problem

HELD = "/v1/deletions"


def make_held_deletion(filename: str = "plan.pdf", **changes: Any) -> dict[str, Any]:
    return {
        "documentId": "d1",
        "personaId": "finance",
        "filename": filename,
        "requestedBy": "open-webui",
        "requestedAt": "2026-11-29T09:14:02Z",
        **changes,
    }


async def test_the_command_lists_held_deletions_and_the_possible_commands() -> None:
    held = [
        make_held_deletion(),
        make_held_deletion("notes.md", requestedBy="anna@tenantb.example"),
        *(make_held_deletion(f"{n}.md") for n in range(60)),
    ]
    backends = FakePipeBackends({HELD: httpx.Response(200, json={"deletions": held})})
    output = await ask(make_pipe(backends), "/deletions")
    assert "- `plan.pdf` (finance), deleted in Open WebUI" in output.text
    assert r"- `notes.md` (finance), deleted by anna\@tenantb.example" in output.text
    assert "- and 12 more" in output.text
    assert "`/deletions release`" in output.text
    assert "`/deletions reject`" in output.text
    assert output.is_done
    assert backends.requests[0].headers["authorization"] == "Bearer the-token"


async def test_no_held_deletions_are_reported() -> None:
    output = await ask(
        make_pipe(FakePipeBackends({HELD: httpx.Response(200, json={"deletions": []})})), "/deletions"
    )
    assert output.text == "No deletion is held."


async def test_an_administrator_releases_held_deletions() -> None:
    backends = FakePipeBackends(
        {f"{HELD}/release": httpx.Response(200, json={"releasedUntil": "2026-11-29T10:14:02Z"})}
    )
    output = await ask(make_pipe(backends), "/deletions release")
    assert output.text.startswith("Released")
    assert backends.requests[0].method == "POST"


async def test_an_administrator_rejects_held_deletions_and_sees_the_remaining_deletions() -> None:
    body = {
        "kept": [make_held_deletion(), make_held_deletion()],
        "inTrash": [make_held_deletion()],
        "remaining": 3,
    }
    backends = FakePipeBackends({f"{HELD}/reject": httpx.Response(200, json=body)})
    output = await ask(make_pipe(backends), "/deletions reject")
    assert "2 documents stay" in output.text
    assert "another document has the same name: 1" in output.text
    assert "3 more are held" in output.text


async def test_a_single_rejected_and_a_single_held_deletion_are_in_the_singular() -> None:
    body = {"kept": [make_held_deletion()], "inTrash": [], "remaining": 1}
    backends = FakePipeBackends({f"{HELD}/reject": httpx.Response(200, json=body)})
    output = await ask(make_pipe(backends), "/deletions reject")
    assert output.text.startswith("Rejected: 1 document stays.")
    assert "1 more is held." in output.text


@pytest.mark.parametrize("command", ["/deletions", "/deletions release", "/deletions reject"])
async def test_command_is_for_administrators_only(command: str) -> None:
    refusal = make_problem(403, "admin-only")
    backends = FakePipeBackends({HELD: refusal, f"{HELD}/release": refusal, f"{HELD}/reject": refusal})
    output = await ask(make_pipe(backends), command)
    assert output.text == "Only your tenant's administrators may do that."
    assert output.is_done
