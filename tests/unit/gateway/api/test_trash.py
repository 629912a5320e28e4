"""The trash as a person sees it: pages, refusals, and one restore for one key."""

from tenancy.tickets import Action, Ticket

from tests.support.tenants import uid_of

from .conftest import World

PERSON = "Bearer person-tenanta"


async def removed(world: World, name: str = "a.md") -> str:
    """Upload a document and remove it; return its id."""
    document_id = str((await world.upload(name)).json()["documentId"])
    headers = {"Authorization": PERSON}
    assert (await world.http.delete(f"/v1/documents/{document_id}", headers=headers)).status_code == 204
    return document_id


async def test_a_removed_document_is_described(world: World) -> None:
    document_id = await removed(world)
    (item,) = (await world.get("/v1/trash", as_=PERSON)).json()["documents"]
    assert item["documentId"] == document_id
    assert {"removalId", "removedAt", "removedBy", "restorableUntil", "filename", "size"} <= item.keys()


async def test_pages_lead_through_the_trash_once(world: World) -> None:
    ids = {await removed(world, f"{name}.md") for name in "abc"}
    seen, query = set(), "?limit=2"
    while query:
        page = (await world.get(f"/v1/trash{query}", as_=PERSON)).json()
        seen |= {each["documentId"] for each in page["documents"]}
        query = page["nextCursor"] and f"?limit=2&cursor={page['nextCursor']}"
    assert seen == ids


async def test_a_page_is_bounded_and_a_cursor_is_checked(world: World) -> None:
    assert (await world.get("/v1/trash?limit=101", as_=PERSON)).status_code == 422
    assert (await world.get("/v1/trash?cursor=%20", as_=PERSON)).status_code == 422


async def test_a_document_is_restored_as_it_was(world: World) -> None:
    before = (await world.upload()).json()
    await removed(world)
    response = await world.post(f"/v1/documents/{before['documentId']}/restore")
    assert response.status_code == 201
    assert response.json() == before


async def test_the_same_key_restores_once(world: World) -> None:
    document_id = await removed(world)
    path, headers = f"/v1/documents/{document_id}/restore", {"Idempotency-Key": "k", "Authorization": PERSON}
    first = await world.http.post(path, headers=headers)
    again = await world.http.post(path, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()


async def test_what_is_not_in_the_trash_is_not_found_there(world: World) -> None:
    response = await world.post("/v1/documents/nothing/restore")
    assert response.status_code == 404
    assert response.json()["type"].endswith("/trash-missing")


async def test_an_odd_removal_id_is_refused_before_anything_is_asked(world: World) -> None:
    document_id = await removed(world)
    response = await world.post(f"/v1/documents/{document_id}/restore?removalId=..%2Fx")
    assert response.status_code == 422


async def test_no_ticket_opens_the_trash(world: World) -> None:
    document_id = await removed(world)
    for action in Action:
        names = {} if action is Action.LIST else {"persona_id": "finance", "document_id": document_id}
        ticket = Ticket(
            "tenanta",
            uid_of("tenanta"),
            **names,
            filename="" if action is Action.LIST else "a.md",
            action=action,
        )
        scheme = f"Ticket {world.issuer.issue(ticket)}"
        assert (await world.get("/v1/trash", as_=scheme)).status_code == 401
        assert (await world.post(f"/v1/documents/{document_id}/restore", as_=scheme)).status_code == 401
