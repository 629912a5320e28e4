"""Tests of the spans of requests."""

import httpx
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from .conftest import make_fake_app


async def test_spans_have_the_tenant_and_no_query_string() -> None:
    transport = httpx.ASGITransport(make_fake_app())
    with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        span.set_attribute("url.query", "id=a-secret")
        async with httpx.AsyncClient(transport=transport, base_url="http://file-sync.test") as http:
            headers = {"Authorization": "Bearer person-tenanta"}
            assert (await http.get("/v1/files?id=a-secret", headers=headers)).status_code == 200
        assert isinstance(span, ReadableSpan)
        assert span.attributes
        assert span.attributes["url.query"] == ""
        assert span.attributes["tenantry.tenant"] == "tenant-tenanta"
