"""Tests of the token meter: recorded tokens are settled, unused reservations are released."""

import asyncio

import pytest
from gateway.limits.budget import Reservation
from gateway.limits.tenant_metrics import TenantMetrics
from gateway.limits.token_meter import TokenMeter
from gateway.limits.usage import Counts
from gateway.problems import BudgetExhausted
from typing_extensions import override

from tests.support.fakes.limits import FakeBudget, FakeUsage, get_metric, make_token_meter
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("meter")


@pytest.fixture
def budget() -> FakeBudget:
    return FakeBudget()


@pytest.fixture
def usage() -> FakeUsage:
    return FakeUsage()


@pytest.fixture
def token_meter(budget: FakeBudget, usage: FakeUsage) -> TokenMeter:
    return make_token_meter(budget, usage)


async def run_call(token_meter: TokenMeter, *, fail: bool = False, record: bool = True) -> None:
    async with token_meter.measure(TENANT, model="m", persona_id="finance", max_tokens=100) as measured:
        if record:
            measured.record(input_tokens=30, output_tokens=12)
        if fail:
            raise RuntimeError("the model is gone")


async def test_recorded_tokens_are_settled_and_added_to_the_usage(
    token_meter: TokenMeter, budget: FakeBudget, usage: FakeUsage
) -> None:
    before = get_metric("tenantry_gateway_answers_total", tenant=TENANT.key)
    await run_call(token_meter)
    assert (budget.reserved, budget.settled, budget.released) == ([100], [42], 0)
    assert usage.recorded == [
        ("meter", "finance", "m", Counts(requests=1, input_tokens=30, output_tokens=12))
    ]
    assert get_metric("tenantry_gateway_answers_total", tenant=TENANT.key) == before + 1


async def test_the_last_recorded_value_is_settled(token_meter: TokenMeter, budget: FakeBudget) -> None:
    async with token_meter.measure(TENANT, model="m", persona_id=None, max_tokens=100) as measured:
        for written in range(1, 6):
            measured.record(input_tokens=30, output_tokens=written)
    assert budget.settled == [35]


@pytest.mark.parametrize("fail", [True, False], ids=["failed", "silent"])
async def test_a_call_that_recorded_nothing_releases_its_reservation(
    token_meter: TokenMeter, budget: FakeBudget, usage: FakeUsage, fail: bool
) -> None:
    if fail:
        with pytest.raises(RuntimeError):
            await run_call(token_meter, fail=True, record=False)
    else:
        await run_call(token_meter, record=False)
    assert (budget.settled, budget.released, usage.recorded) == ([], 1, [])


async def test_a_failure_after_recording_is_settled(token_meter: TokenMeter, budget: FakeBudget) -> None:
    with pytest.raises(RuntimeError):
        await run_call(token_meter, fail=True)
    assert (budget.settled, budget.released) == ([42], 0)


async def test_a_refused_reservation_does_not_run_the_block(
    token_meter: TokenMeter, budget: FakeBudget
) -> None:
    budget.refuses = BudgetExhausted("No more.", retry_after=1)
    with pytest.raises(BudgetExhausted):
        await run_call(token_meter)
    assert (budget.settled, budget.released) == ([], 0)


async def test_tokens_are_settled_despite_repeated_cancellation(usage: FakeUsage) -> None:
    class SlowBudget(FakeBudget):
        @override
        async def commit(self, reservation: Reservation, tokens: int) -> None:
            await asyncio.sleep(0.05)
            self.settled.append(tokens)

    budget = SlowBudget()
    token_meter = TokenMeter(
        budget.cast_to_real_class(), usage.cast_to_real_class(), TenantMetrics(by_tenant=True)
    )
    recorded_once = asyncio.Event()

    async def stream() -> None:
        async with token_meter.measure(TENANT, model="m", persona_id=None, max_tokens=100) as measured:
            measured.record(input_tokens=30, output_tokens=1)
            recorded_once.set()
            await asyncio.sleep(60)

    streaming = asyncio.create_task(stream())
    await recorded_once.wait()
    streaming.cancel()
    await asyncio.sleep(0.01)
    streaming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await streaming
    assert not budget.settled
    await token_meter.close()
    assert budget.settled == [31]
