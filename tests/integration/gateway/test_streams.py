"""Answers while they are written, against a Bedrock that speaks the real event stream."""

import asyncio
import json
from typing import Any

import gateway.bedrock
import httpx
import pytest
from gateway.bedrock import Bedrock

from tests.support.gateway import running_gateway
from tests.support.waiting import until

from .conftest import TENANT, World

QUESTION = {"question": "When does the night train to Vienna leave?"}


@pytest.fixture(scope="module", autouse=True)
async def documents(world: World) -> None:
    text = b"# Trains\n\nThe night train to Vienna leaves at 21:40 from platform 7."
    assert (await world.upload("trains.md", text)).status_code == 201


async def events(response: httpx.Response) -> list[tuple[str, Any]]:
    """Return the events of a stream: name and content."""
    name, found = "", []
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
    return found


async def stream(world: World, body: dict[str, Any]) -> list[tuple[str, Any]]:
    headers = {"Authorization": f"Bearer {world.token}"}
    async with world.gateway.http.stream(
        "POST", "/v1/answers", json={**body, "stream": True}, headers=headers
    ) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        return await events(response)


async def fault(world: World, operation: str, kind: str, delay: float = 0) -> None:
    async with httpx.AsyncClient(base_url=world.platform.parts["bedrock"].url) as bedrock:
        body = {"operation": operation, "fault": kind, "times": 1, "delay": delay}
        (await bedrock.put("/standin/faults", json=body)).raise_for_status()


async def asked(world: World) -> int:
    """Return how often the model was asked so far."""
    async with httpx.AsyncClient(base_url=world.platform.parts["bedrock"].url) as bedrock:
        calls = (await bedrock.get("/standin/calls")).json()
    return sum(call["operation"].startswith("Converse") for call in calls)


async def test_words_come_one_by_one_and_the_answer_ends_them(world: World) -> None:
    whole = (await world.post("/v1/answers", json=QUESTION)).json()
    *words, (last, answer) = await stream(world, QUESTION)
    assert len(words) > 1
    assert {name for name, _ in words} == {"words"}
    assert last == "answer"
    assert "".join(content["text"] for _, content in words) == answer["answer"] == whole["answer"]
    assert "21:40" in answer["answer"]
    assert answer["citations"][0]["filename"] == "trains.md"
    assert answer["usage"]["outputTokens"] > 0


async def test_what_fails_before_the_first_word_is_an_ordinary_error(world: World) -> None:
    response = await world.post("/v1/answers", json={**QUESTION, "stream": True, "personaId": "nobody"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["streamerror", "streamcut"])
async def test_a_stream_that_breaks_says_so_and_does_not_look_like_an_end(world: World, kind: str) -> None:
    await fault(world, "ConverseStream", kind)
    *words, (last, problem) = await stream(world, QUESTION)
    assert words, "some words had come"
    assert last == "error"
    assert problem["type"].endswith("/backend-unavailable")
    assert problem["instance"]
    assert (await stream(world, QUESTION))[-1][0] == "answer", "the next one is whole"


@pytest.mark.parametrize("kind", ["streamerror", "streamcut", "throttle"])
async def test_a_whole_answer_is_asked_for_again_where_the_model_breaks_off(world: World, kind: str) -> None:
    await fault(world, "ConverseStream", kind)
    response = await world.post("/v1/answers", json=QUESTION)
    assert response.status_code == 200, response.text
    assert "21:40" in response.json()["answer"]


async def test_a_model_that_says_nothing_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.bedrock, "IDLE_SECONDS", 1.0)
    headers = {"Authorization": f"Bearer {world.token}"}
    async with running_gateway(world.platform) as impatient:
        await until(lambda: impatient.context.registry.get(TENANT) is not None)
        await fault(world, "ConverseStream", "delay", delay=30)
        before = await asked(world)
        response = await impatient.http.post("/v1/answers", json=QUESTION, headers=headers)
    assert response.status_code == 200, response.text
    assert await asked(world) == before + 2


async def test_throttling_before_the_first_word_is_waited_out(world: World) -> None:
    await fault(world, "ConverseStream", "throttle")
    assert (await stream(world, QUESTION))[-1][0] == "answer"


async def test_who_hangs_up_ends_the_call_and_pays_for_what_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()
    original = Bedrock.stream

    async def endless(self: Bedrock, prompt: Any) -> Any:
        try:
            async for piece in original(self, prompt):
                yield piece
                await asyncio.sleep(60)
        finally:
            ended.set()

    monkeypatch.setattr(Bedrock, "stream", endless)
    headers = {"Authorization": f"Bearer {world.token}"}
    before = (await world.gateway.context.budget.get_state(tenant_of(world))).used
    async with world.gateway.http.stream(
        "POST", "/v1/answers", json={**QUESTION, "stream": True}, headers=headers
    ) as response:
        assert (await anext(response.aiter_lines())) == "event: words"
    async with asyncio.timeout(5):
        await ended.wait()

    async def paid() -> bool:
        state = await world.gateway.context.budget.get_state(tenant_of(world))
        return state.used > before and state.reserved == 0

    await until(paid)


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
    world: World, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    original = Bedrock.stream

    async def slow(self: Bedrock, prompt: Any) -> Any:
        async for piece in original(self, prompt):
            yield piece
            await asyncio.sleep(60)

    monkeypatch.setattr(Bedrock, "stream", slow)
    headers = {"Authorization": f"Bearer {world.token}"}
    try:
        async with world.gateway.http.stream(
            "POST", path, json={**body, "stream": True}, headers=headers
        ) as response:
            lines = response.aiter_lines()
            assert (await anext(lines)).startswith(("event: words", "data: "))
            world.tenants.patch("gw-main", {"spec": {"suspended": True}})
            async with asyncio.timeout(10):  # the watch takes milliseconds, and the next word a minute
                rest = "".join([line async for line in lines])
    finally:
        await world.patch({"suspended": False})
    assert "This tenant is suspended. Ask its administrators for the reason." in rest
    assert "tenant-suspended" in rest
    assert "[DONE]" not in rest
    assert "event: answer" not in rest


def tenant_of(world: World) -> Any:
    return world.gateway.context.registry.get("gw-main")
