"""Replay of the response to a repeated write with the same ``Idempotency-Key``."""

import asyncio
from typing import Any

import httpx
import pytest
from gateway.problems import DocumentBusy
from servicekit.errors import RemoteUnavailable
from tenancy.names import document_id_for
from tenancy.tickets import Ticket

from tests.support.waiting import until

from .conftest import World

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
STORED = "tenant-tenanta/finance/documents/doc-1/a.md"
PATH = f"/v1/documents/{document_id_for('tenanta', 'finance', 'a.md')}"


async def upload(
    world: World,
    content: bytes = b"The budget is $5.",
    *,
    who: str = "person-tenanta",
    persona: str = "finance",
    name: str = "a.md",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    return await world.http.post(
        "/v1/documents",
        headers={"Authorization": f"Bearer {who}", **(KEY if headers is None else headers)},
        files={"file": (name, content)},
        data={"personaId": persona},
    )


async def delete(world: World, who: str = "person-tenanta", **headers: str) -> httpx.Response:
    return await world.http.delete(PATH, headers={"Authorization": f"Bearer {who}", **headers})


def replayed(response: httpx.Response) -> bool:
    return bool(response.headers.get("Idempotent-Replayed") == "true")


async def test_an_upload_that_is_sent_again_is_answered_again_and_done_once(world: World) -> None:
    first = await upload(world)
    again = await upload(world)
    assert (first.status_code, replayed(first)) == (201, False)
    assert (again.status_code, again.content, replayed(again)) == (201, first.content, True)
    assert again.headers["content-type"] == first.headers["content-type"] == "application/json"
    assert len(world.usage.recorded) == 1, "embedded once"


async def test_without_a_key_the_answer_is_the_same_and_the_work_is_done_each_time(world: World) -> None:
    with_key, without = await upload(world), await upload(world, headers={})
    assert without.json() == with_key.json()
    assert not replayed(without)
    assert len(world.usage.recorded) == 2


async def test_a_delete_that_is_sent_again_is_a_success_again(world: World) -> None:
    await upload(world, headers={})
    for expected in (False, True):
        response = await delete(world, **KEY)
        assert (response.status_code, response.content, replayed(response)) == (204, b"", expected)
    assert (await delete(world)).status_code == 404


async def test_a_delete_that_is_sent_again_does_not_delete_what_was_uploaded_since(world: World) -> None:
    await upload(world, headers={})
    await delete(world, **KEY)
    await upload(world, headers={})
    assert (await delete(world, **KEY)).status_code == 204
    assert world.objects.contents


async def test_a_ticket_that_is_redeemed_again_is_answered_again(world: World) -> None:
    world.objects.contents[STORED] = b"From S3."
    answers = []
    for _ in range(2):
        ticket = world.issuer.issue(Ticket("tenanta", "uid-tenanta", "finance", "doc-1", "a.md"))
        headers = {"Authorization": f"Ticket {ticket}", **KEY}
        answers.append(await world.http.post("/v1/documents", headers=headers))
    assert [each.status_code for each in answers] == [201, 201]
    assert [replayed(each) for each in answers] == [False, True]
    assert len(world.usage.recorded) == 1


@pytest.mark.parametrize(
    "other",
    [{"content": b"The budget is $6."}, {"persona": "hr"}, {"name": "b.md"}],
    ids=["content", "persona", "name"],
)
async def test_a_key_that_was_used_for_another_request_is_refused(world: World, other: Any) -> None:
    await upload(world)
    response = await upload(world, **other)
    assert response.status_code == 422
    assert response.json()["type"].endswith("/idempotency-key-reused")
    assert list(world.objects.contents.values()) == [b"The budget is $5."]


async def test_a_key_is_its_callers_own(world: World) -> None:
    await upload(world)
    # A colleague may not replace a document of the same name; the key alone is what this is about.
    for who, name in (("person-tenantb", "a.md"), ("colleague-tenanta", "colleague.md")):
        response = await upload(world, who=who, name=name)
        assert (response.status_code, replayed(response)) == (201, False)
    assert {key.partition(":")[0] for key in world.keys.values} == {"tenant-tenanta", "tenant-tenantb"}
    assert not [key for key in world.keys.values if KEY["Idempotency-Key"] in key]


async def test_a_key_counts_for_one_method_and_path(world: World) -> None:
    await upload(world)
    response = await delete(world, **KEY)
    assert (response.status_code, replayed(response)) == (204, False)


async def test_a_refusal_is_given_again_under_the_id_of_the_request_that_asks(world: World) -> None:
    first, again = await upload(world, persona="nobody"), await upload(world, persona="nobody")
    assert (first.status_code, again.status_code) == (404, 404)
    assert (replayed(first), replayed(again)) == (False, True)
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json() == {**first.json(), "instance": again.headers["X-Request-ID"]}


@pytest.mark.parametrize(
    "passing",
    [
        RemoteUnavailable("bedrock", "embed", "throttled"),
        DocumentBusy("Somebody is at it.", retry_after=5),
    ],
    ids=["5xx", "409"],
)
async def test_what_passes_with_time_is_tried_anew(world: World, passing: Exception) -> None:
    world.bedrock.fails = passing
    assert (await upload(world)).status_code in (409, 503)
    world.bedrock.fails = None
    response = await upload(world)
    assert (response.status_code, replayed(response)) == (201, False)


async def test_an_unexpected_error_is_not_remembered(world: World) -> None:
    world.bedrock.fails = RuntimeError("a fault of ours")
    assert (await upload(world)).status_code == 500
    world.bedrock.fails = None
    assert (await upload(world)).status_code == 201


async def test_while_the_first_is_under_way_the_second_is_told_to_come_back(world: World) -> None:
    document_id = document_id_for("tenanta", "finance", "a.md")
    async with world.journal.acquire(world.registry.tenants[0], document_id):
        first = asyncio.create_task(upload(world))
        await until(lambda: bool(world.keys.values))
        second = await upload(world)
    assert second.status_code == 409
    assert second.json()["type"].endswith("/idempotency-key-busy")
    assert int(second.headers["Retry-After"]) > 0
    assert (await first).status_code == 201
    assert replayed(await upload(world))


async def test_without_redis_a_request_with_a_key_is_not_done(world: World) -> None:
    world.keys.away = True
    response = await upload(world)
    assert response.status_code == 503
    assert response.json()["type"].endswith("/writes-unavailable")
    assert "Retry-After" in response.headers
    assert not world.objects.contents
    assert (await upload(world, headers={})).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "  ", "k" * 256, "ké", "a\tb"], ids=repr)
async def test_a_bad_key_is_refused_and_nothing_is_done(world: World, key: str) -> None:
    response = await upload(world, headers={"Idempotency-Key": key.encode("latin-1")})  # type: ignore[dict-item]
    assert response.status_code == 422
    assert response.json()["type"].endswith("/idempotency-key-refused")
    assert not world.objects.contents
    assert not world.keys.values


async def test_two_keys_are_refused(world: World) -> None:
    headers = [("Authorization", "Bearer person-tenanta"), ("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    assert (await world.http.delete(PATH, headers=headers)).status_code == 422


async def test_a_key_may_stand_in_quotes_as_structured_fields_have_it(world: World) -> None:
    assert (await upload(world, headers={"Idempotency-Key": '"one"'})).status_code == 201
    assert replayed(await upload(world, headers={"Idempotency-Key": "one"}))
    assert (await upload(world, headers={"Idempotency-Key": "k" * 255})).status_code == 201


async def test_nobody_comes_in_by_a_key(world: World) -> None:
    await upload(world)
    assert (await upload(world, who="garbage")).status_code == 401
    assert (await upload(world, who="person-sleeping")).status_code == 403
