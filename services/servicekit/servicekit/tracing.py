"""OpenTelemetry: which request waited for what, across services.

Spans are made everywhere and cost next to nothing while nobody collects them. They are sent when the
standard variables say where to (``OTEL_EXPORTER_OTLP_ENDPOINT`` or ``..._TRACES_ENDPOINT``); every other
``OTEL_`` variable of the SDK counts, too. A span holds names, figures and the tenant's key: no question, no
document, no credential, and no words of an exception, which could quote them.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["exporting", "trace_id"]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@asynccontextmanager
async def exporting(service: str) -> AsyncIterator[None]:
    """Send this process's spans by OTLP while the block runs, when a collector is configured."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        yield
        return
    # Only who sends pays for the SDK's memory.
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
        # Sends what is left. Not left to the interpreter: a process that ends by a signal does not get there.
        await asyncio.to_thread(provider.shutdown)


def trace_id(headers: Mapping[str, str]) -> str | None:
    """Return the id of the trace that a request is part of, collected or not; ``None`` where it is of none.

    Parameters
    ----------
    headers
        The request's; W3C's ``traceparent`` counts, and a malformed one is none.
    """
    span = trace.get_current_span()
    if not span.get_span_context().is_valid:
        span = trace.get_current_span(TraceContextTextMapPropagator().extract(headers))
    context = span.get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None
