"""Tests of ``Idempotency-Key``: the response to a repeated write is replayed."""

import asyncio
from typing import Any

import httpx
import pytest
from gateway.problems import DocumentBusy
from servicekit.errors import BackendUnavailable
from tenancy.names import derive_document_id
from tenancy.tickets import Ticket

from tests.support.timing.waiting import wait_until

from .conftest import GatewayHarness

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
STORED = "tenant-tenanta/finance/documents/doc-1/a.md"
PATH = f"/v1/documents/{derive_document_id('tenanta', 'finance', 'a.md')}"


async def upload(
    harness: GatewayHarness,
    content: bytes = b"The budget is $5.",
    *,
    who: str = "person-tenanta",
    persona: str = "finance",
    name: str = "a.md",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    return await harness.http.post(
        "/v1/documents",
        headers={"Authorization": f"Bearer {who}", **(KEY if headers is None else headers)},
        files={"file": (name, content)},
        data={"personaId": persona},
    )


async def delete(harness: GatewayHarness, who: str = "person-tenanta", **headers: str) -> httpx.Response:
    return await harness.http.delete(PATH, headers={"Authorization": f"Bearer {who}", **headers})


def is_replayed(response: httpx.Response) -> bool:
    return bool(response.headers.get("Idempotent-Replayed") == "true")


async def test_a_repeated_upload_is_replayed_and_processed_once(harness: GatewayHarness) -> None:
    first = await upload(harness)
    again = await upload(harness)
    assert (first.status_code, is_replayed(first)) == (201, False)
    assert (again.status_code, again.content, is_replayed(again)) == (201, first.content, True)
    assert again.headers["content-type"] == first.headers["content-type"] == "application/json"
    assert len(harness.usage.recorded) == 1, "the upload is embedded once"


async def test_without_a_key_each_upload_is_processed(harness: GatewayHarness) -> None:
    with_key, without = await upload(harness), await upload(harness, headers={})
    assert without.json() == with_key.json()
    assert not is_replayed(without)
    assert len(harness.usage.recorded) == 2


async def test_a_repeated_delete_is_replayed(harness: GatewayHarness) -> None:
    await upload(harness, headers={})
    for expected in (False, True):
        response = await delete(harness, **KEY)
        assert (response.status_code, response.content, is_replayed(response)) == (204, b"", expected)
    assert (await delete(harness)).status_code == 404


async def test_a_repeated_delete_does_not_delete_a_later_upload(harness: GatewayHarness) -> None:
    await upload(harness, headers={})
    await delete(harness, **KEY)
    await upload(harness, headers={})
    assert (await delete(harness, **KEY)).status_code == 204
    assert harness.objects.contents


async def test_a_repeated_ingest_by_ticket_is_replayed(harness: GatewayHarness) -> None:
    harness.objects.contents[STORED] = b"From S3."
    responses = []
    for _ in range(2):
        ticket = harness.issuer.issue(Ticket("tenanta", "uid-tenanta", "finance", "doc-1", "a.md"))
        headers = {"Authorization": f"Ticket {ticket}", **KEY}
        responses.append(await harness.http.post("/v1/documents", headers=headers))
    assert [response.status_code for response in responses] == [201, 201]
    assert [is_replayed(response) for response in responses] == [False, True]
    assert len(harness.usage.recorded) == 1


@pytest.mark.parametrize(
    "other",
    [{"content": b"The budget is $6."}, {"persona": "hr"}, {"name": "b.md"}],
    ids=["content", "persona", "name"],
)
async def test_a_key_of_another_request_is_refused(harness: GatewayHarness, other: Any) -> None:
    await upload(harness)
    response = await upload(harness, **other)
    assert response.status_code == 422
    assert response.json()["type"].endswith("/idempotency-key-reused")
    assert list(harness.objects.contents.values()) == [b"The budget is $5."]


async def test_a_key_belongs_to_one_caller(harness: GatewayHarness) -> None:
    await upload(harness)
    # Another file name, because a colleague may not replace the document.
    for who, name in (("person-tenantb", "a.md"), ("colleague-tenanta", "colleague.md")):
        response = await upload(harness, who=who, name=name)
        assert (response.status_code, is_replayed(response)) == (201, False)
    assert {key.partition(":")[0] for key in harness.keys.values} == {"tenant-tenanta", "tenant-tenantb"}
    assert not [key for key in harness.keys.values if KEY["Idempotency-Key"] in key]


async def test_a_key_belongs_to_one_method_and_path(harness: GatewayHarness) -> None:
    await upload(harness)
    response = await delete(harness, **KEY)
    assert (response.status_code, is_replayed(response)) == (204, False)


async def test_a_replayed_refusal_has_the_id_of_the_new_request(harness: GatewayHarness) -> None:
    first, again = await upload(harness, persona="unknown"), await upload(harness, persona="unknown")
    assert (first.status_code, again.status_code) == (404, 404)
    assert (is_replayed(first), is_replayed(again)) == (False, True)
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json() == {**first.json(), "instance": again.headers["X-Request-ID"]}


@pytest.mark.parametrize(
    "passing",
    [
        BackendUnavailable("bedrock", "embed", "throttled"),
        DocumentBusy("Another request writes it.", retry_after=5),
    ],
    ids=["5xx", "409"],
)
async def test_temporary_failures_are_not_stored(harness: GatewayHarness, passing: Exception) -> None:
    harness.bedrock.fails = passing
    assert (await upload(harness)).status_code in (409, 503)
    harness.bedrock.fails = None
    response = await upload(harness)
    assert (response.status_code, is_replayed(response)) == (201, False)


async def test_an_unexpected_error_is_not_stored(harness: GatewayHarness) -> None:
    harness.bedrock.fails = RuntimeError("a fault of ours")
    assert (await upload(harness)).status_code == 500
    harness.bedrock.fails = None
    assert (await upload(harness)).status_code == 201


async def test_a_repetition_during_the_first_request_is_409(harness: GatewayHarness) -> None:
    document_id = derive_document_id("tenanta", "finance", "a.md")
    async with harness.journal.acquire(harness.registry.tenants[0], document_id):
        first = asyncio.create_task(upload(harness))
        await wait_until(lambda: bool(harness.keys.values))
        second = await upload(harness)
    assert second.status_code == 409
    assert second.json()["type"].endswith("/idempotency-key-busy")
    assert int(second.headers["Retry-After"]) > 0
    assert (await first).status_code == 201
    assert is_replayed(await upload(harness))


async def test_without_redis_a_request_with_a_key_is_503(harness: GatewayHarness) -> None:
    harness.keys.unavailable = True
    response = await upload(harness)
    assert response.status_code == 503
    assert response.json()["type"].endswith("/writes-unavailable")
    assert "Retry-After" in response.headers
    assert not harness.objects.contents
    assert (await upload(harness, headers={})).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "  ", "k" * 256, "ké", "a\tb"], ids=repr)
async def test_an_invalid_key_is_refused_before_processing(harness: GatewayHarness, key: str) -> None:
    response = await upload(harness, headers={"Idempotency-Key": key.encode("latin-1")})  # type: ignore[dict-item]
    assert response.status_code == 422
    assert response.json()["type"].endswith("/idempotency-key-refused")
    assert not harness.objects.contents
    assert not harness.keys.values


async def test_two_keys_are_refused(harness: GatewayHarness) -> None:
    headers = [("Authorization", "Bearer person-tenanta"), ("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    assert (await harness.http.delete(PATH, headers=headers)).status_code == 422


async def test_a_key_may_be_quoted_as_a_structured_field(harness: GatewayHarness) -> None:
    assert (await upload(harness, headers={"Idempotency-Key": '"one"'})).status_code == 201
    assert is_replayed(await upload(harness, headers={"Idempotency-Key": "one"}))
    assert (await upload(harness, headers={"Idempotency-Key": "k" * 255})).status_code == 201


async def test_a_key_does_not_authenticate(harness: GatewayHarness) -> None:
    await upload(harness)
    assert (await upload(harness, who="garbage")).status_code == 401
    assert (await upload(harness, who="person-sleeping")).status_code == 403
