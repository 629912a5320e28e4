"""Tests of all limits on a running gateway, with changed Tenants and without Redis."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.bedrock import Prompt
from gateway.limits import tenant_metrics
from gateway.limits.tenant_metrics import TenantMetrics
from gateway.token_estimate import estimate_tokens
from prometheus_client import generate_latest
from servicekit.tasks import run_background_task
from tenancy.names import build_rate_key, build_reservations_key, build_tokens_key
from tenantry_local.platform import Platform

from tests.support.fakes.limits import get_metric
from tests.support.programs.gateway import run_gateway
from tests.support.tenants.manifests import apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .conftest import A, B, LimitsHarness

ADMIN = f"admin of {A}"


def make_period_of_today() -> dict[str, str]:
    """Return a period that contains today even shortly after midnight."""
    now = datetime.now(UTC)
    return {"from": f"{now - timedelta(days=1):%Y-%m-%d}", "to": f"{now + timedelta(days=1):%Y-%m-%d}"}


async def get_used_tokens(harness: LimitsHarness) -> int:
    stored = await harness.redis_client.get(build_tokens_key(A, harness.get_uid(A), datetime.now(UTC)))
    return int(stored or 0)


async def test_searches_and_answers_share_one_rate_and_return_its_headers(harness: LimitsHarness) -> None:
    first, second = await harness.search(), await harness.answer()
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.headers["ratelimit-policy"] == '"queries";q=60;w=60'
    assert first.headers["ratelimit"] in ('"queries";r=59;t=61', '"queries";r=59;t=60')
    assert second.headers["ratelimit"].startswith('"queries";r=58;t=')
    assert (await harness.search(f"person of {B}")).headers["ratelimit"].startswith('"queries";r=59')


async def test_fifty_concurrent_queries_do_not_exceed_the_rate(harness: LimitsHarness) -> None:
    await harness.set_quota(queriesPerMinute=20)
    began = time.monotonic()
    responses = await asyncio.gather(*(harness.search() for _ in range(50)))
    elapsed = time.monotonic() - began
    refused = [response for response in responses if response.status_code == 429]
    assert len(refused) == 30
    assert sum(response.status_code == 200 for response in responses) == 20
    for response in refused:
        assert response.json()["type"] == "https://tenantry.io/problems/rate-limited"
        assert 59 - elapsed <= int(response.headers["retry-after"]) <= 61
        assert response.headers["ratelimit"] == f'"queries";r=0;t={response.headers["retry-after"]}'
    assert (await harness.search(f"person of {B}")).status_code == 200


async def test_a_changed_rate_takes_effect_immediately(harness: LimitsHarness) -> None:
    await harness.set_quota(queriesPerMinute=0)
    assert (await harness.search()).status_code == 429
    await harness.set_quota(queriesPerMinute=5)
    response = await harness.search()
    assert response.status_code == 200
    assert response.headers["ratelimit-policy"] == '"queries";q=5;w=60'


async def test_an_answer_settles_its_tokens_and_releases_its_reservation(
    harness: LimitsHarness,
) -> None:
    response = await harness.answer()
    usage = response.json()["usage"]
    assert response.json()["grounded"]
    assert await get_used_tokens(harness) == usage["inputTokens"] + usage["outputTokens"] > 0
    assert not await harness.redis_client.exists(
        build_reservations_key(A, harness.get_uid(A), datetime.now(UTC))
    )
    for _ in range(2):
        assert (await harness.search()).status_code == 200
    assert await get_used_tokens(harness) == usage["inputTokens"] + usage["outputTokens"], (
        "searches need no budget"
    )


async def test_an_exhausted_budget_is_429_until_the_limit_is_raised(harness: LimitsHarness) -> None:
    usage = (await harness.answer()).json()["usage"]
    total = usage["inputTokens"] + usage["outputTokens"]
    await harness.set_quota(tokensPerMonth=total)
    response = await harness.answer()
    problem = response.json()
    assert (response.status_code, problem["type"]) == (429, "https://tenantry.io/problems/budget-exhausted")
    assert (problem["limit"], problem["used"]) == (total, total)
    resets_at = datetime.fromisoformat(problem["resetsAt"])
    assert resets_at.day == 1
    assert timedelta(0) < resets_at - datetime.now(UTC) <= timedelta(days=31)
    assert abs(int(response.headers["retry-after"]) - (resets_at - datetime.now(UTC)).total_seconds()) < 10
    assert (await harness.search()).status_code == 200
    await harness.set_quota(tokensPerMonth=total + 100_000)
    assert (await harness.answer()).status_code == 200


async def test_many_concurrent_answers_do_not_exceed_the_budget(harness: LimitsHarness) -> None:
    one = (await harness.answer()).json()["usage"]
    size = one["inputTokens"] + one["outputTokens"]
    await harness.clear_redis()
    # Enough for about four concurrent reservations; each answer uses much less than it reserves.
    limit = 4 * (estimate_tokens("x" * 1600) + 1024)
    await harness.set_quota(queriesPerMinute=1000, tokensPerMonth=limit)
    answered, batch = 0, {200}
    while 200 in batch:
        statuses = [
            response.status_code
            for response in await asyncio.gather(*map(harness.answer, [f"person of {A}"] * 20))
        ]
        assert await get_used_tokens(harness) <= limit
        batch = set(statuses)
        assert batch <= {200, 429}
        answered += statuses.count(200)
    assert answered * size == await get_used_tokens(harness)


async def test_a_failed_model_call_settles_no_tokens(harness: LimitsHarness) -> None:
    harness.tenants.patch(A, {"spec": {"model": {"chat": "anthropic.claude-3-sonnet-20240229-v1:0"}}})
    try:
        await wait_until(lambda: bool((t := harness.gateway.context.registry.get(A)) and t.spec.model.chat))
        assert (await harness.answer()).status_code == 502
        assert await get_used_tokens(harness) == 0
        assert not await harness.redis_client.exists(
            build_reservations_key(A, harness.get_uid(A), datetime.now(UTC))
        )
    finally:
        harness.tenants.patch(A, {"spec": {"model": {"chat": ""}}})


async def test_without_redis_searches_work_and_answers_are_refused(harness: LimitsHarness) -> None:
    skipped = get_metric("tenantry_gateway_limit_checks_skipped_total", limit="rate")
    harness.proxy.cut()
    search, answer = await harness.search(), await harness.answer()
    assert search.status_code == 200
    assert search.json()["passages"]
    assert search.headers["ratelimit-policy"] == '"queries";q=60;w=60'
    assert "ratelimit" not in search.headers
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["type"] == "https://tenantry.io/problems/limits-unavailable"
    assert "127.0.0.1" not in answer.text
    assert get_metric("tenantry_gateway_limit_checks_skipped_total", limit="rate") == skipped + 2
    report = await harness.get("/v1/usage", ADMIN, params=make_period_of_today())
    assert (report.status_code, report.json()["type"]) == (
        503,
        "https://tenantry.io/problems/limits-unavailable",
    )
    ready = await harness.gateway.http.get("/readyz")
    assert ready.status_code == 200
    await harness.restore_redis()
    assert (await harness.answer()).status_code == 200


async def test_losing_redis_during_a_model_call_does_not_lose_the_answer(
    harness: LimitsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    bedrock = harness.gateway.context.answers._answers._bedrock
    converse = bedrock.converse

    async def converse_and_cut(prompt: Prompt) -> Any:
        reply = await converse(prompt)
        harness.proxy.cut()
        return reply

    failures = get_metric("tenantry_gateway_usage_write_failures_total", record="tokens")
    monkeypatch.setattr(bedrock, "converse", converse_and_cut)
    response = await harness.answer()
    assert (response.status_code, response.json()["grounded"]) == (200, True)
    assert get_metric("tenantry_gateway_usage_write_failures_total", record="tokens") == failures + 1


async def test_a_gateway_starts_and_is_ready_without_redis(platform: Platform) -> None:
    async with run_gateway(platform, redis_url="redis://127.0.0.1:9/0") as gateway:

        async def is_ready() -> bool:
            return (await gateway.http.get("/readyz")).status_code == 200

        await wait_until(is_ready)


async def test_administrators_see_the_usage_of_their_tenant(harness: LimitsHarness) -> None:
    usage = (await harness.answer()).json()["usage"]
    await harness.search(f"person of {B}")
    response = await harness.get("/v1/usage", ADMIN, params=make_period_of_today())
    assert response.status_code == 200, response.text
    report = response.json()
    rows = {row["model"]: row for row in report["rows"]}
    assert set(rows) == {"us.anthropic.claude-sonnet-4-6", "amazon.titan-embed-text-v2:0"}
    chat, embedding = rows["us.anthropic.claude-sonnet-4-6"], rows["amazon.titan-embed-text-v2:0"]
    assert (chat["requests"], chat["inputTokens"], chat["outputTokens"]) == (
        1,
        usage["inputTokens"],
        usage["outputTokens"],
    )
    assert embedding["requests"] == 1
    assert embedding["embeddingTokens"] > 0
    assert report["totals"]["inputTokens"] == usage["inputTokens"]
    assert float(report["totals"]["estimatedCostUsd"]) > 0
    assert report["budget"]["used"] == usage["inputTokens"] + usage["outputTokens"]
    assert (report["budget"]["limit"], report["budget"]["reserved"]) == (5_000_000, 0)


@pytest.mark.parametrize("caller", [f"person of {A}", f"person of {B}"])
async def test_other_users_do_not_see_the_usage(harness: LimitsHarness, caller: str) -> None:
    response = await harness.get("/v1/usage", caller, params=make_period_of_today())
    assert (response.status_code, response.json()["type"]) == (403, "https://tenantry.io/problems/admin-only")


async def test_an_administrator_of_one_tenant_sees_nothing_of_another(harness: LimitsHarness) -> None:
    await harness.answer()
    report = (await harness.get("/v1/usage", f"admin of {B}", params=make_period_of_today())).json()
    assert (report["rows"], report["budget"]["used"]) == ([], 0)


async def test_every_counter_has_a_key_of_its_tenant_and_an_expiry(harness: LimitsHarness) -> None:
    await asyncio.gather(harness.search(), harness.answer())
    await harness.gateway.context.usage.flush()
    keys = [key async for key in harness.redis_client.scan_iter(match="*limits-a*")]
    assert len(keys) >= 3
    for key in keys:
        assert key.startswith(f"tenant-{A}:")
        assert await harness.redis_client.ttl(key) > 0, key
    assert build_rate_key(A, harness.get_uid(A)) in keys


async def test_the_series_of_a_deleted_tenant_are_removed(
    harness: LimitsHarness, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_metrics, "PRUNE_INTERVAL_SECONDS", 0.1)
    registry, counting = harness.gateway.context.registry, TenantMetrics(by_tenant=True)
    with apply_tenants(platform, make_tenant_manifest("limits-gone")):
        await wait_until(lambda: registry.get("limits-gone") is not None)
        tenant = registry.get("limits-gone")
        assert tenant
        counting.record_tokens(tenant, input=1)
        line = b'tenantry_gateway_tokens_total{kind="input",tenant="tenant-limits-gone"} 1.0'
        assert line in generate_latest()
        async with run_background_task(counting.run(registry.list_tenants), "tenant-metrics"):
            await asyncio.sleep(0.3)
            assert line in generate_latest()
    async with run_background_task(counting.run(registry.list_tenants), "tenant-metrics"):
        await wait_until(lambda: b"limits-gone" not in generate_latest())
