"""``/deletions``: what is held for an administrator, and what becomes of it."""

from typing import Any

import httpx
import pytest

from tests.support.pipe import Desk, ask, pipe_of, refused

HELD = "/v1/deletions"


def item(filename: str = "plan.pdf", **changes: Any) -> dict[str, Any]:
    return {
        "documentId": "d1",
        "personaId": "finance",
        "filename": filename,
        "requestedBy": "open-webui",
        "requestedAt": "2026-11-29T09:14:02Z",
        **changes,
    }


async def test_the_command_lists_what_is_held_and_says_what_to_do() -> None:
    held = [
        item(),
        item("notes.md", requestedBy="anna@tenantb.example"),
        *(item(f"{n}.md") for n in range(60)),
    ]
    desk = Desk({HELD: httpx.Response(200, json={"deletions": held})})
    said = await ask(pipe_of(desk), "/deletions")
    assert "- `plan.pdf` (finance), deleted in Open WebUI" in said.text
    assert r"- `notes.md` (finance), deleted by anna\@tenantb.example" in said.text
    assert "- and 12 more" in said.text
    assert "`/deletions release`" in said.text
    assert "`/deletions reject`" in said.text
    assert said.is_done
    assert desk.requests[0].headers["authorization"] == "Bearer the-token"


async def test_when_nothing_is_held_it_says_so() -> None:
    said = await ask(pipe_of(Desk({HELD: httpx.Response(200, json={"deletions": []})})), "/deletions")
    assert said.text == "No deletion is held."


async def test_an_administrator_releases_them() -> None:
    desk = Desk({f"{HELD}/release": httpx.Response(200, json={"releasedUntil": "2026-11-29T10:14:02Z"})})
    said = await ask(pipe_of(desk), "/deletions release")
    assert said.text.startswith("Released")
    assert desk.requests[0].method == "POST"


async def test_an_administrator_rejects_them_and_hears_what_is_left() -> None:
    body = {"kept": [item(), item()], "inTrash": [item()], "remaining": 3}
    desk = Desk({f"{HELD}/reject": httpx.Response(200, json=body)})
    said = await ask(pipe_of(desk), "/deletions reject")
    assert "2 documents stay" in said.text
    assert "another document has the same name: 1" in said.text
    assert "3 more are held" in said.text


@pytest.mark.parametrize("command", ["/deletions", "/deletions release", "/deletions reject"])
async def test_command_is_for_administrators_only(command: str) -> None:
    refusal = refused(403, "admin-only")
    desk = Desk({HELD: refusal, f"{HELD}/release": refusal, f"{HELD}/reject": refusal})
    said = await ask(pipe_of(desk), command)
    assert said.text == "Only your tenant's administrators may do that."
    assert said.is_done
