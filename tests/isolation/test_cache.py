"""The same question about the same document in two tenants: a kept answer never crosses over."""

from typing import Any

from redis.asyncio import Redis
from tenancy.names import answers_key
from tenantry_local.parts.redis import Redis as RedisPart

from .conftest import DEDICATED, MARKERS, QUESTION, A, B, World

DOORS: dict[str, dict[str, Any]] = {
    "/v1/answers": {"question": QUESTION, "personaId": "finance"},
    "/v1/chat/completions": {"model": "finance", "messages": [{"role": "user", "content": QUESTION}]},
}


async def ask(world: World, tenant_id: str, path: str, *, stream: bool = False) -> str:
    """Ask as a person of the tenant; return what the cache did."""
    response = await world.post(path, f"person of {tenant_id}", json={**DOORS[path], "stream": stream})
    assert response.status_code == 200, response.text
    shown = {marker for marker in MARKERS.values() if marker in response.text}
    assert shown == {MARKERS[tenant_id]}, "one's own secret, and nobody else's"
    return str(response.headers["cache-status"])


async def test_the_very_same_question_is_answered_from_ones_own_documents(world: World) -> None:
    for tenant_id in (A, B, DEDICATED):
        await world.plant(tenant_id)
    # Each of these shows an answer in a format of its own, so each is asked for the first time.
    for path in DOORS:
        first = [await ask(world, tenant_id, path) for tenant_id in (A, B, DEDICATED)]
        assert first == ["tenantry-answers; fwd=miss"] * 3, "another tenant's answer is no hit"
    for stream in (False, True):
        for path in DOORS:
            for tenant_id in (B, DEDICATED, A):
                assert await ask(world, tenant_id, path, stream=stream) == "tenantry-answers; hit"


async def test_a_change_in_one_tenant_leaves_the_answers_of_another(world: World) -> None:
    await ask(world, B, "/v1/answers")
    await world.plant(A)
    assert await ask(world, B, "/v1/answers") == "tenantry-answers; hit"
    assert await ask(world, A, "/v1/answers") == "tenantry-answers; fwd=miss"


async def test_what_is_kept_lies_under_its_tenants_key(world: World) -> None:
    for tenant_id in (A, B):
        await ask(world, tenant_id, "/v1/answers")
    url = RedisPart(world.platform.context).url_with_password
    async with Redis.from_url(url, decode_responses=True, protocol=2) as redis:
        for tenant_id in (A, B):
            kept = str(await redis.hgetall(answers_key(tenant_id, world.uid(tenant_id))))
            assert {marker for marker in MARKERS.values() if marker in kept} == {MARKERS[tenant_id]}
