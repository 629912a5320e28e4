"""Tests of the token budget on a real Redis."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from gateway.limits.budget import RESERVATION_TTL_SECONDS, Budget, Reservation
from gateway.problems import BudgetExhausted
from gateway.redis import TenantRedis
from tenancy.model import Tenant
from tenancy.names import build_reservations_key, build_tokens_key

from .conftest import make_new_tenant


class Calendar:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def budget(redis: TenantRedis, calendar: Calendar) -> Budget:
    return Budget(redis, calendar)


async def try_reserve(budget: Budget, tenant: Tenant, tokens: int) -> Reservation | None:
    try:
        return await budget.reserve(tenant, tokens)
    except BudgetExhausted:
        return None


async def get_used_and_reserved(budget: Budget, tenant: Tenant) -> tuple[int, int]:
    state = await budget.get_state(tenant)
    return state.used, state.reserved


async def test_fifty_concurrent_reservations_do_not_exceed_the_limit(budget: Budget) -> None:
    tenant = make_new_tenant(tokensPerMonth=1000)
    reservations = await asyncio.gather(*(try_reserve(budget, tenant, 90) for _ in range(50)))
    assert sum(reservation is not None for reservation in reservations) == 11
    assert await get_used_and_reserved(budget, tenant) == (0, 990)


async def test_concurrent_answers_never_exceed_the_limit(budget: Budget) -> None:
    """Fifty callers repeat until each is refused; every answer uses its whole reservation."""
    tenant = make_new_tenant(tokensPerMonth=10_000)

    async def ask_until_refused(size: int) -> None:
        while reservation := await try_reserve(budget, tenant, size):
            await asyncio.sleep(0.001)
            await budget.commit(reservation, size)

    await asyncio.gather(*(ask_until_refused(50 + number) for number in range(50)))
    used, reserved = await get_used_and_reserved(budget, tenant)
    assert reserved == 0
    assert 10_000 - 100 < used <= 10_000


async def test_after_an_answer_beyond_its_reservation_no_other_answer_is_allowed(budget: Budget) -> None:
    tenant = make_new_tenant(tokensPerMonth=1000)
    reservation = await budget.reserve(tenant, 1000)
    await budget.commit(reservation, 1300)
    assert await get_used_and_reserved(budget, tenant) == (1300, 0)
    assert await try_reserve(budget, tenant, 1) is None


async def test_unused_tokens_are_released(budget: Budget) -> None:
    tenant = make_new_tenant(tokensPerMonth=1000)
    reservation = await budget.reserve(tenant, 1000)
    await budget.commit(reservation, 300)
    other = await budget.reserve(tenant, 700)
    await budget.release(other)
    assert await get_used_and_reserved(budget, tenant) == (300, 0)


async def test_reservations_of_the_same_size_are_distinct(budget: Budget) -> None:
    tenant = make_new_tenant(tokensPerMonth=1000)
    first = await budget.reserve(tenant, 400)
    await budget.reserve(tenant, 400)
    assert await get_used_and_reserved(budget, tenant) == (0, 800)
    await budget.release(first)
    assert await get_used_and_reserved(budget, tenant) == (0, 400)


async def test_the_reservation_of_a_terminated_gateway_expires(
    budget: Budget, calendar: Calendar, redis_client: Any
) -> None:
    tenant = make_new_tenant(tokensPerMonth=1000)
    reservation = await budget.reserve(tenant, 1000)
    key = build_reservations_key(tenant.id, tenant.uid, calendar.now)
    deadline = await redis_client.zscore(key, reservation.member)
    assert deadline / 1000 - time.time() == pytest.approx(RESERVATION_TTL_SECONDS, abs=2)
    assert await redis_client.ttl(key) <= RESERVATION_TTL_SECONDS
    assert await try_reserve(budget, tenant, 1000) is None
    await redis_client.zadd(key, {reservation.member: deadline - RESERVATION_TTL_SECONDS * 1000 - 1})
    assert await get_used_and_reserved(budget, tenant) == (0, 0)
    assert await try_reserve(budget, tenant, 1000)
    assert await redis_client.zcard(key) == 1, "the expired reservation is removed"


async def test_an_answer_that_outlived_its_reservation_is_still_counted(
    budget: Budget, calendar: Calendar, redis_client: Any
) -> None:
    tenant = make_new_tenant(tokensPerMonth=1000)
    reservation = await budget.reserve(tenant, 1000)
    await redis_client.delete(build_reservations_key(tenant.id, tenant.uid, calendar.now))
    await budget.commit(reservation, 900)
    assert await get_used_and_reserved(budget, tenant) == (900, 0)


async def test_a_new_month_begins_with_nothing_used(
    budget: Budget, calendar: Calendar, redis_client: Any
) -> None:
    tenant = make_new_tenant(tokensPerMonth=1000)
    late = await budget.reserve(tenant, 600)
    await budget.commit(await budget.reserve(tenant, 400), 400)
    assert await try_reserve(budget, tenant, 1) is None
    november = calendar.now
    calendar.now = datetime(2026, 12, 1, tzinfo=UTC)
    assert await get_used_and_reserved(budget, tenant) == (0, 0)
    assert await try_reserve(budget, tenant, 1000)
    await budget.commit(late, 600)
    assert await redis_client.get(build_tokens_key(tenant.id, tenant.uid, november)) == "1000", (
        "the answer began in November"
    )
    assert (await budget.get_state(tenant)).used == 0
    assert 61 < await redis_client.ttl(build_tokens_key(tenant.id, tenant.uid, november)) / 86400 <= 62


async def test_a_changed_limit_takes_effect_immediately(budget: Budget) -> None:
    tenant = make_new_tenant(tokensPerMonth=1000)
    await budget.commit(await budget.reserve(tenant, 800), 800)
    lower = tenant.model_copy(update={"spec": make_new_tenant(tokensPerMonth=800).spec})
    assert await try_reserve(budget, lower, 1) is None
    higher = tenant.model_copy(update={"spec": make_new_tenant(tokensPerMonth=2000).spec})
    assert await try_reserve(budget, higher, 1200)


async def test_tenants_never_share_a_budget(budget: Budget) -> None:
    one, other = make_new_tenant(tokensPerMonth=100), make_new_tenant(tokensPerMonth=100)
    await budget.commit(await budget.reserve(one, 100), 100)
    assert await get_used_and_reserved(budget, other) == (0, 0)
    assert await try_reserve(budget, other, 100)


async def test_a_budget_of_zero_allows_no_answer(budget: Budget) -> None:
    assert await try_reserve(budget, make_new_tenant(tokensPerMonth=0), 1) is None
