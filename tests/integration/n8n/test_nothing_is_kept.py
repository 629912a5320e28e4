"""What n8n keeps of what passes through it: nothing after some seconds; when something dies, not for long.

n8n has no other place for an execution that waits for a worker than its database: while it runs, and until
the next sweep, its row holds what the caller sent.
"""

import asyncio
import json
from collections.abc import Iterator

import pytest
import redis
from tenantry_local.parts.redis import N8N_DATABASE, Redis
from tenantry_local.platform import Platform

from tests.support.fake_gateway import Answer
from tests.support.waiting import until

from .conftest import Stage

SECRETS = (
    "s3cret-token",
    "s3cret-ticket",
    "s3cret question",
    "s3cret history",
    "s3cret answer",
    "s3cret problem",
)
QUESTION = {"question": "s3cret question", "history": [{"role": "user", "text": "s3cret history"}]}
ANSWER = Answer(200, json.dumps({"answer": "s3cret answer"}).encode(), {"content-type": "application/json"})
PROBLEM = Answer(422, b'{"detail": "s3cret problem"}', {"content-type": "application/problem+json"})

SWEPT_SECONDS = 30.0
"""n8n sweeps every six seconds, on a busy machine later."""


@pytest.fixture
def store(backends: Platform) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(Redis(backends.context).url_for(N8N_DATABASE)) as client:
        yield client


def rows(stage: Stage) -> list[str]:
    return [row["data"] for row in stage.n8n.sql("select data from execution_data")]


def told(text: str) -> set[str]:
    return {secret for secret in SECRETS if secret in text}


async def swept(stage: Stage) -> None:
    await until(lambda: not stage.n8n.sql("select id from execution_entity"), seconds=SWEPT_SECONDS)


async def grown_old(stage: Stage) -> None:
    """Let an hour pass for an execution that was left behind: it is gone then, and was there before."""
    assert told("".join(rows(stage)))
    stage.n8n.execute("update execution_entity set \"stoppedAt\" = now() - interval '2 hours'")
    await swept(stage)
    assert not rows(stage)
    assert not told(stage.n8n.dump())


async def every_kind_of_execution(stage: Stage) -> None:
    token, ticket = "Bearer s3cret-token", "Ticket s3cret-ticket"
    stage.gateway.will_answer(ANSWER)
    await stage.chat(QUESTION, token)
    await stage.upload(ticket)
    stage.gateway.will_answer(PROBLEM)
    await stage.chat(QUESTION, token)
    await stage.upload(ticket)
    stage.gateway.will_answer(Answer(503, PROBLEM.body, {"retry-after": "1"}), ANSWER)
    await stage.upload(ticket)
    await stage.chat(QUESTION, "Basic s3cret-token")
    stage.way.cut()
    await stage.chat(QUESTION, token)
    await stage.upload(ticket)


async def test_the_database_forgets_every_kind_of_execution(stage: Stage) -> None:
    await every_kind_of_execution(stage)
    await swept(stage)
    assert not rows(stage)
    assert not told(stage.n8n.dump())


async def test_no_log_and_no_file_of_n8n_ever_holds_them(stage: Stage) -> None:
    await every_kind_of_execution(stage)
    await swept(stage)
    for role in ("main", "webhook", "worker"):
        assert not told(stage.n8n.output(role))
    for file in (file for folder in stage.n8n.folders for file in folder.rglob("*")):
        if file.is_file():
            assert not told(file.read_text(errors="replace")), file


async def test_redis_forgets_them(stage: Stage, store: redis.Redis) -> None:
    await every_kind_of_execution(stage)
    await until(lambda: not list(store.scan_iter("bull:jobs:[0-9]*")), seconds=SWEPT_SECONDS)
    assert store.exists("bull:jobs:id")  # this is where n8n's queue is
    for key in store.scan_iter("*"):
        if store.type(key) == b"string":
            assert not told(str(store.get(key)))


async def test_while_it_runs_an_execution_is_a_row_with_what_the_caller_sent(stage: Stage) -> None:
    """Not wished for: it is what the settings of pruning are for."""
    stage.gateway.will_answer(Answer(200, ANSWER.body, ANSWER.headers, seconds=2.0))
    asked = asyncio.create_task(stage.chat(QUESTION, "Bearer s3cret-token"))
    await until(lambda: len(stage.gateway.seen) == 1)
    (running,) = stage.n8n.sql('select status from execution_entity where "deletedAt" is null')
    assert running == {"status": "running"}
    assert {"s3cret-token", "s3cret question", "s3cret history"} <= told("".join(rows(stage)))
    assert (await asked).status_code == 200
    await swept(stage)
    assert not rows(stage)


async def test_what_a_dead_worker_leaves_is_found_and_pruned(stage: Stage, store: redis.Redis) -> None:
    """Worker and queue die together, so nobody takes the execution up again."""
    stage.gateway.will_answer(Answer(200, ANSWER.body, ANSWER.headers, seconds=60.0))
    asked = asyncio.create_task(stage.chat(QUESTION, "Bearer s3cret-token"))
    try:
        await until(lambda: len(stage.gateway.seen) == 1)
        stage.n8n.kill("worker")
        for key in store.scan_iter("bull:jobs:*"):
            store.delete(key)
        await until(lambda: _statuses(stage) == ["crashed"], seconds=SWEPT_SECONDS)
        await grown_old(stage)
    finally:
        asked.cancel()
        stage.n8n.start("worker")
        await stage.n8n.healthy("worker")
    stage.gateway.will_answer()
    assert (await stage.chat(QUESTION)).status_code == 200


def _statuses(stage: Stage) -> list[str]:
    return [row["status"] for row in stage.n8n.sql("select status from execution_entity")]


async def test_a_caller_whose_worker_dies_is_told_and_the_gateway_asked_no_second_time(stage: Stage) -> None:
    stage.gateway.will_answer(Answer(200, ANSWER.body, ANSWER.headers, seconds=600.0))
    asked = asyncio.create_task(stage.chat(QUESTION, "Bearer s3cret-token"))
    await until(lambda: len(stage.gateway.seen) == 1)
    stage.n8n.kill("worker")
    stage.n8n.start("worker")
    response = await asked
    assert response.status_code == 500
    assert not response.headers["content-type"].startswith("application/problem+json")
    assert len(stage.gateway.seen) == 1
    await stage.n8n.healthy("worker")
    await swept(stage)
    assert not rows(stage)
