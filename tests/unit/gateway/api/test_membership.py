"""Tests of requests whose caller loses the right to act for the tenant."""

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import pytest
from gateway.answers.service import Answer
from gateway.api.membership import Membership
from gateway.api.sse import stream_answer
from servicekit.errors import TenantryError
from tenancy.errors import NoTenant, TenantSuspended

from tests.support.tenants.manifests import make_tenant

from .conftest import FakeRegistry, FakeTokenVerifier, GatewayHarness

if TYPE_CHECKING:
    from tenancy.registry import TenantRegistry


async def make_membership(registry: FakeRegistry, tenant_id: str = "tenanta") -> Membership:
    claims = await FakeTokenVerifier().verify(f"person-{tenant_id}")
    return Membership(claims, tenant_id, cast("TenantRegistry", registry))


SUSPENDED = make_tenant("tenanta", suspended=True)
DELETING = make_tenant("tenanta", deleting=True)


@pytest.mark.parametrize("becomes", [SUSPENDED, DELETING], ids=["suspended", "deleted"])
async def test_losing_the_right_cancels_the_awaited_operation(becomes: Any) -> None:
    registry = FakeRegistry([make_tenant("tenanta")])
    member = await make_membership(registry)
    cancelled = asyncio.Event()

    async def wait_forever() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    with registry.subscribe("tenanta", member.check):
        waiting = asyncio.create_task(member.hold(wait_forever()))
        await asyncio.sleep(0)
        registry.replace(becomes)
        with pytest.raises(TenantSuspended):
            await asyncio.wait_for(waiting, 5)
    assert cancelled.is_set()


async def test_losing_the_right_between_two_pieces_ends_the_stream() -> None:
    registry = FakeRegistry([make_tenant("tenanta")])
    member = await make_membership(registry)
    registry.tenants = []
    member.check()
    with pytest.raises(NoTenant):
        await member.hold(asyncio.sleep(3600))


async def test_other_changes_of_the_tenant_cancel_nothing() -> None:
    registry = FakeRegistry([make_tenant("tenanta")])
    member = await make_membership(registry)
    with registry.subscribe("tenanta", member.check):
        waiting = asyncio.create_task(member.hold(asyncio.sleep(0.01, "done")))
        await asyncio.sleep(0)
        registry.replace(make_tenant("tenanta", display_name="Another name"))
        assert await waiting == "done"


async def test_an_external_cancellation_is_passed_on() -> None:
    member = await make_membership(FakeRegistry([make_tenant("tenanta")]))
    waiting = asyncio.create_task(member.hold(asyncio.sleep(3600)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_stream_ends_with_the_reason() -> None:
    registry = FakeRegistry([make_tenant("tenanta")])
    member = await make_membership(registry)
    closed = asyncio.Event()

    async def stream_pieces() -> Any:
        try:
            yield "One. "
            await asyncio.sleep(3600)
            yield Answer("One.", "a-model")
        finally:
            closed.set()

    def read_until_error(problem: TenantryError) -> bytes:
        return problem.detail.encode()

    response = await stream_answer(
        stream_pieces(),
        member,
        encode_text=str.encode,
        encode_answer=lambda answer: answer.text.encode(),
        encode_error=read_until_error,
    )
    body = cast("Any", response.body_iterator)
    with registry.subscribe("tenanta", member.check):
        async with aclosing(body):
            assert await anext(body) == b"One. "
            coming = asyncio.ensure_future(anext(body))
            await asyncio.sleep(0)
            registry.replace(SUSPENDED)
            assert b"is suspended" in await asyncio.wait_for(coming, 5)
            with pytest.raises(StopAsyncIteration):
                await anext(body)
    assert closed.is_set()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/answers", {"question": "What is the budget?"}),
        ("/v1/chat/completions", {"model": "finance", "messages": [{"role": "user", "content": "Budget?"}]}),
    ],
)
async def test_losing_the_right_cancels_an_unstreamed_answer(
    harness: GatewayHarness, path: str, body: dict[str, Any]
) -> None:
    await harness.upload()
    hanging = asyncio.Event()

    async def hang(_: str) -> None:
        hanging.set()
        await asyncio.sleep(3600)

    harness.bedrock.before_embedding = hang
    asking = asyncio.create_task(harness.post(path, json=body))
    await hanging.wait()
    harness.registry.replace(SUSPENDED)
    response = await asyncio.wait_for(asking, 5)
    assert response.status_code == 403
    assert "tenant-suspended" in response.text
    assert not harness.registry.listeners
