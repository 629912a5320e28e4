"""OpenTelemetry tracing of requests across services.

Spans are exported if the standard variables name an endpoint (``OTEL_EXPORTER_OTLP_ENDPOINT`` or
``..._TRACES_ENDPOINT``); all other ``OTEL_`` variables of the SDK apply, too. Without an endpoint a span
costs almost nothing. Spans contain names, figures and the tenant key. They contain no question, document or
credential, and no message of an exception, which could quote them.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["export_spans", "get_trace_id"]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@asynccontextmanager
async def export_spans(service: str) -> AsyncIterator[None]:
    """Export spans by OTLP while the block runs, if an endpoint is configured."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        yield
        return
    # Imported here so that only exporting processes pay for the SDK's memory.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        # Flushes the rest. The interpreter's exit handlers do not run when a signal ends the process.
        await asyncio.to_thread(provider.shutdown)


def get_trace_id(headers: Mapping[str, str]) -> str | None:
    """Return the trace id of a request, sampled or not; ``None`` without a trace.

    Parameters
    ----------
    headers
        Headers of the request. W3C's ``traceparent`` is read; a malformed one is ignored.
    """
    span = trace.get_current_span()
    if not span.get_span_context().is_valid:
        span = trace.get_current_span(TraceContextTextMapPropagator().extract(headers))
    context = span.get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None
