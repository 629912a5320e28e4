"""Tests that n8n stores the data of an execution only until the next pruning, also after a crash.

n8n passes executions to workers through its database. So a row holds the caller's data while the execution
runs, and until the next pruning.
"""

import asyncio
import json
from collections.abc import Iterator

import pytest
import redis
from tenantry_local.parts.redis import N8N_DATABASE, Redis
from tenantry_local.platform import Platform

from tests.support.fakes.gateway import StubResponse
from tests.support.timing.waiting import wait_until

from .conftest import N8nHarness

SECRETS = (
    "s3cret-token",
    "s3cret-ticket",
    "s3cret question",
    "s3cret history",
    "s3cret answer",
    "s3cret problem",
)
QUESTION = {"question": "s3cret question", "history": [{"role": "user", "text": "s3cret history"}]}
ANSWER = StubResponse(
    200, json.dumps({"answer": "s3cret answer"}).encode(), {"content-type": "application/json"}
)
PROBLEM = StubResponse(422, b'{"detail": "s3cret problem"}', {"content-type": "application/problem+json"})

PRUNE_TIMEOUT_SECONDS = 30.0
"""Longest wait for the pruning, which runs every six seconds or later."""


@pytest.fixture
def store(backends: Platform) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(Redis(backends.context).build_url(N8N_DATABASE)) as client:
        yield client


def list_execution_data(harness: N8nHarness) -> list[str]:
    return [row["data"] for row in harness.n8n.fetch_rows("select data from execution_data")]


def find_secrets(text: str) -> set[str]:
    return {secret for secret in SECRETS if secret in text}


async def wait_until_pruned(harness: N8nHarness) -> None:
    await wait_until(
        lambda: not harness.n8n.fetch_rows("select id from execution_entity"), seconds=PRUNE_TIMEOUT_SECONDS
    )


async def prune_left_execution(harness: N8nHarness) -> None:
    """Age an abandoned execution by two hours; check that its data existed and is pruned."""
    assert find_secrets("".join(list_execution_data(harness)))
    harness.n8n.execute("update execution_entity set \"stoppedAt\" = now() - interval '2 hours'")
    await wait_until_pruned(harness)
    assert not list_execution_data(harness)
    assert not find_secrets(harness.n8n.dump())


async def run_every_kind_of_execution(harness: N8nHarness) -> None:
    token, ticket = "Bearer s3cret-token", "Ticket s3cret-ticket"
    harness.gateway.set_responses(ANSWER)
    await harness.send_chat(QUESTION, token)
    await harness.upload(ticket)
    harness.gateway.set_responses(PROBLEM)
    await harness.send_chat(QUESTION, token)
    await harness.upload(ticket)
    harness.gateway.set_responses(StubResponse(503, PROBLEM.body, {"retry-after": "1"}), ANSWER)
    await harness.upload(ticket)
    await harness.send_chat(QUESTION, "Basic s3cret-token")
    harness.connection.cut()
    await harness.send_chat(QUESTION, token)
    await harness.upload(ticket)


async def test_the_database_keeps_no_execution(harness: N8nHarness) -> None:
    await run_every_kind_of_execution(harness)
    await wait_until_pruned(harness)
    assert not list_execution_data(harness)
    assert not find_secrets(harness.n8n.dump())


async def test_logs_and_files_of_n8n_contain_no_secret(harness: N8nHarness) -> None:
    await run_every_kind_of_execution(harness)
    await wait_until_pruned(harness)
    for role in ("main", "webhook", "worker"):
        assert not find_secrets(harness.n8n.read_output(role))
    for file in (file for folder in harness.n8n.folders for file in folder.rglob("*")):
        if file.is_file():
            assert not find_secrets(file.read_text(errors="replace")), file


async def test_redis_contains_no_secret(harness: N8nHarness, store: redis.Redis) -> None:
    await run_every_kind_of_execution(harness)
    await wait_until(lambda: not list(store.scan_iter("bull:jobs:[0-9]*")), seconds=PRUNE_TIMEOUT_SECONDS)
    assert store.exists("bull:jobs:id")  # the queue is in this database
    for key in store.scan_iter("*"):
        if store.type(key) == b"string":
            assert not find_secrets(str(store.get(key)))


async def test_a_running_execution_is_a_row_with_the_callers_data(harness: N8nHarness) -> None:
    """This test documents unwanted behaviour of n8n, the reason for the pruning settings."""
    harness.gateway.set_responses(StubResponse(200, ANSWER.body, ANSWER.headers, seconds=2.0))
    request = asyncio.create_task(harness.send_chat(QUESTION, "Bearer s3cret-token"))
    await wait_until(lambda: len(harness.gateway.received) == 1)
    (running,) = harness.n8n.fetch_rows('select status from execution_entity where "deletedAt" is null')
    assert running == {"status": "running"}
    assert {"s3cret-token", "s3cret question", "s3cret history"} <= find_secrets(
        "".join(list_execution_data(harness))
    )
    assert (await request).status_code == 200
    await wait_until_pruned(harness)
    assert not list_execution_data(harness)


async def test_the_execution_of_a_dead_worker_is_pruned(harness: N8nHarness, store: redis.Redis) -> None:
    """The test removes worker and queue together, so no worker resumes the execution."""
    harness.gateway.set_responses(StubResponse(200, ANSWER.body, ANSWER.headers, seconds=60.0))
    request = asyncio.create_task(harness.send_chat(QUESTION, "Bearer s3cret-token"))
    try:
        await wait_until(lambda: len(harness.gateway.received) == 1)
        harness.n8n.kill("worker")
        for key in store.scan_iter("bull:jobs:*"):
            store.delete(key)
        await wait_until(lambda: _list_statuses(harness) == ["crashed"], seconds=PRUNE_TIMEOUT_SECONDS)
        await prune_left_execution(harness)
    finally:
        request.cancel()
        harness.n8n.start("worker")
        await harness.n8n.wait_until_healthy("worker")
    harness.gateway.set_responses()
    assert (await harness.send_chat(QUESTION)).status_code == 200


def _list_statuses(harness: N8nHarness) -> list[str]:
    return [row["status"] for row in harness.n8n.fetch_rows("select status from execution_entity")]


async def test_a_caller_gets_500_if_the_worker_dies_and_the_question_is_not_repeated(
    harness: N8nHarness,
) -> None:
    harness.gateway.set_responses(StubResponse(200, ANSWER.body, ANSWER.headers, seconds=600.0))
    request = asyncio.create_task(harness.send_chat(QUESTION, "Bearer s3cret-token"))
    await wait_until(lambda: len(harness.gateway.received) == 1)
    harness.n8n.kill("worker")
    harness.n8n.start("worker")
    response = await request
    assert response.status_code == 500
    assert not response.headers["content-type"].startswith("application/problem+json")
    assert len(harness.gateway.received) == 1
    await harness.n8n.wait_until_healthy("worker")
    await wait_until_pruned(harness)
    assert not list_execution_data(harness)
