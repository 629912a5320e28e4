"""Tests of ``/restore``: list and restore removed documents with the person's token."""

from typing import Any

import httpx
import pytest

from tests.support.open_webui.pipe import FakePipeBackends, ask, make_pipe, make_problem

TRASH, FIRST, SECOND = "/v1/trash", "0123456789abcdef", "fedcba9876543210"


def make_removal(filename: str = "plan.pdf", **changes: Any) -> dict[str, Any]:
    return {
        "documentId": "d1",
        "removalId": FIRST,
        "personaId": "finance",
        "filename": filename,
        "size": 5,
        "storedAt": "2026-11-01T08:00:00Z",
        "removedAt": "2026-11-29T09:14:02Z",
        "removedBy": "diana@tenantb.example",
        "restorableUntil": "2026-12-29T09:14:02Z",
        **changes,
    }


def make_page(*items: dict[str, Any], cursor: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"documents": list(items), "nextCursor": cursor})


def make_restore_reply(document_id: str = "d1") -> dict[str, Any]:
    return {f"/v1/documents/{document_id}/restore": httpx.Response(201, json={})}


@pytest.mark.parametrize("command", ["/restore", "/Restore", " /restore "])
async def test_the_command_lists_removed_documents_with_person_and_deadline(
    command: str,
) -> None:
    backends = FakePipeBackends(
        {TRASH: make_page(make_removal(), make_removal("notes.md", removedBy="open-webui", removalId=SECOND))}
    )
    output = await ask(make_pipe(backends), command)
    assert (
        "- `plan.pdf` (finance), removed by diana\\@tenantb.example on 29 November 2026, "
        f"until 29 December 2026: `/restore {FIRST}`"
    ) in output.text
    assert "- `notes.md` (finance), removed in Open WebUI on 29 November 2026" in output.text
    assert output.is_done
    assert backends.paths == [TRASH]
    assert backends.requests[0].headers["authorization"] == "Bearer the-token"


async def test_an_empty_trash_is_reported() -> None:
    output = await ask(make_pipe(FakePipeBackends({TRASH: make_page()})), "/restore")
    assert output.text == "The trash contains no document that you may restore."


@pytest.mark.parametrize("wanted", ["plan.pdf", "`plan.pdf`", FIRST])
async def test_a_document_is_restored_by_its_name_or_its_code(wanted: str) -> None:
    backends = FakePipeBackends({TRASH: make_page(make_removal()), **make_restore_reply()})
    output = await ask(make_pipe(backends), f"/restore {wanted}")
    assert output.text == "`plan.pdf` (finance) is restored: answers can use it again."
    assert output.is_done
    sent = backends.requests[-1]
    assert (sent.method, sent.url.params["removalId"]) == ("POST", FIRST)


async def test_the_latest_removal_of_the_name_in_the_persona_is_restored() -> None:
    backends = FakePipeBackends(
        {
            TRASH: make_page(
                make_removal(documentId="other", personaId="legal", removedAt="2026-11-29T12:00:00Z"),
                make_removal(documentId="old", removedAt="2026-11-01T12:00:00Z"),
                make_removal(documentId="new", removedAt="2026-11-02T12:00:00Z"),
            ),
            **make_restore_reply("new"),
        }
    )
    assert "is restored" in (await ask(make_pipe(backends), "/restore plan.pdf")).text


async def test_all_pages_are_searched() -> None:
    def answer_pages(request: httpx.Request) -> httpx.Response:
        return make_page(make_removal()) if "cursor" in request.url.params else make_page(cursor="next")

    backends = FakePipeBackends({TRASH: answer_pages, **make_restore_reply()})
    assert "is restored" in (await ask(make_pipe(backends), "/restore plan.pdf")).text
    assert backends.paths == [TRASH, TRASH, "/v1/documents/d1/restore"]


async def test_number_of_trash_pages_is_limited() -> None:
    backends = FakePipeBackends({TRASH: lambda _: make_page(make_removal(), cursor="next")})
    await ask(make_pipe(backends), "/restore")
    assert len(backends.paths) == 5


async def test_unknown_name_refers_to_the_list() -> None:
    output = await ask(make_pipe(FakePipeBackends({TRASH: make_page(make_removal())})), "/restore other.pdf")
    assert "`/restore`" in output.text
    assert output.is_done


@pytest.mark.parametrize(
    ("status", "slug", "words"),
    [
        (409, "document-exists", "already has a document with that name"),
        (403, "document-not-owned", "Only its owner"),
        (403, "quota-exceeded", "no room"),
        (404, "trashed-document-missing", "no such document"),
        (409, "document-busy", "being changed right now"),
        (503, "writes-unavailable", "cannot be changed right now"),
        (422, "document-empty", "contains no text"),
        (413, "document-too-large", "exceeds the size limit"),
        (422, "document-unreadable", "cannot be read"),
        (415, "document-unsupported", "is not supported"),
        (429, "too-many-calls", "too many requests in a short time"),
    ],
)
async def test_each_refusal_has_its_message(status: int, slug: str, words: str) -> None:
    backends = FakePipeBackends(
        {TRASH: make_page(make_removal()), "/v1/documents/d1/restore": make_problem(status, slug)}
    )
    output = await ask(make_pipe(backends), "/restore plan.pdf")
    assert words in output.text
    assert output.is_done


async def test_an_unavailable_gateway_is_reported_to_the_user() -> None:
    output = await ask(make_pipe(FakePipeBackends({TRASH: httpx.ConnectError("away")})), "/restore")
    assert "cannot be reached" in output.text


async def test_names_are_never_rendered() -> None:
    output = await ask(
        make_pipe(FakePipeBackends({TRASH: make_page(make_removal("a`b ![x](http://x).md"))})), "/restore"
    )
    assert "`a'b ![x](http://x).md`" in output.text


async def test_a_question_that_begins_like_the_command_is_a_question() -> None:
    backends = FakePipeBackends({TRASH: make_page()})
    await ask(make_pipe(backends, orchestrator="direct"), "/restored data is what?")
    assert TRASH not in backends.paths
