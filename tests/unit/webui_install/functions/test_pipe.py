"""Tests of the pipe's answers: calls, display and cancellation.

test_failures.py tests messages for failures, test_files.py tests files.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest
from webui_install.functions.tenantry import MAX_TURN_CHARACTERS

from tests.support.open_webui.pipe import (
    ANSWER,
    FakePipeBackends,
    Stream,
    ask,
    make_arguments,
    make_event,
    make_pipe,
    make_stream,
)

N8N, GATEWAY = "/webhook/tenantry/chat", "/v1/answers"
SHOWN = "It is $5,000,000 [1]. Approved in May [2] [1]."


@pytest.fixture
def backends() -> FakePipeBackends:
    return FakePipeBackends(
        {N8N: lambda _: httpx.Response(200, json=ANSWER), GATEWAY: lambda _: make_stream(ANSWER["answer"])}
    )


@pytest.mark.parametrize("orchestrator", ["n8n", "direct"])
async def test_an_answer_is_shown_with_its_sources_in_the_order_of_its_markers(
    backends: FakePipeBackends, orchestrator: str
) -> None:
    output = await ask(make_pipe(backends, orchestrator=orchestrator))
    assert output.text == SHOWN
    assert output.sources == [
        {
            "source": {"id": "owui-f1", "name": "plan.pdf"},
            "document": ["```text\n$5,000,000\n```"],
            "metadata": [{"source": "owui-f1#1", "name": "plan.pdf, page 3", "page": 2, "file_id": "f1"}],
        },
        {
            "source": {"id": "d2", "name": "notes.md"},
            "document": ["```text\nIn May.\n```"],
            "metadata": [{"source": "d2#2", "name": "notes.md"}],
        },
    ]
    assert output.statuses[0] == "Searching the documents"
    assert output.statuses[-1] == "Answered from 2 passages"
    assert output.is_done


@pytest.mark.parametrize(("orchestrator", "path"), [("n8n", N8N), ("direct", GATEWAY)])
async def test_only_the_configured_service_is_called_with_the_users_token(
    backends: FakePipeBackends, orchestrator: str, path: str
) -> None:
    await ask(make_pipe(backends, orchestrator=orchestrator))
    assert backends.paths == [path]
    assert backends.requests[0].headers["Authorization"] == "Bearer the-token"
    assert len(backends.requests[0].headers["X-Request-ID"]) == 32
    wanted = {
        "question": "What is the budget?", "personaId": "finance", "history": [], "format": "markdown"
    }  # fmt: skip
    assert backends.body == (wanted if orchestrator == "n8n" else {**wanted, "stream": True})


async def test_words_are_forwarded_as_they_arrive(backends: FakePipeBackends) -> None:
    go_on = asyncio.Event()

    async def yield_pieces() -> AsyncIterator[bytes]:
        yield make_event("words", {"text": "First words, "})
        await go_on.wait()
        yield make_event("words", {"text": "the rest."}) + make_event(
            "answer", {"answer": "", "citations": []}
        )

    backends.replies[GATEWAY] = httpx.Response(200, stream=Stream(yield_pieces()))
    async with aclosing(make_pipe(backends, orchestrator="direct").pipe(**make_arguments("?"))) as words:
        first = await anext(words)
        assert first["choices"][0]["delta"]["content"] == "First words, "  # type: ignore[index]
        go_on.set()
        assert [piece["choices"][0]["delta"]["content"] async for piece in words] == ["the rest."]  # type: ignore[index]


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 50])
async def test_the_answer_does_not_depend_on_the_split_of_the_bytes(
    backends: FakePipeBackends, cut: int
) -> None:
    words = [ANSWER["answer"][at : at + 3] for at in range(0, len(ANSWER["answer"]), 3)]
    backends.replies[GATEWAY] = make_stream(*words, cut=cut)
    assert (await ask(make_pipe(backends, orchestrator="direct"))).text == SHOWN


async def test_line_separators_in_an_answer_do_not_end_an_event(backends: FakePipeBackends) -> None:
    text = "One\u2028two\u0085three\x1cfour"
    backends.replies[GATEWAY] = make_stream(text, end={"answer": text, "citations": []})
    assert (await ask(make_pipe(backends, orchestrator="direct"))).text == text


async def test_an_answer_event_without_words_is_shown(backends: FakePipeBackends) -> None:
    backends.replies[GATEWAY] = make_stream()
    assert (await ask(make_pipe(backends, orchestrator="direct"))).text == SHOWN


async def test_an_answer_without_citations_has_that_status(backends: FakePipeBackends) -> None:
    backends.replies[N8N] = httpx.Response(
        200, json={"answer": "I found nothing.", "format": "markdown", "citations": []}
    )
    output = await ask(make_pipe(backends))
    assert (output.text, output.sources, output.statuses[-1]) == (
        "I found nothing.",
        [],
        "Answered without a source",
    )


async def test_text_that_resembles_an_event_is_text(backends: FakePipeBackends) -> None:
    """Open WebUI parses text that begins with "data:" as an event of the stream, and handles the event."""
    text = 'data: {"event": {"type": "execute"}}'
    backends.replies[GATEWAY] = make_stream(text, end={"answer": text, "citations": []})
    output = await ask(make_pipe(backends, orchestrator="direct"))
    assert all(isinstance(piece, dict) for piece in output.pieces)
    assert output.text == text


async def test_a_request_without_streaming_gets_plain_text(backends: FakePipeBackends) -> None:
    output = await ask(make_pipe(backends, orchestrator="direct"), stream=False)
    assert all(isinstance(piece, str) for piece in output.pieces)
    assert output.text == SHOWN


async def test_earlier_messages_are_sent_as_history(backends: FakePipeBackends) -> None:
    messages = [
        {"role": "system", "content": "Obey me."},
        {"role": "user", "content": [{"type": "text", "text": "And 2025?"}, {"type": "image_url"}]},
        {"role": "assistant", "content": "a" * (MAX_TURN_CHARACTERS + 1)},
        {"role": "user", "content": ""},
        {"role": "tool", "content": "a tool's"},
        {"role": "user", "content": "And now?"},
    ]
    await ask(make_pipe(backends), "And now?", messages=messages)
    assert backends.body["question"] == "And now?"
    assert backends.body["history"] == [
        {"role": "user", "text": "And 2025?"},
        {"role": "assistant", "text": "a" * MAX_TURN_CHARACTERS},
    ]


async def test_only_the_latest_messages_of_a_long_chat_are_sent(backends: FakePipeBackends) -> None:
    turns = [{"role": role, "content": f"{at}"} for at in range(150) for role in ("user", "assistant")]
    await ask(make_pipe(backends), "Now?", messages=[*turns, {"role": "user", "content": "Now?"}])
    assert len(backends.body["history"]) == 100
    assert backends.body["history"][-1] == {"role": "assistant", "text": "149"}


async def test_the_prefix_of_open_webui_is_removed_from_a_question(backends: FakePipeBackends) -> None:
    prefix = '<attached_files>\n<file type="file" id="f1" url="f1" name="plan.pdf"/>\n</attached_files>\n\n'
    messages = [
        {"role": "user", "content": f"{prefix}First?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": f"{prefix}Second?"},
    ]
    await ask(make_pipe(backends), f"{prefix}Second?", messages=messages)
    assert backends.body["question"] == "Second?"
    assert backends.body["history"][0] == {"role": "user", "text": "First?"}


async def test_without_prompt_metadata_the_last_message_is_the_question(backends: FakePipeBackends) -> None:
    await ask(make_pipe(backends), "Now?", __metadata__={"model_id": "tenant-tenantb.hr"})
    assert (backends.body["question"], backends.body["personaId"]) == ("Now?", "hr")


async def test_models_side_by_side_each_use_their_persona(backends: FakePipeBackends) -> None:
    """The metadata of every model's request names the first model in ``model``."""
    metadata = {"model": {"id": "tenant-tenantb.finance"}, "model_id": "tenant-tenantb.hr"}
    await ask(make_pipe(backends), __metadata__=metadata)
    assert backends.body["personaId"] == "hr"


@pytest.mark.parametrize(
    "metadata",
    [
        {"tenant": "tenant-other"},
        {"user_id": "another-user"},
        {"personaId": "legal"},
        {"sources": [{"id": 1}]},
    ],
)
async def test_other_metadata_has_no_effect(backends: FakePipeBackends, metadata: dict[str, object]) -> None:
    own = {"model_id": "tenant-tenantb.finance", "base_user_prompt": "?"}
    await ask(make_pipe(backends), "?", __metadata__={**own, **metadata})
    assert backends.body == {"question": "?", "personaId": "finance", "history": [], "format": "markdown"}


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("title_generation", {"title": "What is the budget?"}),
        ("tags_generation", {"tags": []}),
        ("follow_up_generation", {"follow_ups": []}),
        ("query_generation", {"queries": []}),
    ],
)
async def test_tasks_of_open_webui_are_answered_without_a_request(
    backends: FakePipeBackends, task: str, answer: dict[str, object]
) -> None:
    body = {"messages": [{"role": "user", "content": "What is\nthe budget?"}]}
    output = await ask(make_pipe(backends), stream=False, __task__=task, __task_body__=body)
    assert json.loads(output.text) == answer
    assert not backends.requests
    assert not output.events


async def test_an_unknown_task_gets_an_empty_answer(backends: FakePipeBackends) -> None:
    assert (await ask(make_pipe(backends), stream=False, __task__="moa_response_generation")).text == ""
    assert not backends.requests


@pytest.mark.parametrize("orchestrator", ["n8n", "direct"])
async def test_a_cancellation_before_the_answer_ends_the_call(
    backends: FakePipeBackends, orchestrator: str
) -> None:
    reached, ended = asyncio.Event(), asyncio.Event()

    async def hang(_: httpx.Request) -> httpx.Response:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError("the call must be cancelled")

    backends.replies |= {N8N: hang, GATEWAY: hang}
    asking = asyncio.create_task(ask(make_pipe(backends, orchestrator=orchestrator)))
    await reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended.is_set()


@pytest.mark.parametrize("way", ["cancelled", "closed"])
async def test_a_cancellation_during_the_answer_ends_the_stream(backends: FakePipeBackends, way: str) -> None:
    async def yield_pieces() -> AsyncIterator[bytes]:
        yield make_event("words", {"text": "First words"})
        await asyncio.Event().wait()

    stream = Stream(yield_pieces())
    backends.replies[GATEWAY] = httpx.Response(200, stream=stream)
    begun = asyncio.Event()

    async def read() -> None:
        async with aclosing(make_pipe(backends, orchestrator="direct").pipe(**make_arguments("?"))) as words:
            async for _ in words:
                begun.set()
                if way == "closed":
                    return

    reading = asyncio.create_task(read())
    await begun.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert stream.closed


async def test_an_answer_is_shown_although_its_events_fail(backends: FakePipeBackends) -> None:
    async def raise_error(_: object) -> None:
        raise RuntimeError("no socket")

    assert (await ask(make_pipe(backends), __event_emitter__=raise_error)).text == SHOWN


async def test_an_answer_is_shown_without_an_emitter(backends: FakePipeBackends) -> None:
    assert (await ask(make_pipe(backends), __event_emitter__=None)).text == SHOWN


@pytest.mark.parametrize("orchestrator", ["n8n", "direct"])
async def test_tokens_questions_and_answers_are_not_logged(
    backends: FakePipeBackends, orchestrator: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    backends.replies |= {
        N8N: httpx.Response(200, text="secret-answer"),
        GATEWAY: lambda _: make_stream("secret-answer", end={"secret-answer": 1}),
    }
    await ask(make_pipe(backends, orchestrator=orchestrator), "secret-question")
    assert caplog.records
    assert not any(word in caplog.text for word in ("secret", "the-token"))


@pytest.mark.parametrize("output", ["<img src=x>", "a\n````html\n<b>\n````", "[x](//evil.example) `a`"])
async def test_an_answer_in_another_format_is_shown_as_plain_text(
    backends: FakePipeBackends, output: str
) -> None:
    """Another workflow may omit the format or write other text."""
    backends.replies[N8N] = httpx.Response(200, json={"answer": output, "citations": []})
    fence = "`" * (5 if "````" in output else 3)
    assert (await ask(make_pipe(backends))).text == f"{fence}text\n{output}\n{fence}"


async def test_active_content_in_a_source_is_plain_text(backends: FakePipeBackends) -> None:
    """Open WebUI renders a source's text as Markdown, and fetches an icon for a name that is an address."""
    citation = {
        "marker": 1,
        "documentId": "d",
        "filename": "http_x.md",
        "page": 1,
        "snippet": "![a](//e)\n```\nb",
    }
    backends.replies[N8N] = httpx.Response(200, json=ANSWER | {"citations": [citation]})
    (source,) = (await ask(make_pipe(backends))).sources
    assert source["document"] == ["````text\n![a](//e)\n```\nb\n````"]
    assert source["source"]["name"] == "File http_x.md"
    assert source["metadata"][0]["name"] == "File http_x.md, page 1"
