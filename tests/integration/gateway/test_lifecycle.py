"""Tests of startup, readiness and shutdown."""

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
from tenantry_local.parts.services import build_gateway_env

from tests.support.programs.gateway import (
    count_cross_tenant_hits,
    make_gateway_settings,
    run_gateway,
    set_environment,
)
from tests.support.programs.gateway_process import GatewayProcess, run_gateway_process, start_gateway_process
from tests.support.timing.waiting import wait_until

from .conftest import IntegrationHarness


@pytest.fixture
async def process(harness: IntegrationHarness) -> AsyncIterator[GatewayProcess]:
    async with run_gateway_process(harness.platform) as process:
        yield process


async def test_a_gateway_shuts_down_cleanly_with_a_json_log_without_secrets(
    harness: IntegrationHarness, process: GatewayProcess
) -> None:
    secret = "A sentence that stands in no log."
    headers = {"Authorization": f"Bearer {harness.token}"}
    for response in (
        await process.http.post("/v1/search", json={"query": secret}, headers=headers),
        await process.http.post(
            "/v1/documents", files={"file": ("n.txt", b"x")}, data={"personaId": "finance"}, headers=headers
        ),
    ):
        assert response.is_success, response.text
    process.process.send_signal(signal.SIGTERM)
    code, log = await process.end()
    assert code == -signal.SIGTERM, "uvicorn shuts down, then exits by the received signal"
    lines = [json.loads(line) for line in log.splitlines()]
    assert "Application shutdown complete." in {line["event"] for line in lines}
    served = [line for line in lines if line["event"] == "Request served" and line["route"].startswith("/v1")]
    assert [(line["tenant"], line["status"]) for line in served] == [
        ("tenant-gw-main", 200),
        ("tenant-gw-main", 201),
    ]
    env = build_gateway_env(harness.platform.context)
    for hidden in (secret, harness.token, env["GATEWAY_QDRANT_API_KEY"], env["GATEWAY_REDIS_URL"]):
        assert hidden not in log


async def test_a_running_request_completes_before_the_shutdown(
    harness: IntegrationHarness, process: GatewayProcess
) -> None:
    async with httpx.AsyncClient(base_url=harness.platform.parts["bedrock"].url) as bedrock:
        fault = {"operation": "InvokeModel", "fault": "delay", "delay": 1.0}
        (await bedrock.put("/standin/faults", json=fault)).raise_for_status()
    headers = {"Authorization": f"Bearer {harness.token}"}
    searching = asyncio.create_task(process.http.post("/v1/search", json={"query": "x"}, headers=headers))
    await asyncio.sleep(0.4)
    process.process.send_signal(signal.SIGTERM)
    assert (await searching).status_code == 200
    _, log = await process.end()
    assert "Application shutdown complete." in log


async def test_a_running_stream_completes_before_the_shutdown(
    harness: IntegrationHarness, process: GatewayProcess
) -> None:
    text = b"# Ferries\n\nThe ferry to Bornholm leaves at 06:30 from quay 4, every day but Sunday."
    assert (await harness.upload("ferries.md", text)).status_code == 201
    async with httpx.AsyncClient(base_url=harness.platform.parts["bedrock"].url) as bedrock:
        fault = {"operation": "ConverseStream", "fault": "streamslow"}
        (await bedrock.put("/standin/faults", json=fault)).raise_for_status()
    question = {"question": "When does the ferry to Bornholm leave?", "stream": True}
    headers = {"Authorization": f"Bearer {harness.token}"}
    async with process.http.stream("POST", "/v1/answers", json=question, headers=headers) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: words"
        process.process.send_signal(signal.SIGTERM)
        rest = [line async for line in lines]
    assert "event: answer" in rest
    assert "06:30" in "".join(rest)
    _, log = await process.end()
    assert "Application shutdown complete." in log


async def test_an_invalid_setting_stops_the_start_and_is_named(harness: IntegrationHarness) -> None:
    started = await start_gateway_process(harness.platform, 0, GATEWAY_OIDC_ISSUER="not-a-url")
    _, log = await asyncio.wait_for(started.communicate(), 30)
    assert started.returncode
    assert b"GATEWAY_OIDC_ISSUER: " in log


async def test_a_gateway_with_another_dimension_than_the_collection_does_not_start(
    harness: IntegrationHarness,
) -> None:
    assert await harness.qdrant.collection_exists(COLLECTION)
    settings = make_gateway_settings(harness.platform, embedding_dimension=512)
    with (
        set_environment(build_gateway_env(harness.platform.context)),
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
async def test_a_gateway_without_a_backend_starts_and_is_not_ready(
    harness: IntegrationHarness, overrides: dict[str, Any], missing: str
) -> None:
    async with run_gateway(harness.platform, **overrides) as gateway:
        await wait_until(lambda: gateway.context.registry.synced)
        response = await gateway.http.get("/readyz")
        assert response.status_code == 503
        (reason,) = response.json()["missing"]
        assert missing in reason
        assert (await gateway.http.get("/healthz")).status_code == 200


async def test_metrics_count_served_requests(harness: IntegrationHarness) -> None:
    await harness.search("anything")
    text = generate_latest().decode()
    assert 'tenantry_gateway_request_seconds_count{method="POST",route="/v1/search",status="2xx"}' in text
    assert f"tenantry_gateway_cross_tenant_hits_total {count_cross_tenant_hits()}" in text
    assert harness.token not in text
    assert "gw-main" not in text


async def test_without_s3_uploads_are_503_until_it_is_back(harness: IntegrationHarness) -> None:
    name = "while-away.txt"
    assert (await harness.upload(name, b"Before.")).is_success
    harness.platform.stop("aws")
    try:
        response = await harness.upload(name, b"Meanwhile.")
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
    finally:
        harness.platform.start("aws")
    # The restarted stand-in has lost its sessions.
    assert (await harness.upload(name, b"After.")).is_success
