"""Tests of streamed answers on a Bedrock stand-in with the real event stream."""

import asyncio
import json
from typing import Any

import gateway.bedrock
import httpx
import pytest
from gateway.bedrock import Bedrock

from tests.support.programs.gateway import run_gateway
from tests.support.programs.standins import clear_calls, list_calls
from tests.support.timing.waiting import wait_until

from .conftest import TENANT, IntegrationHarness

QUESTION = {"question": "When does the night train to Vienna leave?"}


@pytest.fixture(scope="module", autouse=True)
async def documents(harness: IntegrationHarness) -> None:
    text = b"# Trains\n\nThe night train to Vienna leaves at 21:40 from platform 7."
    assert (await harness.upload("trains.md", text)).status_code == 201


async def parse_events(response: httpx.Response) -> list[tuple[str, Any]]:
    """Return the events of a stream: name and content."""
    name, events = "", []
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            events.append((name, json.loads(line.removeprefix("data: "))))
    return events


async def stream(harness: IntegrationHarness, body: dict[str, Any]) -> list[tuple[str, Any]]:
    headers = {"Authorization": f"Bearer {harness.token}"}
    async with harness.gateway.http.stream(
        "POST", "/v1/answers", json={**body, "stream": True}, headers=headers
    ) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        return await parse_events(response)


async def inject_fault(harness: IntegrationHarness, operation: str, kind: str, delay: float = 0) -> None:
    async with httpx.AsyncClient(base_url=harness.platform.parts["bedrock"].url) as bedrock:
        body = {"operation": operation, "fault": kind, "times": 1, "delay": delay}
        (await bedrock.put("/standin/faults", json=body)).raise_for_status()


async def test_pieces_arrive_one_by_one_before_the_answer(harness: IntegrationHarness) -> None:
    whole = (await harness.post("/v1/answers", json=QUESTION)).json()
    *words, (last, answer) = await stream(harness, QUESTION)
    assert len(words) > 1
    assert {name for name, _ in words} == {"words"}
    assert last == "answer"
    assert "".join(content["text"] for _, content in words) == answer["answer"] == whole["answer"]
    assert "21:40" in answer["answer"]
    assert answer["citations"][0]["filename"] == "trains.md"
    assert answer["usage"]["outputTokens"] > 0


async def test_a_failure_before_the_first_piece_is_an_error_response(harness: IntegrationHarness) -> None:
    response = await harness.post("/v1/answers", json={**QUESTION, "stream": True, "personaId": "unknown"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["streamerror", "streamcut"])
async def test_a_broken_stream_ends_with_an_error_event(harness: IntegrationHarness, kind: str) -> None:
    await inject_fault(harness, "ConverseStream", kind)
    *words, (last, problem) = await stream(harness, QUESTION)
    assert words, "some words had arrived"
    assert last == "error"
    assert problem["type"].endswith("/backend-unavailable")
    assert problem["instance"]
    assert (await stream(harness, QUESTION))[-1][0] == "answer", "the next answer is complete"


@pytest.mark.parametrize("kind", ["streamerror", "streamcut", "throttle"])
async def test_an_unstreamed_answer_is_retried_after_a_broken_stream(
    harness: IntegrationHarness, kind: str
) -> None:
    await inject_fault(harness, "ConverseStream", kind)
    response = await harness.post("/v1/answers", json=QUESTION)
    assert response.status_code == 200, response.text
    assert "21:40" in response.json()["answer"]


async def test_an_idle_model_is_retried(harness: IntegrationHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.bedrock, "STREAM_IDLE_TIMEOUT_SECONDS", 1.0)
    headers = {"Authorization": f"Bearer {harness.token}"}
    async with run_gateway(harness.platform) as impatient:
        await wait_until(lambda: impatient.context.registry.get(TENANT) is not None)
        await inject_fault(harness, "ConverseStream", "delay", delay=30)
        await clear_calls(harness.platform.parts["bedrock"].url)
        response = await impatient.http.post("/v1/answers", json=QUESTION, headers=headers)
    assert response.status_code == 200, response.text
    assert len(await list_calls(harness.platform.parts["bedrock"].url, "Converse")) == 2


async def test_throttling_before_the_first_piece_is_retried(harness: IntegrationHarness) -> None:
    await inject_fault(harness, "ConverseStream", "throttle")
    assert (await stream(harness, QUESTION))[-1][0] == "answer"


async def test_a_disconnect_ends_the_call_and_settles_the_received_tokens(
    harness: IntegrationHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()
    original = Bedrock.stream

    async def stream_endlessly(self: Bedrock, prompt: Any) -> Any:
        try:
            async for piece in original(self, prompt):
                yield piece
                await asyncio.sleep(60)
        finally:
            ended.set()

    monkeypatch.setattr(Bedrock, "stream", stream_endlessly)
    headers = {"Authorization": f"Bearer {harness.token}"}
    before = (await harness.gateway.context.budget.get_state(get_tenant(harness))).used
    async with harness.gateway.http.stream(
        "POST", "/v1/answers", json={**QUESTION, "stream": True}, headers=headers
    ) as response:
        assert (await anext(response.aiter_lines())) == "event: words"
    async with asyncio.timeout(5):
        await ended.wait()

    async def is_settled() -> bool:
        state = await harness.gateway.context.budget.get_state(get_tenant(harness))
        return state.used > before and state.reserved == 0

    await wait_until(is_settled)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/answers", QUESTION),
        (
            "/v1/chat/completions",
            {"model": "finance", "messages": [{"role": "user", "content": QUESTION["question"]}]},
        ),
    ],
)
async def test_a_stream_ends_when_its_tenant_is_suspended(
    harness: IntegrationHarness, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    original = Bedrock.stream

    async def stream_slowly(self: Bedrock, prompt: Any) -> Any:
        async for piece in original(self, prompt):
            yield piece
            await asyncio.sleep(60)

    monkeypatch.setattr(Bedrock, "stream", stream_slowly)
    headers = {"Authorization": f"Bearer {harness.token}"}
    try:
        async with harness.gateway.http.stream(
            "POST", path, json={**body, "stream": True}, headers=headers
        ) as response:
            lines = response.aiter_lines()
            assert (await anext(lines)).startswith(("event: words", "data: "))
            harness.tenants.patch("gw-main", {"spec": {"suspended": True}})
            async with asyncio.timeout(10):  # the watch takes milliseconds, and the next word a minute
                rest = "".join([line async for line in lines])
    finally:
        await harness.patch({"suspended": False})
    assert "This tenant is suspended. Ask its administrators for the reason." in rest
    assert "tenant-suspended" in rest
    assert "[DONE]" not in rest
    assert "event: answer" not in rest


def get_tenant(harness: IntegrationHarness) -> Any:
    return harness.gateway.context.registry.get("gw-main")
