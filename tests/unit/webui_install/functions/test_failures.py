"""Tests of the pipe's messages for failures.

REFUSALS has a row for each problem type that the gateway can return for a question.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from gateway.api import deletions, trash
from gateway.api.responses import ANSWER as ANSWER_PROBLEMS
from gateway.problems import list_problem_types
from webui_install.functions.tenantry import ALIASES, MESSAGES

from tests.support.open_webui.pipe import (
    ANSWER,
    FakePipeBackends,
    Stream,
    ask,
    make_event,
    make_pipe,
    make_problem,
    make_stream,
)

N8N, GATEWAY = "/webhook/tenantry/chat", "/v1/answers"
WAYS = pytest.mark.parametrize(("orchestrator", "path"), [("n8n", N8N), ("direct", GATEWAY)])

REFUSALS: dict[str, tuple[httpx.Response, str]] = {
    "token-refused": (
        make_problem(401, "token-refused"),
        "Your sign-in has run out. Sign out, then sign in again with your company's account.",
    ),
    "no-tenant": (
        make_problem(403, "no-tenant"),
        (
            "Your account belongs to no tenant yet, so there are no documents that I may read for you. "
            "Ask your administrator to add it, then sign in again."
        ),
    ),
    "tenant-conflict": (
        make_problem(403, "tenant-conflict"),
        (
            "Your account belongs to more than one tenant, so I cannot decide whose documents to read. "
            "Ask your administrator to leave it in one."
        ),
    ),
    "tenant-suspended": (
        make_problem(403, "tenant-suspended"),
        (
            "Your tenant is suspended at the moment. Its documents are kept; "
            "its administrators can say why and until when."
        ),
    ),
    "persona-missing": (
        make_problem(404, "persona-missing", personas=["hr"]),
        "This persona no longer exists. Choose another model above.",
    ),
    "rate-limited": (
        make_problem(429, "rate-limited", headers={"Retry-After": "31"}),
        "Your tenant has reached its limit of questions per minute. Ask again in 31 seconds.",
    ),
    "rate-limited, for long": (
        make_problem(429, "rate-limited", headers={"Retry-After": "200"}),
        "Your tenant has reached its limit of questions per minute. Ask again in 4 minutes.",
    ),
    "rate-limited, no time": (
        make_problem(429, "rate-limited"),
        "Your tenant has reached its limit of questions per minute. Ask again in a moment.",
    ),
    "budget-exhausted": (
        make_problem(429, "budget-exhausted", resetsAt="2026-12-01T00:00:00Z"),
        (
            "Your tenant has used up its budget for this month. A new budget starts on 1 December 2026 "
            "at 00:00 UTC; until then, your administrator can ask for a higher limit."
        ),
    ),
    "budget-exhausted, no time": (
        make_problem(429, "budget-exhausted"),
        (
            "Your tenant has used up its budget for this month. A new budget starts next month; "
            "until then, your administrator can ask for a higher limit."
        ),
    ),
    "limits-unavailable": (
        make_problem(503, "limits-unavailable", headers={"Retry-After": "5"}),
        "I cannot check your tenant's limits right now, so I must not answer. Try again in 5 seconds.",
    ),
    "model-unavailable": (
        make_problem(502, "model-unavailable", model="anthropic.claude-v1"),
        (
            "The language model that is set for your tenant is not available. "
            "Ask your administrator to choose another one."
        ),
    ),
    "tenant-not-ready": (
        make_problem(503, "tenant-not-ready", headers={"Retry-After": "5"}),
        "Your tenant is still being set up. Try again in 5 seconds.",
    ),
    "identity-unavailable": (
        make_problem(503, "identity-unavailable", headers={"Retry-After": "5"}),
        "I cannot check who you are right now. Try again in 5 seconds.",
    ),
    "overloaded": (
        make_problem(503, "overloaded", headers={"Retry-After": "1"}),
        "Too many questions are being answered right now. Try again in 1 second.",
    ),
    "backend-unavailable": (
        make_problem(503, "backend-unavailable", headers={"Retry-After": "5"}),
        "A service does not answer right now. Try again in 5 seconds.",
    ),
    "unsupported-qdrant": (
        make_problem(503, "unsupported-qdrant", headers={"Retry-After": "5"}),
        "I cannot search your documents until your administrator upgrades the platform.",
    ),
    "backend-refused": (
        make_problem(502, "backend-refused"),
        "A service refused the request. Give your administrator the request id {request}.",
    ),
    "deadline-exceeded": (
        make_problem(504, "deadline-exceeded"),
        "The answer took too long, so I stopped waiting for it. Try again, or ask a shorter question.",
    ),
    "internal": (
        make_problem(500, "internal"),
        (
            "Something went wrong. Try again; if it happens again, "
            "give your administrator the request id {request}."
        ),
    ),
    "invalid-request": (
        make_problem(422, "invalid-request"),
        (
            "Something went wrong. Try again; if it happens again, "
            "give your administrator the request id {request}."
        ),
    ),
}
UNAVAILABLE = [
    pytest.param(httpx.ConnectError("refused"), id="refuses-connections"),
    pytest.param(httpx.ConnectTimeout("slow"), id="takes-no-connection"),
    pytest.param(httpx.RemoteProtocolError("reset"), id="hangs-up"),
]


def make_backends(path: str, reply: Any) -> FakePipeBackends:
    return FakePipeBackends({path: reply})


@WAYS
@pytest.mark.parametrize("case", REFUSALS)
async def test_each_refusal_has_its_message(case: str, orchestrator: str, path: str) -> None:
    response, message = REFUSALS[case]
    backends = make_backends(path, response)
    output = await ask(make_pipe(backends, orchestrator=orchestrator))
    assert output.text == message.format(request=backends.requests[0].headers["X-Request-ID"])
    assert output.statuses[-1] == "Not answered"
    assert output.is_done
    assert backends.paths == [path]


COMMANDS = [(trash, "/v1/trash"), (trash, "/v1/documents/{documentId}/restore"), *(
    (deletions, f"/v1/deletions{path}") for path in ("", "/release", "/reject")
)]  # fmt: skip
IMPOSSIBLE = {"cursor-refused", "idempotency-key-busy", "idempotency-key-refused", "idempotency-key-reused"}
"""Problems that no user can cause: they concern headers and parameters that the pipe never sends or
changes."""


@pytest.mark.parametrize(("module", "path"), COMMANDS, ids=[path for _, path in COMMANDS])
def test_each_problem_of_a_command_has_a_message(module: Any, path: str) -> None:
    (route,) = [each for each in module.router.routes if each.path == path]
    slugs = {
        slug
        for response in route.responses.values()
        for slug in response["content"]["application/problem+json"]["examples"]
    }
    assert slugs - IMPOSSIBLE <= MESSAGES.keys() | ALIASES.keys()


def test_each_problem_of_a_question_has_a_message() -> None:
    covered = {case.partition(",")[0] for case in REFUSALS}
    # The pipe does not send bodies that cause these problems.
    assert {kind.slug for kind in ANSWER_PROBLEMS if issubclass(kind, Exception)} - covered <= {
        "body-too-large",
        "media-type-refused",
    }
    assert covered <= {kind.slug for kind in list_problem_types()}
    assert covered <= MESSAGES.keys() | ALIASES.keys()


@pytest.mark.parametrize("token", [None, {}, {"access_token": ""}, {"id_token": "an-id-token"}])
async def test_without_keycloaks_token_no_service_is_called(token: dict[str, str] | None) -> None:
    backends = FakePipeBackends()
    output = await ask(make_pipe(backends), __oauth_token__=token, __files__=[{"type": "file", "id": "f1"}])
    assert output.text == (
        "You are not signed in with your company's account, or that sign-in has ended. "
        "Sign out, then sign in again with your company's account."
    )
    assert output.is_done
    assert not backends.requests


@pytest.mark.parametrize(
    "model", ["tenantry", "tenant-b", "tenant-b.", "other.finance", "x.tenant-b.finance", ""]
)
async def test_model_without_a_persona_calls_no_service(model: str) -> None:
    backends = FakePipeBackends()
    output = await ask(make_pipe(backends), model=model)
    assert output.text == "This model belongs to no persona. Choose one of your tenant's models above."
    assert not backends.requests


@pytest.mark.parametrize("question", ["", "   \n"])
async def test_empty_question_calls_no_service(question: str) -> None:
    assert (await ask(make_pipe(FakePipeBackends()), question)).text == "Please write a question."


async def test_question_that_is_too_long_calls_no_service() -> None:
    output = await ask(make_pipe(FakePipeBackends()), "a" * 4001)
    assert output.text == (
        "Your question is too long: it has 4001 characters, and at most 4000 can be answered. "
        "Shorten it, or upload long texts as a file."
    )


async def test_longest_question_is_sent() -> None:
    backends = make_backends(N8N, httpx.Response(200, json=ANSWER))
    await ask(make_pipe(backends), "a" * 4000)
    assert len(backends.body["question"]) == 4000


@pytest.mark.parametrize(
    "reply",
    [
        *UNAVAILABLE,
        pytest.param(httpx.Response(500, json={"message": "Error in workflow"}), id="fails-itself"),
        pytest.param(
            httpx.Response(404, json={"code": 404, "message": "not registered"}), id="knows-no-webhook"
        ),
        pytest.param(httpx.Response(503, text="<html>"), id="proxy"),
        pytest.param(make_problem(502, "workflow-failed"), id="own-problem"),
        pytest.param(httpx.Response(200, text=""), id="says-nothing"),
        pytest.param(httpx.Response(200, json={"message": "Workflow was started"}), id="says-something-else"),
    ],
)
class TestN8nUnavailable:
    async def test_the_gateway_answers_instead(self, reply: Any) -> None:
        backends = FakePipeBackends({N8N: reply, GATEWAY: make_stream(ANSWER["answer"])})
        output = await ask(make_pipe(backends))
        assert output.text.startswith("It is $5,000,000 [1].")
        assert output.is_done
        assert backends.paths == [N8N, GATEWAY]

    async def test_without_fallback_the_user_gets_a_message(self, reply: Any) -> None:
        backends = make_backends(N8N, reply)
        output = await ask(make_pipe(backends, fallback_to_direct=False))
        assert output.text == (
            "The assistant's workflow cannot be reached right now. Try again in a few minutes."
        )
        assert output.is_done
        assert backends.paths == [N8N]


class TestN8nDoesNotRespond:
    """A worker that hangs leaves n8n's webhooks without an answer, and without an error."""

    async def test_the_gateway_answers_this_question_and_the_next(self) -> None:
        backends = FakePipeBackends({N8N: hang, GATEWAY: lambda _: make_stream(ANSWER["answer"])})
        pipe = make_pipe(backends, workflow_timeout_seconds=0.2)
        for paths in ([N8N, GATEWAY], [GATEWAY]):
            backends.requests.clear()
            output = await ask(pipe)
            assert output.text.startswith("It is $5,000,000 [1].")
            assert output.is_done
            assert backends.paths == paths

    async def test_only_one_concurrent_question_retries_n8n(self) -> None:
        backends = FakePipeBackends({N8N: hang, GATEWAY: lambda _: make_stream(ANSWER["answer"])})
        pipe = make_pipe(backends, workflow_timeout_seconds=0.2)
        await ask(pipe)
        await asyncio.sleep(0.3)
        backends.requests.clear()
        await asyncio.gather(*(ask(pipe) for _ in range(5)))
        assert backends.paths.count(N8N) == 1
        assert backends.paths.count(GATEWAY) == 5
        await asyncio.sleep(0.3)
        backends.replies[N8N] = httpx.Response(200, json=ANSWER)
        backends.requests.clear()
        for _ in range(2):
            assert (await ask(pipe)).text.startswith("It is $5,000,000")
        assert backends.paths == [N8N, N8N]

    async def test_without_fallback_n8n_has_the_whole_timeout(self) -> None:
        pipe = make_pipe(
            make_backends(N8N, hang),
            workflow_timeout_seconds=0.05,
            answer_timeout_seconds=0.2,
            fallback_to_direct=False,
        )
        assert "took too long" in (await ask(pipe)).text


@pytest.mark.parametrize(
    "reply",
    [
        *UNAVAILABLE,
        pytest.param(httpx.Response(502, text="<html>bad gateway"), id="bad-gateway"),
        pytest.param(httpx.Response(503, text="no endpoints"), id="no-endpoints"),
    ],
)
async def test_an_unavailable_gateway_is_reported(reply: Any) -> None:
    output = await ask(make_pipe(make_backends(GATEWAY, reply), orchestrator="direct"))
    assert output.text == "The assistant cannot be reached right now. Try again in a few minutes."
    assert output.is_done


async def test_unavailable_n8n_and_gateway_are_reported() -> None:
    backends = FakePipeBackends({N8N: httpx.ConnectError("refused"), GATEWAY: httpx.ConnectError("refused")})
    output = await ask(make_pipe(backends))
    assert output.text == "The assistant cannot be reached right now. Try again in a few minutes."


@pytest.mark.parametrize("valve", ["gateway_url", "n8n_url"])
async def test_an_empty_address_is_reported_as_unavailable(valve: str) -> None:
    backends = FakePipeBackends()
    pipe = make_pipe(
        backends,
        **{valve: ""},
        orchestrator="n8n" if valve == "n8n_url" else "direct",
        fallback_to_direct=False,
    )
    assert "cannot be reached right now" in (await ask(pipe)).text


async def hang(_: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError("the call must be cancelled")


@WAYS
@pytest.mark.parametrize("reply", [hang, httpx.ReadTimeout("slow")], ids=["hangs", "says-nothing"])
async def test_a_service_that_does_not_respond_is_reported_after_the_timeout(
    orchestrator: str, path: str, reply: Any
) -> None:
    pipe = make_pipe(
        make_backends(path, reply),
        orchestrator=orchestrator,
        answer_timeout_seconds=0.05,
        fallback_to_direct=False,
    )
    output = await ask(pipe)
    assert output.text == (
        "The answer took too long, so I stopped waiting for it. Try again, or ask a shorter question."
    )
    assert output.is_done


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(None, id="ends"),
        pytest.param(httpx.ReadError("reset"), id="breaks"),
        pytest.param({"type": "https://tenantry.io/problems/backend-unavailable"}, id="gateway-says-so"),
    ],
)
async def test_an_interrupted_answer_is_marked_as_incomplete(end: Any) -> None:
    output = await ask(
        make_pipe(make_backends(GATEWAY, make_stream("The budget is [1", end=end)), orchestrator="direct")
    )
    assert output.text == "The budget is [1\n\n*The answer broke off here and is not complete. Ask again.*"
    assert output.statuses[-1] == "The answer is not complete"
    assert output.is_done
    assert not output.sources


async def test_a_stalled_answer_ends_after_the_timeout() -> None:
    async def stream_and_hang() -> AsyncIterator[bytes]:
        yield make_event("words", {"text": "The budget"})
        await asyncio.Event().wait()

    backends = make_backends(GATEWAY, httpx.Response(200, stream=Stream(stream_and_hang())))
    output = await ask(make_pipe(backends, orchestrator="direct", answer_timeout_seconds=0.1))
    assert output.text.startswith("The budget\n\n*The answer took too long")


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(RuntimeError("secret"), id="bug"),
        pytest.param(httpx.Response(418, text="?"), id="odd-status"),
        pytest.param(httpx.Response(200, text="data: no-json\n\n"), id="odd-event"),
        pytest.param(httpx.Response(200, text='event: words\ndata: {"no": "text"}\n\n'), id="odd-words"),
        pytest.param(httpx.Response(200, text='event: answer\ndata: {"no": "text"}\n\n'), id="odd-answer"),
    ],
)
async def test_an_unexpected_failure_names_the_request(reply: Any) -> None:
    backends = make_backends(GATEWAY, reply)
    output = await ask(make_pipe(backends, orchestrator="direct"))
    request_id = backends.requests[0].headers["X-Request-ID"]
    assert output.text == (
        "Something went wrong. Try again; if it happens again, "
        f"give your administrator the request id {request_id}."
    )
    assert output.is_done


def test_every_message_is_tested() -> None:
    refusals = {ALIASES.get(case.partition(",")[0], case.partition(",")[0]) for case in REFUSALS}
    own = {
        "not-signed-in", "not-a-persona", "question-missing", "question-too-long", "n8n-unavailable",
        "gateway-unavailable", "files-unavailable", "stream-broken",
    }  # fmt: skip
    # Refusals of commands, see test_restore.py and test_deletions.py.
    own |= {
        "trashed-document-missing", "document-exists", "document-not-owned", "document-busy",
        "quota-exceeded", "document-empty", "document-too-large", "document-unreadable",
        "document-unsupported", "writes-unavailable", "admin-only", "too-many-calls",
    }  # fmt: skip
    assert refusals | own == MESSAGES.keys()
