"""Tests of the answer cache on a running gateway, with changing documents and without Redis."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.bedrock import Prompt
from gateway.index_fence import IndexWriteFence
from gateway.redis import TenantRedis
from openai import AsyncOpenAI
from tenancy.names import build_answers_key, build_changes_key, derive_document_id
from tenancy.tickets import Ticket
from tenantry_local.parts.aws import BUCKET

from tests.support.programs.standins import clear_calls, list_calls

from .conftest import QUESTION, TENANT, CacheHarness

DOCUMENT = derive_document_id(TENANT, "finance", "keys.md")


async def test_a_hit_calls_neither_model_nor_embedding(harness: CacheHarness) -> None:
    outcome, first = await harness.ask()
    assert outcome == "fwd=miss"
    assert "behind the piano" in first
    bedrock = harness.platform.parts["bedrock"].url
    await clear_calls(bedrock)
    assert await harness.ask() == ("hit", first)
    assert await harness.ask(QUESTION.upper()) == ("hit", first)
    assert await list_calls(bedrock) == []


async def test_a_hit_is_in_the_usage_report_without_tokens(harness: CacheHarness) -> None:
    for _ in range(3):
        await harness.ask()
    now = datetime.now(UTC)
    span = {"from": f"{now - timedelta(days=1):%Y-%m-%d}", "to": f"{now + timedelta(days=1):%Y-%m-%d}"}
    report = (await harness.request("GET", "/v1/usage", params=span)).json()
    (chat,) = [row for row in report["rows"] if "claude" in row["model"]]
    assert (chat["requests"], chat["cachedAnswers"]) == (1, 2)
    assert report["budget"]["used"] == chat["inputTokens"] + chat["outputTokens"]


async def test_a_hit_needs_no_budget(harness: CacheHarness) -> None:
    await harness.ask()
    await harness.patch({"quota": {"tokensPerMonth": 0}})
    assert (await harness.ask())[0] == "hit"
    refused = await harness.request("POST", "/v1/answers", json={"question": "Where is the boathouse?"})
    assert refused.status_code == 429
    await harness.patch({"quota": {"tokensPerMonth": 5_000_000}})


async def test_a_new_version_takes_effect_immediately(harness: CacheHarness) -> None:
    await harness.ask()
    assert (await harness.ask())[0] == "hit"
    assert (await harness.upload("The key to the boathouse hangs near the stove.")).status_code == 201
    outcome, answer = await harness.ask()
    assert outcome == "fwd=miss"
    assert "near the stove" in answer


async def test_another_document_takes_effect_immediately(harness: CacheHarness) -> None:
    await harness.ask()
    assert (await harness.upload("Dogs are welcome.", "dogs.md")).status_code == 201
    assert (await harness.ask())[0] == "fwd=miss"


async def test_a_document_ingested_by_ticket_takes_effect_immediately(harness: CacheHarness) -> None:
    await harness.ask()
    ticket = Ticket(TENANT, harness.tenant.uid, "finance", "by-ticket", "new.md")
    s3: Any = harness.platform.parts["aws"].s3  # type: ignore[attr-defined]
    s3.put_object(Bucket=BUCKET, Key=ticket.object_key, Body=b"The key to the boathouse lies in the sink.")
    assert (await harness.redeem(ticket)).status_code == 201
    assert (await harness.ask())[0] == "fwd=miss"


async def test_no_answer_of_a_deleted_document_is_left(harness: CacheHarness) -> None:
    await harness.ask()
    assert "behind the piano" in str(
        await harness.redis_client.hgetall(build_answers_key(TENANT, harness.tenant.uid))
    )
    assert (await harness.request("DELETE", f"/v1/documents/{DOCUMENT}")).status_code == 204
    assert not await harness.redis_client.exists(build_answers_key(TENANT, harness.tenant.uid))
    outcome, answer = await harness.ask()
    assert outcome == "fwd=miss"
    assert "piano" not in answer


async def test_during_a_change_every_question_bypasses_the_cache(
    harness: CacheHarness, redis: TenantRedis
) -> None:
    await harness.ask()
    async with IndexWriteFence(redis).fence_write(harness.tenant):
        assert [(await harness.ask())[0] for _ in range(2)] == ["fwd=bypass"] * 2
    assert [(await harness.ask())[0] for _ in range(2)] == ["fwd=miss", "hit"]


async def test_an_answer_generated_during_a_change_is_not_stored(
    harness: CacheHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    bedrock = harness.gateway.context.answers._answers._bedrock
    converse = bedrock.converse

    async def generate_slowly(prompt: Prompt) -> Any:
        monkeypatch.setattr(bedrock, "converse", converse)
        await harness.upload("The key to the boathouse hangs near the stove.")
        return await converse(prompt)

    monkeypatch.setattr(bedrock, "converse", generate_slowly)
    assert "behind the piano" in (await harness.ask())[1]
    assert "near the stove" in (await harness.ask())[1]


async def test_a_gateway_that_terminates_during_a_change_leaves_no_stale_answer(
    harness: CacheHarness,
) -> None:
    await harness.ask()
    vectors = harness.gateway.context.retrieval._vectors
    with pytest.MonkeyPatch.context() as patch:

        async def kill_gateway(*_: Any) -> None:
            raise KeyError("dead")

        patch.setattr(vectors, "_delete", kill_gateway)  # the new version is published already
        assert (await harness.upload("The key to the boathouse hangs near the stove.")).status_code == 500
    outcome, answer = await harness.ask()
    assert outcome == "fwd=bypass"
    assert "near the stove" in answer
    key = build_changes_key(TENANT, harness.tenant.uid)
    ((change, deadline),) = await harness.redis_client.zrange(key, 0, -1, withscores=True)
    await harness.redis_client.zadd(key, {change: deadline - 3_600_000})
    assert [(await harness.ask())[0] for _ in range(2)] == ["fwd=miss", "hit"]
    assert "near the stove" in (await harness.ask())[1]


async def test_without_redis_no_document_changes(harness: CacheHarness) -> None:
    await harness.ask()
    ticket = Ticket(TENANT, harness.tenant.uid, "finance", DOCUMENT, "keys.md")
    s3: Any = harness.platform.parts["aws"].s3  # type: ignore[attr-defined]
    s3.put_object(Bucket=BUCKET, Key=ticket.object_key, Body=b"The key to the boathouse lies in the sink.")
    harness.proxy.cut()
    for response in (
        await harness.request("DELETE", f"/v1/documents/{DOCUMENT}"),
        await harness.redeem(ticket),
        await harness.upload("The key to the boathouse hangs near the stove."),
    ):
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    harness.proxy.restore()
    outcome, answer = await harness.ask()
    assert outcome == "hit"
    assert "behind the piano" in answer, "the answer matches the index"
    assert (await harness.redeem(ticket)).status_code == 201, "a repeated call completes it"
    assert "in the sink" in (await harness.ask())[1]


async def test_an_unreadable_answer_is_generated_again_and_replaced(harness: CacheHarness) -> None:
    await harness.ask()
    key = build_answers_key(TENANT, harness.tenant.uid)
    (digest,) = set(await harness.redis_client.hkeys(key)) - {"version"}
    await harness.redis_client.hset(key, digest, "of another format")
    assert [(await harness.ask())[0] for _ in range(2)] == ["fwd=bypass", "hit"]


async def test_a_tenant_can_disable_the_cache(harness: CacheHarness) -> None:
    await harness.ask()
    await harness.patch({"model": {"cacheAnswers": False}})
    assert [(await harness.ask())[0] for _ in range(2)] == ["fwd=bypass"] * 2
    await harness.patch({"model": {"cacheAnswers": True}})


async def test_a_suspended_tenant_gets_no_cached_answer(harness: CacheHarness) -> None:
    await harness.ask()
    await harness.patch({"suspended": True})
    response = await harness.request("POST", "/v1/answers", json={"question": QUESTION})
    assert response.status_code == 403
    assert "piano" not in response.text
    assert "cache-status" not in response.headers
    await harness.patch({"suspended": False})


async def test_a_recreated_tenant_gets_no_earlier_answer(harness: CacheHarness) -> None:
    await harness.ask()
    uid = harness.tenant.metadata.uid
    await harness.recreate_tenant()
    assert harness.tenant.metadata.uid != uid
    assert (await harness.ask())[0] == "fwd=miss"


async def test_the_openai_client_works_with_cached_answers(harness: CacheHarness) -> None:
    async with AsyncOpenAI(base_url=f"{harness.gateway.url}/v1", api_key=harness.token) as client:
        for outcome in ("fwd=miss", "hit"):
            redis_client = await client.chat.completions.with_raw_response.create(
                model="finance", messages=[{"role": "user", "content": QUESTION}]
            )
            assert redis_client.headers["cache-status"] == f"tenantry-answers; {outcome}"
            completion = redis_client.parse()
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
    streamed_text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed_text == completion.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
