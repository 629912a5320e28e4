"""Limits as a whole: requests to a gateway, its Tenants changed, its Redis cut off."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.bedrock import Prompt
from gateway.limits import tenant_metrics
from gateway.limits.budget import estimate_tokens
from gateway.limits.tenant_metrics import TenantSeries
from prometheus_client import generate_latest
from servicekit.tasks import background_task
from tenancy.names import rate_key, reservations_key, tokens_key
from tenantry_local.platform import Platform

from tests.support.gateway import running_gateway
from tests.support.limits import metric
from tests.support.tenants import applied, tenant_manifest
from tests.support.waiting import until

from .conftest import A, B, World

ADMIN = f"admin of {A}"


def today() -> dict[str, str]:
    """Return a span that holds today even if it has just become tomorrow."""
    now = datetime.now(UTC)
    return {"from": f"{now - timedelta(days=1):%Y-%m-%d}", "to": f"{now + timedelta(days=1):%Y-%m-%d}"}


async def used(world: World) -> int:
    stored = await world.raw.get(tokens_key(A, world.uid(A), datetime.now(UTC)))
    return int(stored or 0)


async def test_searches_and_answers_share_one_rate_and_say_how_it_stands(world: World) -> None:
    first, second = await world.search(), await world.answer()
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.headers["ratelimit-policy"] == '"queries";q=60;w=60'
    assert first.headers["ratelimit"] in ('"queries";r=59;t=61', '"queries";r=59;t=60')
    assert second.headers["ratelimit"].startswith('"queries";r=58;t=')
    assert (await world.search(f"person of {B}")).headers["ratelimit"].startswith('"queries";r=59')


async def test_fifty_at_once_get_as_many_answers_as_the_tenant_may_ask(world: World) -> None:
    await world.limit(queriesPerMinute=20)
    responses = await asyncio.gather(*(world.search() for _ in range(50)))
    refused = [response for response in responses if response.status_code == 429]
    assert len(refused) == 30
    assert sum(response.status_code == 200 for response in responses) == 20
    for response in refused:
        assert response.json()["type"] == "https://tenantry.io/problems/rate-limited"
        assert 55 <= int(response.headers["retry-after"]) <= 61
        assert response.headers["ratelimit"] == f'"queries";r=0;t={response.headers["retry-after"]}'
    assert (await world.search(f"person of {B}")).status_code == 200


async def test_a_changed_rate_takes_effect_at_once(world: World) -> None:
    await world.limit(queriesPerMinute=0)
    assert (await world.search()).status_code == 429
    await world.limit(queriesPerMinute=5)
    response = await world.search()
    assert response.status_code == 200
    assert response.headers["ratelimit-policy"] == '"queries";q=5;w=60'


async def test_an_answer_pays_what_the_model_reports_and_holds_nothing_afterwards(world: World) -> None:
    response = await world.answer()
    usage = response.json()["usage"]
    assert response.json()["grounded"]
    assert await used(world) == usage["inputTokens"] + usage["outputTokens"] > 0
    assert not await world.raw.exists(reservations_key(A, world.uid(A), datetime.now(UTC)))
    for _ in range(2):
        assert (await world.search()).status_code == 200
    assert await used(world) == usage["inputTokens"] + usage["outputTokens"], "searches are free"


async def test_a_month_that_is_used_up_is_429_until_the_limit_is_raised(world: World) -> None:
    spent = (await world.answer()).json()["usage"]
    total = spent["inputTokens"] + spent["outputTokens"]
    await world.limit(tokensPerMonth=total)
    response = await world.answer()
    problem = response.json()
    assert (response.status_code, problem["type"]) == (429, "https://tenantry.io/problems/budget-exhausted")
    assert (problem["limit"], problem["used"]) == (total, total)
    resets_at = datetime.fromisoformat(problem["resetsAt"])
    assert resets_at.day == 1
    assert timedelta(0) < resets_at - datetime.now(UTC) <= timedelta(days=31)
    assert abs(int(response.headers["retry-after"]) - (resets_at - datetime.now(UTC)).total_seconds()) < 10
    assert (await world.search()).status_code == 200
    await world.limit(tokensPerMonth=total + 100_000)
    assert (await world.answer()).status_code == 200


async def test_many_answers_at_once_do_not_overspend(world: World) -> None:
    one = (await world.answer()).json()["usage"]
    size = one["inputTokens"] + one["outputTokens"]
    await world.forget()
    # Room for about four side by side; each of them takes much less than it may.
    limit = 4 * (estimate_tokens("x" * 1600) + 1024)
    await world.limit(queriesPerMinute=1000, tokensPerMonth=limit)
    answered, batch = 0, {200}
    while 200 in batch:
        statuses = [
            response.status_code
            for response in await asyncio.gather(*map(world.answer, [f"person of {A}"] * 20))
        ]
        assert await used(world) <= limit
        batch = set(statuses)
        assert batch <= {200, 429}
        answered += statuses.count(200)
    assert answered * size == await used(world)


async def test_a_model_that_fails_costs_nothing(world: World) -> None:
    world.tenants.patch(A, {"spec": {"model": {"chat": "anthropic.claude-3-sonnet-20240229-v1:0"}}})
    try:
        await until(lambda: bool((t := world.gateway.context.registry.get(A)) and t.spec.model.chat))
        assert (await world.answer()).status_code == 502
        assert await used(world) == 0
        assert not await world.raw.exists(reservations_key(A, world.uid(A), datetime.now(UTC)))
    finally:
        world.tenants.patch(A, {"spec": {"model": {"chat": ""}}})


async def test_without_redis_searches_go_on_and_answers_do_not(world: World) -> None:
    opened = metric("tenantry_gateway_limits_open_total", limit="rate")
    world.proxy.cut()
    search, answer = await world.search(), await world.answer()
    assert search.status_code == 200
    assert search.json()["passages"]
    assert search.headers["ratelimit-policy"] == '"queries";q=60;w=60'
    assert "ratelimit" not in search.headers
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["type"] == "https://tenantry.io/problems/limits-unavailable"
    assert "127.0.0.1" not in answer.text
    assert metric("tenantry_gateway_limits_open_total", limit="rate") == opened + 2
    report = await world.get("/v1/usage", ADMIN, params=today())
    assert (report.status_code, report.json()["type"]) == (
        503,
        "https://tenantry.io/problems/limits-unavailable",
    )
    ready = await world.gateway.http.get("/readyz")
    assert ready.status_code == 200
    await world.mend()
    assert (await world.answer()).status_code == 200


async def test_a_redis_lost_while_the_model_thinks_does_not_lose_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bedrock = world.gateway.context.answers._answers._bedrock
    converse = bedrock.converse

    async def think(prompt: Prompt) -> Any:
        reply = await converse(prompt)
        world.proxy.cut()
        return reply

    lost = metric("tenantry_gateway_usage_lost_total", what="tokens")
    monkeypatch.setattr(bedrock, "converse", think)
    response = await world.answer()
    assert (response.status_code, response.json()["grounded"]) == (200, True)
    assert metric("tenantry_gateway_usage_lost_total", what="tokens") == lost + 1


async def test_a_gateway_starts_and_is_ready_without_redis(platform: Platform) -> None:
    async with running_gateway(platform, redis_url="redis://127.0.0.1:9/0") as gateway:

        async def ready() -> bool:
            return (await gateway.http.get("/readyz")).status_code == 200

        await until(ready)


async def test_administrators_see_what_their_tenant_used(world: World) -> None:
    usage = (await world.answer()).json()["usage"]
    await world.search(f"person of {B}")
    response = await world.get("/v1/usage", ADMIN, params=today())
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


@pytest.mark.parametrize("who", [f"person of {A}", f"person of {B}"])
async def test_nobody_else_sees_it(world: World, who: str) -> None:
    response = await world.get("/v1/usage", who, params=today())
    assert (response.status_code, response.json()["type"]) == (403, "https://tenantry.io/problems/admin-only")


async def test_an_administrator_of_one_tenant_sees_nothing_of_another(world: World) -> None:
    await world.answer()
    report = (await world.get("/v1/usage", f"admin of {B}", params=today())).json()
    assert (report["rows"], report["budget"]["used"]) == ([], 0)


async def test_every_counter_of_a_tenant_has_its_key_and_an_end(world: World) -> None:
    await asyncio.gather(world.search(), world.answer())
    await world.gateway.context.usage.flush()
    keys = [key async for key in world.raw.scan_iter(match="*limits-a*")]
    assert len(keys) >= 3
    for key in keys:
        assert key.startswith(f"tenant-{A}:")
        assert await world.raw.ttl(key) > 0, key
    assert rate_key(A, world.uid(A)) in keys


async def test_series_of_a_tenant_go_with_it(
    world: World, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_metrics, "KEEP_SECONDS", 0.1)
    registry, counting = world.gateway.context.registry, TenantSeries(by_tenant=True)
    with applied(platform, tenant_manifest("limits-gone")):
        await until(lambda: registry.get("limits-gone") is not None)
        tenant = registry.get("limits-gone")
        assert tenant
        counting.add(tenant, input=1)
        line = b'tenantry_gateway_tokens_total{kind="input",tenant="tenant-limits-gone"} 1.0'
        assert line in generate_latest()
        async with background_task(counting.run(registry.all), "series"):
            await asyncio.sleep(0.3)
            assert line in generate_latest()
    async with background_task(counting.run(registry.all), "series"):
        await until(lambda: b"limits-gone" not in generate_latest())
