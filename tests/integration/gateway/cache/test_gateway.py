"""The answer cache as a whole: real questions, documents that change, a Redis that goes away."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.bedrock import Prompt
from gateway.index_fence import IndexWriteFence
from gateway.redis import TenantRedis
from openai import AsyncOpenAI
from tenancy.names import answers_key, changes_key, document_id_for
from tenancy.tickets import Ticket
from tenantry_local.parts.aws import BUCKET

from .conftest import QUESTION, TENANT, World

DOCUMENT = document_id_for(TENANT, "finance", "keys.md")


async def test_the_second_time_neither_model_nor_embedding_is_asked(world: World) -> None:
    outcome, first = await world.ask()
    assert outcome == "fwd=miss"
    assert "behind the piano" in first
    before = await world.calls()
    assert await world.ask() == ("hit", first)
    assert await world.ask(QUESTION.upper()) == ("hit", first)
    assert await world.calls() == before


async def test_a_hit_stands_in_the_report_and_costs_nothing(world: World) -> None:
    for _ in range(3):
        await world.ask()
    now = datetime.now(UTC)
    span = {"from": f"{now - timedelta(days=1):%Y-%m-%d}", "to": f"{now + timedelta(days=1):%Y-%m-%d}"}
    report = (await world.request("GET", "/v1/usage", params=span)).json()
    (chat,) = [row for row in report["rows"] if "claude" in row["model"]]
    assert (chat["requests"], chat["cachedAnswers"]) == (1, 2)
    assert report["budget"]["used"] == chat["inputTokens"] + chat["outputTokens"]


async def test_who_has_no_tokens_left_is_still_given_what_was_answered(world: World) -> None:
    await world.ask()
    await world.patch({"quota": {"tokensPerMonth": 0}})
    assert (await world.ask())[0] == "hit"
    refused = await world.request("POST", "/v1/answers", json={"question": "Where is the boathouse?"})
    assert refused.status_code == 429
    await world.patch({"quota": {"tokensPerMonth": 5_000_000}})


async def test_a_new_content_is_answered_from_at_once(world: World) -> None:
    await world.ask()
    assert (await world.ask())[0] == "hit"
    assert (await world.upload("The key to the boathouse hangs beside the stove.")).status_code == 201
    outcome, answer = await world.ask()
    assert outcome == "fwd=miss"
    assert "beside the stove" in answer


async def test_another_document_counts_at_once(world: World) -> None:
    await world.ask()
    assert (await world.upload("Dogs are welcome.", "dogs.md")).status_code == 201
    assert (await world.ask())[0] == "fwd=miss"


async def test_a_document_that_a_ticket_brings_counts_at_once(world: World) -> None:
    await world.ask()
    ticket = Ticket(TENANT, world.tenant.uid, "finance", "by-ticket", "new.md")
    s3: Any = world.platform.parts["aws"].s3  # type: ignore[attr-defined]
    s3.put_object(Bucket=BUCKET, Key=ticket.object_key, Body=b"The key to the boathouse lies in the sink.")
    assert (await world.redeem(ticket)).status_code == 201
    assert (await world.ask())[0] == "fwd=miss"


async def test_of_a_deleted_document_nothing_is_said_any_more_and_nothing_is_left(world: World) -> None:
    await world.ask()
    assert "behind the piano" in str(await world.raw.hgetall(answers_key(TENANT, world.tenant.uid)))
    assert (await world.request("DELETE", f"/v1/documents/{DOCUMENT}")).status_code == 204
    assert not await world.raw.exists(answers_key(TENANT, world.tenant.uid))
    outcome, answer = await world.ask()
    assert outcome == "fwd=miss"
    assert "piano" not in answer


async def test_while_a_document_changes_every_question_is_answered_anew(
    world: World, redis: TenantRedis
) -> None:
    await world.ask()
    async with IndexWriteFence(redis).guard(world.tenant):
        assert [(await world.ask())[0] for _ in range(2)] == ["fwd=bypass"] * 2
    assert [(await world.ask())[0] for _ in range(2)] == ["fwd=miss", "hit"]


async def test_an_answer_from_before_a_change_is_given_and_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bedrock = world.gateway.context.answers._answers._bedrock
    converse = bedrock.converse

    async def think(prompt: Prompt) -> Any:
        monkeypatch.setattr(bedrock, "converse", converse)
        await world.upload("The key to the boathouse hangs beside the stove.")
        return await converse(prompt)

    monkeypatch.setattr(bedrock, "converse", think)
    assert "behind the piano" in (await world.ask())[1]
    assert "beside the stove" in (await world.ask())[1]


async def test_a_gateway_that_died_while_it_changed_a_document_leaves_no_stale_answer(world: World) -> None:
    await world.ask()
    vectors = world.gateway.context.retrieval._vectors
    with pytest.MonkeyPatch.context() as patch:

        async def die(*_: Any) -> None:
            raise KeyError("dead")

        patch.setattr(vectors, "_delete", die)  # the new content counts already
        assert (await world.upload("The key to the boathouse hangs beside the stove.")).status_code == 500
    outcome, answer = await world.ask()
    assert outcome == "fwd=bypass"
    assert "beside the stove" in answer
    key = changes_key(TENANT, world.tenant.uid)
    ((change, deadline),) = await world.raw.zrange(key, 0, -1, withscores=True)
    await world.raw.zadd(key, {change: deadline - 3_600_000})
    assert [(await world.ask())[0] for _ in range(2)] == ["fwd=miss", "hit"]
    assert "beside the stove" in (await world.ask())[1]


async def test_without_redis_no_document_changes(world: World) -> None:
    await world.ask()
    ticket = Ticket(TENANT, world.tenant.uid, "finance", DOCUMENT, "keys.md")
    s3: Any = world.platform.parts["aws"].s3  # type: ignore[attr-defined]
    s3.put_object(Bucket=BUCKET, Key=ticket.object_key, Body=b"The key to the boathouse lies in the sink.")
    world.proxy.cut()
    for response in (
        await world.request("DELETE", f"/v1/documents/{DOCUMENT}"),
        await world.redeem(ticket),
        await world.upload("The key to the boathouse hangs beside the stove."),
    ):
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    world.proxy.restore()
    outcome, answer = await world.ask()
    assert outcome == "hit"
    assert "behind the piano" in answer, "it is what the index says"
    assert (await world.redeem(ticket)).status_code == 201, "the same call again completes it"
    assert "in the sink" in (await world.ask())[1]


async def test_what_nobody_can_read_is_answered_anew_and_replaced(world: World) -> None:
    await world.ask()
    key = answers_key(TENANT, world.tenant.uid)
    (digest,) = set(await world.raw.hkeys(key)) - {"version"}
    await world.raw.hset(key, digest, "of another format")
    assert [(await world.ask())[0] for _ in range(2)] == ["fwd=bypass", "hit"]


async def test_a_tenant_may_have_no_cache(world: World) -> None:
    await world.ask()
    await world.patch({"model": {"cacheAnswers": False}})
    assert [(await world.ask())[0] for _ in range(2)] == ["fwd=bypass"] * 2
    await world.patch({"model": {"cacheAnswers": True}})


async def test_a_suspended_tenant_is_given_nothing(world: World) -> None:
    await world.ask()
    await world.patch({"suspended": True})
    response = await world.request("POST", "/v1/answers", json={"question": QUESTION})
    assert response.status_code == 403
    assert "piano" not in response.text
    assert "cache-status" not in response.headers
    await world.patch({"suspended": False})


async def test_a_tenant_made_again_under_its_name_is_given_nothing_of_before(world: World) -> None:
    await world.ask()
    uid = world.tenant.metadata.uid
    await world.make_again()
    assert world.tenant.metadata.uid != uid
    assert (await world.ask())[0] == "fwd=miss"


async def test_openais_client_is_told_of_a_hit_and_works_as_ever(world: World) -> None:
    async with AsyncOpenAI(base_url=f"{world.gateway.url}/v1", api_key=world.token) as client:
        for outcome in ("fwd=miss", "hit"):
            raw = await client.chat.completions.with_raw_response.create(
                model="finance", messages=[{"role": "user", "content": QUESTION}]
            )
            assert raw.headers["cache-status"] == f"tenantry-answers; {outcome}"
            completion = raw.parse()
            assert "behind the piano" in (completion.choices[0].message.content or "")
        assert completion.usage
        assert completion.usage.total_tokens == 0
        stream = await client.chat.completions.create(
            model="finance",
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == completion.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
