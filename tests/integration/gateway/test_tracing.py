"""Tests of exported traces (OTLP over HTTP) of a gateway in a separate process."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.programs.gateway import serve_app
from tests.support.programs.gateway_process import GatewayProcess, run_gateway_process

from .conftest import IntegrationHarness

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
QUESTION = "A question that no collector shall read?"


class Collector:
    """Fake collector that stores spans."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def record_export(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        return Response(media_type="application/x-protobuf")

    @property
    def spans(self) -> list[Span]:
        exports = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for export in exports
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
async def collector() -> Collector:
    return Collector()


@pytest.fixture
async def process(harness: IntegrationHarness, collector: Collector) -> AsyncIterator[GatewayProcess]:
    app = Starlette(routes=[Route("/v1/traces", collector.record_export, methods=["POST"])])
    async with (
        serve_app(app) as url,
        run_gateway_process(harness.platform, OTEL_EXPORTER_OTLP_ENDPOINT=url) as process,
    ):
        yield process


async def test_a_request_is_one_trace_from_the_caller_to_all_backends(
    harness: IntegrationHarness, process: GatewayProcess, collector: Collector
) -> None:
    response = await process.http.post(
        "/v1/answers",
        json={"question": QUESTION},
        headers={"Authorization": f"Bearer {harness.token}", "traceparent": f"00-{TRACE}-{PARENT}-01"},
    )
    assert response.status_code == 200, response.text
    process.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.end(), 30)
    ours = [span for span in collector.spans if span.trace_id.hex() == TRACE]
    spans = {span.name: span for span in ours}
    served = spans["POST /v1/answers"]
    assert served.parent_span_id.hex() == PARENT
    attributes = {attribute.key: attribute.value for attribute in served.attributes}
    assert attributes["tenantry.tenant"].string_value == "tenant-gw-main"
    assert attributes["http.response.status_code"].int_value == 200
    for stage in ("auth", "limit", "embed", "search"):
        assert spans[stage].parent_span_id == served.span_id, stage
    assert spans["bedrock embed"].parent_span_id == spans["embed"].span_id
    searches = {span.span_id for span in ours if span.name == "search"}  # one span reads neighbours
    assert spans["qdrant search"].parent_span_id in searches
    sent = b"".join(collector.bodies)
    assert QUESTION.encode() not in sent
    assert harness.token.encode() not in sent
