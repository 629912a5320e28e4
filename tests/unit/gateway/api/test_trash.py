"""Tests of the trash routes: pages, refusals and idempotent restores."""

from tenancy.tickets import Ticket, TicketAction

from tests.support.tenants.manifests import make_uid

from .conftest import GatewayHarness

PERSON = "Bearer person-tenanta"


async def upload_and_remove(harness: GatewayHarness, name: str = "a.md") -> str:
    """Upload a document and remove it; return its id."""
    document_id = str((await harness.upload(name)).json()["documentId"])
    headers = {"Authorization": PERSON}
    assert (await harness.http.delete(f"/v1/documents/{document_id}", headers=headers)).status_code == 204
    return document_id


async def test_a_removed_document_is_described(harness: GatewayHarness) -> None:
    document_id = await upload_and_remove(harness)
    (item,) = (await harness.get("/v1/trash", as_=PERSON)).json()["documents"]
    assert item["documentId"] == document_id
    assert {"removalId", "removedAt", "removedBy", "restorableUntil", "filename", "size"} <= item.keys()


async def test_pages_list_each_document_once(harness: GatewayHarness) -> None:
    ids = {await upload_and_remove(harness, f"{name}.md") for name in "abc"}
    seen, query = set(), "?limit=2"
    while query:
        page = (await harness.get(f"/v1/trash{query}", as_=PERSON)).json()
        seen |= {document["documentId"] for document in page["documents"]}
        query = page["nextCursor"] and f"?limit=2&cursor={page['nextCursor']}"
    assert seen == ids


async def test_limit_and_cursor_are_validated(harness: GatewayHarness) -> None:
    assert (await harness.get("/v1/trash?limit=101", as_=PERSON)).status_code == 422
    assert (await harness.get("/v1/trash?cursor=%20", as_=PERSON)).status_code == 422


async def test_a_document_is_restored_unchanged(harness: GatewayHarness) -> None:
    before = (await harness.upload()).json()
    await upload_and_remove(harness)
    response = await harness.post(f"/v1/documents/{before['documentId']}/restore")
    assert response.status_code == 201
    assert response.json() == before


async def test_the_same_key_restores_once(harness: GatewayHarness) -> None:
    document_id = await upload_and_remove(harness)
    path, headers = f"/v1/documents/{document_id}/restore", {"Idempotency-Key": "k", "Authorization": PERSON}
    first = await harness.http.post(path, headers=headers)
    again = await harness.http.post(path, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()


async def test_restoring_an_unknown_document_is_404(harness: GatewayHarness) -> None:
    response = await harness.post("/v1/documents/nothing/restore")
    assert response.status_code == 404
    assert response.json()["type"].endswith("/trashed-document-missing")


async def test_an_invalid_removal_id_is_422(harness: GatewayHarness) -> None:
    document_id = await upload_and_remove(harness)
    response = await harness.post(f"/v1/documents/{document_id}/restore?removalId=..%2Fx")
    assert response.status_code == 422


async def test_a_ticket_does_not_allow_the_trash(harness: GatewayHarness) -> None:
    document_id = await upload_and_remove(harness)
    for action in TicketAction:
        names = {} if action is TicketAction.LIST else {"persona_id": "finance", "document_id": document_id}
        ticket = Ticket(
            "tenanta",
            make_uid("tenanta"),
            **names,
            filename="" if action is TicketAction.LIST else "a.md",
            action=action,
        )
        scheme = f"Ticket {harness.issuer.issue(ticket)}"
        assert (await harness.get("/v1/trash", as_=scheme)).status_code == 401
        assert (await harness.post(f"/v1/documents/{document_id}/restore", as_=scheme)).status_code == 401
