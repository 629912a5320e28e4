"""Start, readiness and end, as a process and inside one."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from gateway.context import open_context
from gateway.problems import DimensionMismatch
from prometheus_client import generate_latest
from tenancy.names import COLLECTION
from tenantry_local.parts.services import gateway_env

from tests.support.gateway import environment, foreign_hits, gateway_settings, running_gateway
from tests.support.ports import free_port
from tests.support.waiting import until

from .conftest import Process, World, start


@pytest.fixture
async def process(world: World) -> AsyncIterator[Process]:
    port = free_port()
    started = await start(world, port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        process = Process(started, http)
        await until(process.is_ready, seconds=60)
        yield process
    if started.returncode is None:
        started.kill()
        await started.wait()


async def test_a_gateway_ends_in_order_and_its_log_is_json_without_secrets(
    world: World, process: Process
) -> None:
    secret = "A sentence that stands in no log."
    headers = {"Authorization": f"Bearer {world.token}"}
    for response in (
        await process.http.post("/v1/search", json={"query": secret}, headers=headers),
        await process.http.post(
            "/v1/documents", files={"file": ("n.txt", b"x")}, data={"personaId": "finance"}, headers=headers
        ),
    ):
        assert response.is_success, response.text
    process.process.send_signal(signal.SIGTERM)
    code, log = await process.end()
    assert code == -signal.SIGTERM, "uvicorn tidies up, then dies of the signal that it was sent"
    lines = [json.loads(line) for line in log.splitlines()]
    assert "Application shutdown complete." in {line["event"] for line in lines}
    served = [line for line in lines if line["event"] == "Request served" and line["route"].startswith("/v1")]
    assert [(line["tenant"], line["status"]) for line in served] == [
        ("tenant-gw-main", 200),
        ("tenant-gw-main", 201),
    ]
    env = gateway_env(world.platform.context)
    for hidden in (secret, world.token, env["GATEWAY_QDRANT_API_KEY"], env["GATEWAY_REDIS_URL"]):
        assert hidden not in log


async def test_a_request_under_way_is_finished_before_the_end(world: World, process: Process) -> None:
    async with httpx.AsyncClient(base_url=world.platform.parts["bedrock"].url) as bedrock:
        fault = {"operation": "InvokeModel", "fault": "delay", "delay": 1.0}
        (await bedrock.put("/standin/faults", json=fault)).raise_for_status()
    headers = {"Authorization": f"Bearer {world.token}"}
    searching = asyncio.create_task(process.http.post("/v1/search", json={"query": "x"}, headers=headers))
    await asyncio.sleep(0.4)
    process.process.send_signal(signal.SIGTERM)
    assert (await searching).status_code == 200
    _, log = await process.end()
    assert "Application shutdown complete." in log


async def test_a_stream_under_way_comes_to_its_end(world: World, process: Process) -> None:
    text = b"# Ferries\n\nThe ferry to Bornholm leaves at 06:30 from quay 4, every day but Sunday."
    assert (await world.upload("ferries.md", text)).status_code == 201
    async with httpx.AsyncClient(base_url=world.platform.parts["bedrock"].url) as bedrock:
        fault = {"operation": "ConverseStream", "fault": "streamslow"}
        (await bedrock.put("/standin/faults", json=fault)).raise_for_status()
    question = {"question": "When does the ferry to Bornholm leave?", "stream": True}
    headers = {"Authorization": f"Bearer {world.token}"}
    async with process.http.stream("POST", "/v1/answers", json=question, headers=headers) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: words"
        process.process.send_signal(signal.SIGTERM)
        rest = [line async for line in lines]
    assert "event: answer" in rest
    assert "06:30" in "".join(rest)
    _, log = await process.end()
    assert "Application shutdown complete." in log


async def test_a_wrong_setting_stops_the_start_and_is_named(world: World) -> None:
    started = await start(world, 0, GATEWAY_OIDC_ISSUER="not-a-url")
    _, log = await asyncio.wait_for(started.communicate(), 30)
    assert started.returncode
    assert b"oidc_issuer" in log


async def test_another_dimension_than_the_collections_refuses_to_start(world: World) -> None:
    assert await world.qdrant.collection_exists(COLLECTION)
    settings = gateway_settings(world.platform, embedding_dimension=512)
    with (
        environment(gateway_env(world.platform.context)),
        pytest.raises(DimensionMismatch, match="768 numbers"),
    ):
        async with open_context(settings):
            pass


@pytest.mark.parametrize(
    ("overrides", "missing"),
    [
        pytest.param({"qdrant_url": "http://127.0.0.1:9"}, "backend is not available", id="qdrant"),
        pytest.param(
            {"oidc_issuer": "http://127.0.0.1:9/realms/x"}, "identity provider's keys", id="keycloak"
        ),
    ],
)
async def test_a_gateway_whose_backend_is_away_starts_and_says_what_it_waits_for(
    world: World, overrides: dict[str, Any], missing: str
) -> None:
    async with running_gateway(world.platform, **overrides) as gateway:
        await until(lambda: gateway.context.registry.synced)
        response = await gateway.http.get("/readyz")
        assert response.status_code == 503
        (reason,) = response.json()["missing"]
        assert missing in reason
        assert (await gateway.http.get("/healthz")).status_code == 200


async def test_metrics_count_what_was_served(world: World) -> None:
    await world.search("anything")
    text = generate_latest().decode()
    assert 'tenantry_gateway_request_seconds_count{method="POST",route="/v1/search",status="2xx"}' in text
    assert f"tenantry_gateway_foreign_hits_total {foreign_hits()}" in text
    assert world.token not in text
    assert "gw-main" not in text


async def test_s3_away_is_a_503_and_it_heals_when_s3_is_back(world: World) -> None:
    name = "while-away.txt"
    assert (await world.upload(name, b"Before.")).is_success
    world.platform.stop("aws")
    try:
        response = await world.upload(name, b"Meanwhile.")
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
    finally:
        world.platform.start("aws")
    # It came back without the sessions that it had given.
    assert (await world.upload(name, b"After.")).is_success
