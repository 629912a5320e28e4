"""Tests of the two webhooks: responses to callers, and requests to the gateway."""

import asyncio
import json

import pytest

from tests.support.fakes.gateway import StubResponse
from tests.support.timing.waiting import wait_until

from .conftest import N8nHarness

QUESTION = {
    "question": 'What is the budget? "Ünïcode" 🎯',
    "personaId": "finance",
    "history": [{"role": "user", "text": "Hello"}, {"role": "assistant", "text": "It is $5,000,000 [1]."}],
}
PROBLEM = {"type": "https://tenantry.io/problems/overloaded", "title": "Busy", "status": 503, "detail": "…"}
UNUSUAL_TICKET = "Ticket eyJh.b-_~+/=.é   {{ 1 + 1 }} $json '\"` \\n"


def make_problem_response(status: int, **headers: str) -> StubResponse:
    """Return a problem document of the gateway."""
    return StubResponse(
        status,
        json.dumps(PROBLEM | {"status": status}).encode(),
        {"content-type": "application/problem+json"} | {k.replace("_", "-"): v for k, v in headers.items()},
    )


async def test_an_upload_passes_only_its_ticket_to_the_gateway(harness: N8nHarness) -> None:
    harness.gateway.set_responses(StubResponse(201, b'{"documentId": "owui-1", "chunks": 3}'))
    response = await harness.upload()
    assert (response.status_code, response.json()) == (201, {"documentId": "owui-1", "chunks": 3})
    assert response.headers["content-type"].startswith("application/json")
    (received,) = harness.gateway.received
    assert (received.path, received.body) == ("/v1/documents", b"")
    assert received.get_header("authorization") == b"Ticket a.ticket"


async def test_the_body_of_an_upload_is_not_forwarded(harness: N8nHarness) -> None:
    await harness.http.post(
        f"{harness.n8n.webhook_url}/webhook/tenantry/upload",
        headers={"Authorization": "Ticket a.b"},
        json={"tenant": "mine"},
    )
    assert harness.gateway.received[0].body == b""


@pytest.mark.parametrize(
    "credential", [UNUSUAL_TICKET, "ticket a.b", "Ticket " + "x" * 6000], ids=["odd", "lower", "long"]
)
async def test_a_ticket_is_forwarded_unchanged(harness: N8nHarness, credential: str) -> None:
    response = await harness.http.post(
        f"{harness.n8n.webhook_url}/webhook/tenantry/upload",
        headers=[(b"Authorization", credential.encode("latin-1"))],
    )
    assert response.status_code == 200, response.text
    assert harness.gateway.received[0].get_header("authorization") == credential.encode("latin-1")


async def test_a_question_is_forwarded_with_the_users_token(harness: N8nHarness) -> None:
    answer = {
        "answer": '$5,000,000 [1] "ü" 🎯',
        "citations": [{"marker": 1, "page": None}],
        "cached": False,
    }
    harness.gateway.set_responses(
        StubResponse(200, json.dumps(answer).encode(), {"content-type": "application/json"})
    )
    response = await harness.send_chat(QUESTION, "Bearer eyJ.x-_.y")
    assert (response.status_code, response.json()) == (200, answer)
    (received,) = harness.gateway.received
    assert received.path == "/v1/answers"
    assert received.get_header("authorization") == b"Bearer eyJ.x-_.y"
    assert json.loads(received.body) == QUESTION | {"stream": False}


async def test_streaming_cannot_be_requested(harness: N8nHarness) -> None:
    await harness.send_chat(QUESTION | {"stream": True})
    assert json.loads(harness.gateway.received[0].body)["stream"] is False


@pytest.mark.parametrize(
    "body", [[1, 2], {}, {"question": None, "constructor": 1}], ids=["list", "empty", "odd"]
)
async def test_an_invalid_question_is_refused_by_the_gateway(harness: N8nHarness, body: object) -> None:
    harness.gateway.set_responses(make_problem_response(422))
    response = await harness.send_chat(body)
    assert (response.status_code, response.json()["status"]) == (422, 422)


async def test_request_id_and_trace_are_forwarded(harness: N8nHarness) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await harness.send_chat(QUESTION, X_Request_ID="r-17", traceparent=trace)
    (received,) = harness.gateway.received
    assert (received.get_header("x-request-id"), received.get_header("traceparent")) == (
        b"r-17",
        trace.encode(),
    )


async def test_without_a_request_id_the_executions_id_is_sent(harness: N8nHarness) -> None:
    await harness.send_chat(QUESTION)
    (received,) = harness.gateway.received
    assert (received.get_header("x-request-id") or b"").startswith(b"n8n-")
    assert not received.get_header("traceparent")


@pytest.mark.parametrize("path", ["upload", "chat"])
@pytest.mark.parametrize("credential", [None, "", "Basic YTpi", "Bearer", "Ticket", "Tickets a", "Bearers a"])
async def test_a_wrong_kind_of_credential_is_refused_without_a_call(
    harness: N8nHarness, path: str, credential: str | None
) -> None:
    response = await harness._post(path, credential, {"X-Request-ID": 'r"1'})
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("application/problem+json")
    scheme, slug = {"upload": ("Ticket", "ticket-refused"), "chat": ("Bearer", "token-refused")}[path]
    assert response.headers["www-authenticate"] == f'{scheme} realm="tenantry"'
    document = response.json()
    assert document["type"] == f"https://tenantry.io/problems/{slug}"
    assert (document["status"], document["instance"]) == (401, 'r"1')
    assert not harness.gateway.received


@pytest.mark.parametrize(("path", "other"), [("upload", "Bearer a.b"), ("chat", "Ticket a.b")])
async def test_the_credential_of_the_other_webhook_is_refused(
    harness: N8nHarness, path: str, other: str
) -> None:
    assert (await harness._post(path, other, {})).status_code == 401
    assert not harness.gateway.received


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422])
async def test_a_refusal_is_returned_and_not_retried(harness: N8nHarness, status: int) -> None:
    harness.gateway.set_responses(make_problem_response(status))
    for response in (await harness.upload(), await harness.send_chat(QUESTION)):
        assert (response.status_code, response.json()) == (status, PROBLEM | {"status": status})
        assert response.headers["content-type"].startswith("application/problem+json")
        assert "retry-after" not in response.headers
    assert [received.path for received in harness.gateway.received] == ["/v1/documents", "/v1/answers"]


async def test_relevant_response_headers_are_returned(harness: N8nHarness) -> None:
    headers = {
        "retry-after": "37",
        "www-authenticate": 'Bearer realm="tenantry"',
        "x-request-id": "r-1",
        "cache-status": "tenantry-answers; hit",
        "server-timing": "auth;dur=1.5",
    }
    harness.gateway.set_responses(
        StubResponse(429, b"{}", headers | {"content-type": "application/problem+json"})
    )
    for response in (await harness.upload(), await harness.send_chat(QUESTION)):
        assert {name: response.headers[name] for name in headers} == headers


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503])
async def test_an_upload_is_retried_after_a_transient_error(harness: N8nHarness, status: int) -> None:
    harness.gateway.set_responses(
        make_problem_response(status, retry_after="1"), StubResponse(201, b'{"documentId": "owui-1"}')
    )
    response = await harness.upload(X_Request_ID="r-9")
    assert (response.status_code, response.json()) == (201, {"documentId": "owui-1"})
    assert [received.get_header("authorization") for received in harness.gateway.received] == [
        b"Ticket a.ticket"
    ] * 2
    assert {received.get_header("x-request-id") for received in harness.gateway.received} == {b"r-9"}


async def test_an_upload_is_tried_at_most_three_times(harness: N8nHarness) -> None:
    harness.gateway.set_responses(make_problem_response(503, retry_after="1"))
    response = await harness.upload()
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert len(harness.gateway.received) == 3


async def test_a_long_retry_after_is_returned_immediately(harness: N8nHarness) -> None:
    harness.gateway.set_responses(make_problem_response(429, retry_after="60"))
    response = await harness.upload()
    assert (response.status_code, response.headers["retry-after"]) == (429, "60")
    assert len(harness.gateway.received) == 1


@pytest.mark.parametrize("status", [409, 429, 500, 503])
async def test_a_question_is_not_retried_after_a_response(harness: N8nHarness, status: int) -> None:
    harness.gateway.set_responses(make_problem_response(status, retry_after="1"))
    response = await harness.send_chat(QUESTION)
    assert (response.status_code, response.headers["retry-after"]) == (status, "1")
    assert len(harness.gateway.received) == 1


async def test_a_redirect_is_not_followed(harness: N8nHarness) -> None:
    harness.gateway.set_responses(StubResponse(307, b"", {"location": f"{harness.n8n.url}/healthz"}))
    for response in (await harness.upload(), await harness.send_chat(QUESTION)):
        assert response.status_code == 307
        assert "location" not in response.headers
    assert len(harness.gateway.received) == 2


@pytest.mark.parametrize("path", ["upload", "chat"])
async def test_an_unreachable_gateway_is_a_separate_problem_and_logged(
    harness: N8nHarness, path: str
) -> None:
    harness.connection.cut()
    response = await harness._post(
        path, {"upload": "Ticket top.secret", "chat": "Bearer top.secret"}[path], {}
    )
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.json()["type"] == "https://tenantry.io/problems/gateway-unreachable"
    execution = response.json()["instance"].removeprefix("n8n-")

    def list_lines() -> list[str]:
        marker = f'"execution_id":"{execution}"'
        return [line for line in harness.n8n.read_output("worker").splitlines() if marker in line]

    await wait_until(lambda: len(list_lines()) == 1, seconds=20)
    document = json.loads(list_lines()[0][list_lines()[0].index("{") :])
    assert document["event"] == "Workflow failed"
    assert document["workflow"].startswith("Digital Twin")
    assert document["node"] == "Fail the execution"
    assert document["message"]
    assert "secret" not in list_lines()[0]


async def test_answers_resume_when_the_gateway_is_reachable_again(harness: N8nHarness) -> None:
    harness.connection.cut()
    assert (await harness.send_chat(QUESTION)).status_code == 503
    harness.connection.restore()
    assert (await harness.send_chat(QUESTION)).status_code == 200


async def test_an_upload_is_retried_if_the_gateway_is_unreachable(harness: N8nHarness) -> None:
    harness.connection.cut()

    upload = asyncio.create_task(harness.upload())
    await asyncio.sleep(0.6)  # the first try fails; the next one, a second later, succeeds
    harness.connection.restore()
    assert (await upload).status_code == 200
