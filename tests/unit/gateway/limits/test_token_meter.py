"""Whatever becomes of an answer: what was spent is paid, and what was not is given back."""

import asyncio

import pytest
from gateway.limits.budget import Reservation
from gateway.limits.tenant_metrics import TenantSeries
from gateway.limits.token_meter import Ledger
from gateway.limits.usage import Counts
from gateway.problems import BudgetExhausted
from typing_extensions import override

from tests.support.limits import FakeBudget, FakeUsage, make_ledger, metric
from tests.support.tenants import make_tenant

TENANT = make_tenant("ledger")


@pytest.fixture
def budget() -> FakeBudget:
    return FakeBudget()


@pytest.fixture
def usage() -> FakeUsage:
    return FakeUsage()


@pytest.fixture
def ledger(budget: FakeBudget, usage: FakeUsage) -> Ledger:
    return make_ledger(budget, usage)


async def ask(ledger: Ledger, *, fail: bool = False, report: bool = True) -> None:
    async with ledger.spend(TENANT, model="m", persona_id="finance", tokens=100) as spending:
        if report:
            spending.report(input_tokens=30, output_tokens=12)
        if fail:
            raise RuntimeError("the model is gone")


async def test_what_was_spent_is_paid_and_written_down(
    ledger: Ledger, budget: FakeBudget, usage: FakeUsage
) -> None:
    before = metric("tenantry_gateway_answers_total", tenant=TENANT.key)
    await ask(ledger)
    assert (budget.reserved, budget.settled, budget.released) == ([100], [42], 0)
    assert usage.recorded == [
        ("ledger", "finance", "m", Counts(requests=1, input_tokens=30, output_tokens=12))
    ]
    assert metric("tenantry_gateway_answers_total", tenant=TENANT.key) == before + 1


async def test_the_last_word_of_a_stream_counts(ledger: Ledger, budget: FakeBudget) -> None:
    async with ledger.spend(TENANT, model="m", persona_id=None, tokens=100) as spending:
        for written in range(1, 6):
            spending.report(input_tokens=30, output_tokens=written)
    assert budget.settled == [35]


@pytest.mark.parametrize("fail", [True, False], ids=["failed", "silent"])
async def test_a_model_that_reported_nothing_costs_nothing(
    ledger: Ledger, budget: FakeBudget, usage: FakeUsage, fail: bool
) -> None:
    if fail:
        with pytest.raises(RuntimeError):
            await ask(ledger, fail=True, report=False)
    else:
        await ask(ledger, report=False)
    assert (budget.settled, budget.released, usage.recorded) == ([], 1, [])


async def test_a_failure_after_the_model_answered_is_paid(ledger: Ledger, budget: FakeBudget) -> None:
    with pytest.raises(RuntimeError):
        await ask(ledger, fail=True)
    assert (budget.settled, budget.released) == ([42], 0)


async def test_a_refusal_reserves_nothing_and_never_enters(ledger: Ledger, budget: FakeBudget) -> None:
    budget.refuses = BudgetExhausted("No more.", retry_after=1)
    with pytest.raises(BudgetExhausted):
        await ask(ledger)
    assert (budget.settled, budget.released) == ([], 0)


async def test_a_caller_who_hangs_up_again_and_again_still_pays(usage: FakeUsage) -> None:
    class SlowBudget(FakeBudget):
        @override
        async def settle(self, reservation: Reservation, tokens: int) -> None:
            await asyncio.sleep(0.05)
            self.settled.append(tokens)

    budget = SlowBudget()
    ledger = Ledger(budget.as_budget(), usage.as_log(), TenantSeries(by_tenant=True))
    reported = asyncio.Event()

    async def stream() -> None:
        async with ledger.spend(TENANT, model="m", persona_id=None, tokens=100) as spending:
            spending.report(input_tokens=30, output_tokens=1)
            reported.set()
            await asyncio.sleep(60)

    streaming = asyncio.create_task(stream())
    await reported.wait()
    streaming.cancel()
    await asyncio.sleep(0.01)
    streaming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await streaming
    assert not budget.settled
    await ledger.close()
    assert budget.settled == [31]
