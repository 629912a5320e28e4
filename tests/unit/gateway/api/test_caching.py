"""The answer cache as callers see it: what they may ask of it, and how a hit is marked."""

import json
from typing import Any

import httpx
import pytest

from .conftest import World

QUESTION = "What is the budget?"
DOORS: dict[str, tuple[str, dict[str, Any]]] = {
    "answers": ("/v1/answers", {"question": QUESTION, "personaId": "finance"}),
    "chat": (
        "/v1/chat/completions",
        {"model": "finance", "messages": [{"role": "user", "content": QUESTION}]},
    ),
}


@pytest.fixture(autouse=True)
async def grounded(world: World) -> None:
    await world.upload()
    world.bedrock.says = "It is $5 [cite:1]."


async def ask(
    world: World, door: str, *, stream: bool = False, cache_control: tuple[str, ...] = ()
) -> httpx.Response:
    path, body = DOORS[door]
    response = await world.http.post(
        path,
        json={**body, "stream": stream},
        headers=[
            ("Authorization", "Bearer person-tenanta"),
            *(("Cache-Control", each) for each in cache_control),
        ],
    )
    assert response.status_code == 200, response.text
    assert "$5" in response.text
    return response


def status(response: httpx.Response) -> str:
    return str(response.headers["cache-status"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("door", DOORS)
async def test_a_hit_is_marked_at_every_door(world: World, door: str, stream: bool) -> None:
    assert status(await ask(world, door, stream=stream)) == "tenantry-answers; fwd=miss"
    for again in (False, True):
        response = await ask(world, door, stream=again)
        assert status(response) == "tenantry-answers; hit"
        assert response.headers["cache-control"] == "no-store", "no cache on the way keeps it, too"
    assert len(world.bedrock.asked) == 1


async def test_the_answer_itself_says_that_it_was_given_before_and_took_nothing(world: World) -> None:
    first, again = [(await ask(world, "answers")).json() for _ in range(2)]
    assert (first.pop("cached"), again.pop("cached")) == (False, True)
    assert first.pop("usage") == {"inputTokens": 7, "outputTokens": 3}
    assert again.pop("usage") == {"inputTokens": 0, "outputTokens": 0}
    assert first == again
    # Chats show Markdown, so their answers are kept apart from those of programs.
    assert status(await ask(world, "chat")) == "tenantry-answers; fwd=miss"
    completion = (await ask(world, "chat")).json()
    assert completion["usage"]["total_tokens"] == 0


async def test_a_streamed_hit_is_the_words_and_then_the_answer(world: World) -> None:
    whole = (await ask(world, "answers")).json()
    events = (await ask(world, "answers", stream=True)).text.split("\n\n")
    words, answer = (json.loads(event.partition("data: ")[2]) for event in events[:2])
    assert words == {"text": whole["answer"]}
    assert answer["cached"] is True
    assert events[2:] == [""]


@pytest.mark.parametrize(
    "said",
    [("no-cache",), ("no-store",), ("No-Cache",), ("max-age=0, no-store",), ("max-age=5", "no-cache")],
    ids=", ".join,
)
@pytest.mark.parametrize("door", DOORS)
async def test_who_asks_for_a_new_answer_gets_one(world: World, door: str, said: tuple[str, ...]) -> None:
    await ask(world, door)
    assert status(await ask(world, door, cache_control=said)) == "tenantry-answers; fwd=bypass"
    assert len(world.bedrock.asked) == 2


@pytest.mark.parametrize("said", ["", "max-age=60", "private, no-storehouse", "no-cache=x", ",,"])
async def test_what_else_may_be_said_changes_nothing(world: World, said: str) -> None:
    await ask(world, "answers")
    assert status(await ask(world, "answers", cache_control=(said,))) == "tenantry-answers; hit"


async def test_a_hit_counts_against_the_rate(world: World) -> None:
    for _ in range(3):
        response = await ask(world, "answers")
        assert "ratelimit" in response.headers
    assert world.rate.checked == ["tenanta"] * 3
