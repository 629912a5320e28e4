"""Tests of attached files, which must belong to the person, and of ``/files``."""

from typing import Any

import httpx
import pytest
from webui_install.functions import tenantry

from tests.support.open_webui.pipe import ANSWER, FakePipeBackends, PipeOutput, ask, make_pipe, make_problem

N8N, FILES = "/webhook/tenantry/chat", "/v1/files"
ANSWERED = "It is $5,000,000 [1]. Approved in May [2] [1]."


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenantry, "POLL_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(tenantry, "NEW_FILE_TIMEOUT_SECONDS", 0.05)


def make_file_entry(state: str, file_id: str = "f1", **members: Any) -> dict[str, Any]:
    return {
        "id": file_id,
        "filename": f"{file_id}.pdf",
        "personaId": "finance",
        "state": state,
        "reason": None,
        "updatedAt": "2026-11-24T12:00:00Z",
        **members,
    }


def make_backends(*replies: list[dict[str, Any]]) -> FakePipeBackends:
    """Return services whose file-sync sends the replies in turn and repeats the last reply."""
    output = iter(replies)
    latest: list[dict[str, Any]] = []

    def list_files(_: httpx.Request) -> httpx.Response:
        latest[:] = next(output, latest)
        return httpx.Response(200, json={"files": latest})

    return FakePipeBackends({FILES: list_files, N8N: lambda _: httpx.Response(200, json=ANSWER)})


async def ask_with(backends: FakePipeBackends, *file_ids: str, **valves: Any) -> PipeOutput:
    files = [{"type": "file", "id": file_id, "name": "given.pdf"} for file_id in file_ids]
    return await ask(make_pipe(backends, **{"file_timeout_seconds": 0.2, **valves}), __files__=files)


async def test_without_attachments_file_sync_is_not_called() -> None:
    backends = make_backends([make_file_entry("ready")])
    assert (await ask_with(backends)).text == ANSWERED
    assert FILES not in backends.paths


async def test_a_file_that_is_being_indexed_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenantry, "NEW_FILE_TIMEOUT_SECONDS", 10)  # for slow machines
    backends = make_backends(
        [make_file_entry("not-synced")],
        [make_file_entry("waiting")],
        [make_file_entry("received")],
        [make_file_entry("indexing")],
        [make_file_entry("ready")],
    )
    output = await ask_with(backends, "f1", file_timeout_seconds=10)
    assert output.text == ANSWERED
    assert backends.paths == [*[FILES] * 5, N8N]
    assert output.statuses[:2] == ["Waiting until `f1.pdf` can be searched"] * 2
    assert output.is_done
    assert backends.requests[0].headers["Authorization"] == "Bearer the-token"


async def test_a_file_that_takes_too_long_is_named_and_left_out() -> None:
    output = await ask_with(make_backends([make_file_entry("indexing")]), "f1")
    assert output.text == f"{ANSWERED}\n\n> `f1.pdf` is being indexed. Ask again in a moment to include it."


@pytest.mark.parametrize(
    ("file", "note"),
    [
        (
            make_file_entry("failed", reason="The PDF is encrypted."),
            "> `f1.pdf` could not be indexed: The PDF is encrypted. It was not used.",
        ),
        (
            make_file_entry("refused", reason="The quota is used up."),
            "> `f1.pdf` was refused: The quota is used up. It was not used.",
        ),
        (make_file_entry("not-synced"), "> `f1.pdf` is in no persona's knowledge. It was not used."),
        (make_file_entry("of-tomorrow"), "> `f1.pdf` is in an unknown state. It was not used."),
    ],
)
async def test_a_file_that_cannot_be_read_is_named_with_its_reason(file: dict[str, Any], note: str) -> None:
    output = await ask_with(make_backends([file]), "f1", file_timeout_seconds=10)
    assert output.text == f"{ANSWERED}\n\n{note}"


@pytest.mark.parametrize("state", ["indexing", "failed", "not-synced", "ready"])
async def test_the_pipe_neither_waits_for_nor_names_another_users_file(state: str) -> None:
    """File-sync lists only the user's own files, so the list lacks another user's file."""
    backends = make_backends([make_file_entry(state, "mine")])
    output = await ask_with(backends, "foreign", file_timeout_seconds=10)
    assert output.text == ANSWERED
    assert backends.paths == [FILES, N8N]
    assert "foreign" not in str(output.events) + backends.requests[-1].content.decode()


async def test_only_the_users_own_files_are_named() -> None:
    backends = make_backends([make_file_entry("failed", "mine")])
    output = await ask_with(backends, "foreign", "mine")
    assert output.text == f"{ANSWERED}\n\n> `mine.pdf` could not be indexed. It was not used."


@pytest.mark.parametrize(
    "given",
    [
        [{"type": "collection", "id": "f1"}],
        [{"type": "file"}],
        [{"type": "file", "id": {"of": "no kind"}}],
        ["f1"],
        None,
    ],
)
async def test_other_attachments_are_ignored(given: Any) -> None:
    backends = make_backends([make_file_entry("failed")])
    assert (await ask(make_pipe(backends), __files__=given)).text == ANSWERED
    assert backends.paths == [N8N]


@pytest.mark.parametrize(
    "reply",
    [
        httpx.ConnectError("refused"),
        httpx.Response(500),
        httpx.Response(200, json={"no": "files"}),
        make_problem(503, "busy"),
    ],
)
async def test_without_file_sync_the_answer_has_a_note_about_attached_files(reply: Any) -> None:
    backends = FakePipeBackends({FILES: reply, N8N: httpx.Response(200, json=ANSWER)})
    output = await ask_with(backends, "f1")
    assert output.text == f"{ANSWERED}\n\n> I could not check whether the attached files can be searched yet."


async def test_refusal_of_file_sync_has_its_message() -> None:
    output = await ask_with(FakePipeBackends({FILES: make_problem(403, "tenant-suspended")}), "f1")
    assert output.text.startswith("Your tenant is suspended")
    assert output.is_done


@pytest.mark.parametrize("command", ["/files", " /Files\n"])
async def test_the_command_lists_the_persons_files(command: str) -> None:
    backends = make_backends(
        [
            make_file_entry("ready"),
            make_file_entry("failed", "f2", reason="It is empty."),
            make_file_entry("not-synced", "f3", personaId=None),
        ]
    )
    output = await ask(make_pipe(backends), command)
    assert output.text.splitlines() == [
        "Your files:",
        "",
        "- `f1.pdf` is ready: answers can use it (finance)",
        "- `f2.pdf` could not be indexed: It is empty (finance)",
        "- `f3.pdf` is in no persona's knowledge",
    ]
    assert backends.paths == [FILES]
    assert output.statuses == ["Listing your files", "3 files"]
    assert output.is_done


async def test_the_command_lists_a_limited_number_of_files_and_counts_the_rest() -> None:
    output = await ask(
        make_pipe(make_backends([make_file_entry("ready", f"f{at}") for at in range(60)])), "/files"
    )
    assert output.text.count("`") == 100
    assert output.text.endswith("- and 10 more")


async def test_the_command_reports_that_there_are_no_files() -> None:
    output = await ask(make_pipe(make_backends([])), "/files")
    assert output.text.startswith("You have no files here.")


async def test_the_command_reports_unavailable_file_sync() -> None:
    output = await ask(make_pipe(FakePipeBackends({FILES: httpx.ConnectError("refused")})), "/files")
    assert output.text == "I cannot list your files right now. Try again in a few minutes."
    assert output.is_done


@pytest.mark.parametrize(
    ("filename", "reason", "shown"),
    [
        ("a`b`.pdf", None, "- `a'b'.pdf` could not be indexed (finance)"),
        ("a\n\n# b.pdf", None, "- `a # b.pdf` could not be indexed (finance)"),
        ("x" * 5000, None, f"- `{'x' * 80}` could not be indexed (finance)"),
        ("a.pdf", "![x](http://evil)", r"- `a.pdf` could not be indexed: \!\[x\](http\://evil) (finance)"),
        ("a.pdf", "<img src=x>", r"- `a.pdf` could not be indexed: \<img src=x\> (finance)"),
    ],
)
async def test_names_and_reasons_are_never_rendered(filename: str, reason: str | None, shown: str) -> None:
    backends = make_backends([make_file_entry("failed", filename=filename, reason=reason)])
    assert (await ask(make_pipe(backends), "/files")).text.splitlines()[-1] == shown
