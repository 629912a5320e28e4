"""Tests of the answer cache with the same question and document in several tenants."""

from typing import Any

from redis.asyncio import Redis
from tenancy.names import build_answers_key
from tenantry_local.parts.redis import Redis as RedisPart

from .conftest import DEDICATED, MARKERS, QUESTION, A, B, IsolationHarness

REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/answers": {"question": QUESTION, "personaId": "finance"},
    "/v1/chat/completions": {"model": "finance", "messages": [{"role": "user", "content": QUESTION}]},
}


async def ask(harness: IsolationHarness, tenant_id: str, path: str, *, stream: bool = False) -> str:
    """Ask as a person of the tenant; return the ``Cache-Status``."""
    response = await harness.post(path, f"person of {tenant_id}", json={**REQUESTS[path], "stream": stream})
    assert response.status_code == 200, response.text
    shown = {marker for marker in MARKERS.values() if marker in response.text}
    assert shown == {MARKERS[tenant_id]}, "only the tenant's own secret"
    return str(response.headers["cache-status"])


async def test_the_same_question_is_answered_from_each_tenants_documents(harness: IsolationHarness) -> None:
    for tenant_id in (A, B, DEDICATED):
        await harness.upload_secret(tenant_id)
    # Each operation has a separate answer format, so its first request is a miss.
    for path in REQUESTS:
        first = [await ask(harness, tenant_id, path) for tenant_id in (A, B, DEDICATED)]
        assert first == ["tenantry-answers; fwd=miss"] * 3, "another tenant's answer is not a hit"
    for stream in (False, True):
        for path in REQUESTS:
            for tenant_id in (B, DEDICATED, A):
                assert await ask(harness, tenant_id, path, stream=stream) == "tenantry-answers; hit"


async def test_a_write_of_one_tenant_keeps_the_cached_answers_of_another(harness: IsolationHarness) -> None:
    await ask(harness, B, "/v1/answers")
    await harness.upload_secret(A)
    assert await ask(harness, B, "/v1/answers") == "tenantry-answers; hit"
    assert await ask(harness, A, "/v1/answers") == "tenantry-answers; fwd=miss"


async def test_cached_answers_are_under_their_tenants_key(harness: IsolationHarness) -> None:
    for tenant_id in (A, B):
        await ask(harness, tenant_id, "/v1/answers")
    url = RedisPart(harness.platform.context).url_with_password
    async with Redis.from_url(url, decode_responses=True, protocol=2) as redis:
        for tenant_id in (A, B):
            cached = str(await redis.hgetall(build_answers_key(tenant_id, harness.get_uid(tenant_id))))
            assert {marker for marker in MARKERS.values() if marker in cached} == {MARKERS[tenant_id]}
