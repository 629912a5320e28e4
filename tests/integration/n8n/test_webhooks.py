"""What callers of the two webhooks are answered, and what the gateway gets to see of them."""

import asyncio
import json

import pytest

from tests.support.fake_gateway import Answer
from tests.support.waiting import until

from .conftest import Stage

QUESTION = {
    "question": 'What is the budget? "Ünïcode" 🎯',
    "personaId": "finance",
    "history": [{"role": "user", "text": "Hello"}, {"role": "assistant", "text": "It is $5,000,000 [1]."}],
}
PROBLEM = {"type": "https://tenantry.io/problems/overloaded", "title": "Busy", "status": 503, "detail": "…"}
ODD = "Ticket eyJh.b-_~+/=.é   {{ 1 + 1 }} $json '\"` \\n"


def problem(status: int, **headers: str) -> Answer:
    """Return a problem document as the gateway writes it."""
    return Answer(
        status,
        json.dumps(PROBLEM | {"status": status}).encode(),
        {"content-type": "application/problem+json"} | {k.replace("_", "-"): v for k, v in headers.items()},
    )


async def test_an_upload_reaches_the_gateway_with_its_ticket_and_nothing_else(stage: Stage) -> None:
    stage.gateway.will_answer(Answer(201, b'{"documentId": "owui-1", "chunks": 3}'))
    response = await stage.upload()
    assert (response.status_code, response.json()) == (201, {"documentId": "owui-1", "chunks": 3})
    assert response.headers["content-type"].startswith("application/json")
    (seen,) = stage.gateway.seen
    assert (seen.path, seen.body) == ("/v1/documents", b"")
    assert seen.header("authorization") == b"Ticket a.ticket"


async def test_a_body_of_an_upload_goes_no_further(stage: Stage) -> None:
    await stage.http.post(
        f"{stage.n8n.webhook_url}/webhook/tenantry/upload",
        headers={"Authorization": "Ticket a.b"},
        json={"tenant": "mine"},
    )
    assert stage.gateway.seen[0].body == b""


@pytest.mark.parametrize(
    "credential", [ODD, "ticket a.b", "Ticket " + "x" * 6000], ids=["odd", "lower", "long"]
)
async def test_a_ticket_is_passed_on_byte_for_byte(stage: Stage, credential: str) -> None:
    response = await stage.http.post(
        f"{stage.n8n.webhook_url}/webhook/tenantry/upload",
        headers=[(b"Authorization", credential.encode("latin-1"))],
    )
    assert response.status_code == 200, response.text
    assert stage.gateway.seen[0].header("authorization") == credential.encode("latin-1")


async def test_a_question_reaches_the_gateway_with_the_persons_token(stage: Stage) -> None:
    answer = {
        "answer": '$5,000,000 [1] "ü" 🎯',
        "citations": [{"marker": 1, "page": None}],
        "cached": False,
    }
    stage.gateway.will_answer(Answer(200, json.dumps(answer).encode(), {"content-type": "application/json"}))
    response = await stage.chat(QUESTION, "Bearer eyJ.x-_.y")
    assert (response.status_code, response.json()) == (200, answer)
    (seen,) = stage.gateway.seen
    assert seen.path == "/v1/answers"
    assert seen.header("authorization") == b"Bearer eyJ.x-_.y"
    assert json.loads(seen.body) == QUESTION | {"stream": False}


async def test_a_stream_cannot_be_asked_for(stage: Stage) -> None:
    await stage.chat(QUESTION | {"stream": True})
    assert json.loads(stage.gateway.seen[0].body)["stream"] is False


@pytest.mark.parametrize(
    "body", [[1, 2], {}, {"question": None, "constructor": 1}], ids=["list", "empty", "odd"]
)
async def test_what_is_no_question_is_for_the_gateway_to_refuse(stage: Stage, body: object) -> None:
    stage.gateway.will_answer(problem(422))
    response = await stage.chat(body)
    assert (response.status_code, response.json()["status"]) == (422, 422)


async def test_the_callers_id_and_trace_go_along(stage: Stage) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await stage.chat(QUESTION, X_Request_ID="r-17", traceparent=trace)
    (seen,) = stage.gateway.seen
    assert (seen.header("x-request-id"), seen.header("traceparent")) == (b"r-17", trace.encode())


async def test_without_an_id_the_executions_own_is_sent_and_no_trace(stage: Stage) -> None:
    await stage.chat(QUESTION)
    (seen,) = stage.gateway.seen
    assert (seen.header("x-request-id") or b"").startswith(b"n8n-")
    assert not seen.header("traceparent")


@pytest.mark.parametrize("path", ["upload", "chat"])
@pytest.mark.parametrize("credential", [None, "", "Basic YTpi", "Bearer", "Ticket", "Tickets a", "Bearers a"])
async def test_without_the_right_kind_of_credential_nobody_is_called(
    stage: Stage, path: str, credential: str | None
) -> None:
    response = await stage._post(path, credential, {"X-Request-ID": 'r"1'})
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("application/problem+json")
    scheme, slug = {"upload": ("Ticket", "ticket-refused"), "chat": ("Bearer", "token-refused")}[path]
    assert response.headers["www-authenticate"] == f'{scheme} realm="tenantry"'
    told = response.json()
    assert told["type"] == f"https://tenantry.io/problems/{slug}"
    assert (told["status"], told["instance"]) == (401, 'r"1')
    assert not stage.gateway.seen


@pytest.mark.parametrize(("path", "other"), [("upload", "Bearer a.b"), ("chat", "Ticket a.b")])
async def test_one_webhooks_credential_does_not_open_the_other(stage: Stage, path: str, other: str) -> None:
    assert (await stage._post(path, other, {})).status_code == 401
    assert not stage.gateway.seen


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422])
async def test_a_refusal_is_passed_back_and_not_asked_for_again(stage: Stage, status: int) -> None:
    stage.gateway.will_answer(problem(status))
    for response in (await stage.upload(), await stage.chat(QUESTION)):
        assert (response.status_code, response.json()) == (status, PROBLEM | {"status": status})
        assert response.headers["content-type"].startswith("application/problem+json")
        assert "retry-after" not in response.headers
    assert [seen.path for seen in stage.gateway.seen] == ["/v1/documents", "/v1/answers"]


async def test_headers_that_matter_come_back(stage: Stage) -> None:
    headers = {
        "retry-after": "37",
        "www-authenticate": 'Bearer realm="tenantry"',
        "x-request-id": "r-1",
        "cache-status": "tenantry-answers; hit",
        "server-timing": "auth;dur=1.5",
    }
    stage.gateway.will_answer(Answer(429, b"{}", headers | {"content-type": "application/problem+json"}))
    for response in (await stage.upload(), await stage.chat(QUESTION)):
        assert {name: response.headers[name] for name in headers} == headers


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503])
async def test_an_upload_that_comes_at_a_bad_moment_is_sent_again(stage: Stage, status: int) -> None:
    stage.gateway.will_answer(problem(status, retry_after="1"), Answer(201, b'{"documentId": "owui-1"}'))
    response = await stage.upload(X_Request_ID="r-9")
    assert (response.status_code, response.json()) == (201, {"documentId": "owui-1"})
    assert [seen.header("authorization") for seen in stage.gateway.seen] == [b"Ticket a.ticket"] * 2
    assert {seen.header("x-request-id") for seen in stage.gateway.seen} == {b"r-9"}


async def test_three_bad_moments_are_enough(stage: Stage) -> None:
    stage.gateway.will_answer(problem(503, retry_after="1"))
    response = await stage.upload()
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert len(stage.gateway.seen) == 3


async def test_an_upload_that_is_to_wait_long_is_given_back_at_once(stage: Stage) -> None:
    stage.gateway.will_answer(problem(429, retry_after="60"))
    response = await stage.upload()
    assert (response.status_code, response.headers["retry-after"]) == (429, "60")
    assert len(stage.gateway.seen) == 1


@pytest.mark.parametrize("status", [409, 429, 500, 503])
async def test_a_question_is_never_asked_twice_because_of_its_answer(stage: Stage, status: int) -> None:
    stage.gateway.will_answer(problem(status, retry_after="1"))
    response = await stage.chat(QUESTION)
    assert (response.status_code, response.headers["retry-after"]) == (status, "1")
    assert len(stage.gateway.seen) == 1


async def test_a_redirect_is_not_followed(stage: Stage) -> None:
    stage.gateway.will_answer(Answer(307, b"", {"location": f"{stage.n8n.url}/healthz"}))
    for response in (await stage.upload(), await stage.chat(QUESTION)):
        assert response.status_code == 307
        assert "location" not in response.headers
    assert len(stage.gateway.seen) == 2


@pytest.mark.parametrize("path", ["upload", "chat"])
async def test_a_gateway_that_cannot_be_reached_is_a_problem_of_its_own_and_logged(
    stage: Stage, path: str
) -> None:
    stage.way.cut()
    response = await stage._post(path, {"upload": "Ticket top.secret", "chat": "Bearer top.secret"}[path], {})
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.json()["type"] == "https://tenantry.io/problems/gateway-unreachable"
    execution = response.json()["instance"].removeprefix("n8n-")

    def lines() -> list[str]:
        said = f'"execution_id":"{execution}"'
        return [line for line in stage.n8n.output("worker").splitlines() if said in line]

    await until(lambda: len(lines()) == 1, seconds=20)
    told = json.loads(lines()[0][lines()[0].index("{") :])
    assert told["event"] == "Workflow failed"
    assert told["workflow"].startswith("Digital Twin")
    assert told["node"] == "Fail the execution"
    assert told["message"]
    assert "secret" not in lines()[0]


async def test_when_the_gateway_is_back_so_are_the_answers(stage: Stage) -> None:
    stage.way.cut()
    assert (await stage.chat(QUESTION)).status_code == 503
    stage.way.mend()
    assert (await stage.chat(QUESTION)).status_code == 200


async def test_an_upload_is_tried_again_when_nobody_answered(stage: Stage) -> None:
    stage.way.cut()

    upload = asyncio.create_task(stage.upload())
    await asyncio.sleep(0.6)  # the first try finds nobody; the next, a second later, the gateway
    stage.way.mend()
    assert (await upload).status_code == 200
