"""The event function in the real Open WebUI: logins at Keycloak's page set groups, changes become hints."""

import asyncio
import uuid
from typing import Any

import pytest
from webui_install.desired import EVENTS

from tests.support.forgery import claims_of
from tests.support.open_webui import Person
from tests.support.people import PASSWORD
from tests.support.services import problem
from tests.support.waiting import until

from .conftest import SECRET, Office

pytestmark = pytest.mark.programs


async def log_in(office: Office, email: str, said: tuple[int, dict[str, Any]] | str) -> Person:
    """Log in while the gateway says this, and return when it was asked and its word was acted upon."""
    if isinstance(said, str):
        office.services.belongs(email, said)
    else:
        office.services.tenants[email] = said
    before = office.services.proven.count(email)
    person = await office.webui.log_in(email, PASSWORD)
    await until(lambda: office.services.proven.count(email) > before)
    return person


@pytest.fixture
async def email(office: Office) -> str:
    """A person of Keycloak's, in no group there: the claim is empty."""
    address = f"eve-{uuid.uuid4().hex[:8]}@office.example"
    await office.people.add(address)
    return address


async def test_the_first_login_opens_the_tenants_models_without_anybodys_help(
    office: Office, email: str
) -> None:
    person = await log_in(office, email, office.tenant)
    await office.becomes_member(person, {office.path})
    assert await person.models() == {office.model}
    assert (await person.chat(office.model, "What is the budget?")).names == ["plan.pdf, page 3", "notes.md"]


@pytest.mark.parametrize("slug", ["no-tenant", "tenant-conflict"])
async def test_who_is_in_no_tenant_any_more_loses_the_group_at_the_next_login(
    office: Office, email: str, slug: str
) -> None:
    await office.becomes_member(await log_in(office, email, office.tenant), {office.path})
    person = await log_in(office, email, problem(403, slug))
    await office.becomes_member(person, set())
    assert await person.models() == set()
    assert (await person.ask(office.model, "?")).status_code == 400


async def test_who_moved_is_in_the_new_tenants_group_alone(office: Office, email: str) -> None:
    tenant = f"tenant-{uuid.uuid4().hex[:8]}"
    await office.webui.add_tenant_group(tenant)
    await office.becomes_member(await log_in(office, email, office.tenant), {office.path})
    await office.becomes_member(await log_in(office, email, tenant), {f"/tenants/{tenant}"})


@pytest.mark.parametrize(
    "said",
    [
        problem(401, "token-refused"),
        problem(503, "identity-unavailable"),
        (502, {}),
    ],
)
async def test_a_login_for_which_the_gateway_proves_no_tenant_ends_every_membership(
    office: Office, email: str, said: tuple[int, dict[str, Any]]
) -> None:
    await office.becomes_member(await log_in(office, email, office.tenant), {office.path})
    await office.becomes_member(await log_in(office, email, said), set())
    await office.becomes_member(await log_in(office, email, office.tenant), {office.path})


async def test_a_login_to_a_tenant_that_is_suspended_or_being_deleted_ends_no_membership(
    office: Office, email: str
) -> None:
    """By it the data of a deleted tenant's people is found."""
    await office.becomes_member(await log_in(office, email, office.tenant), {office.path})
    person = await log_in(office, email, problem(403, "tenant-suspended"))
    await asyncio.sleep(1)  # what the other responses do takes less
    await office.becomes_member(person, {office.path})


async def test_a_login_while_the_gateway_hangs_ends_every_membership_until_the_next_one(
    office: Office, email: str
) -> None:
    await office.becomes_member(await log_in(office, email, office.tenant), {office.path})
    async with office.webui.valves(EVENTS, login_seconds=1.0):
        office.services.hangs = asyncio.Event()
        person = await log_in(office, email, office.tenant)
        await office.becomes_member(person, set())
        assert await person.models() == set()
        office.services.hangs.set()
        await office.becomes_member(await log_in(office, email, office.tenant), {office.path})


async def test_a_login_while_the_gateway_is_gone_ends_every_membership(office: Office, email: str) -> None:
    await office.becomes_member(await log_in(office, email, office.tenant), {office.path})
    async with office.webui.valves(EVENTS, gateway_url="http://127.0.0.1:9"):
        await office.becomes_member(await office.webui.log_in(email, PASSWORD), set())


@pytest.mark.parametrize("said", [problem(401, "token-refused"), problem(503, "identity-unavailable")])
async def test_a_group_of_keycloaks_that_is_named_like_a_tenants_opens_nothing(
    office: Office, email: str, said: tuple[int, dict[str, Any]]
) -> None:
    """Issue 18, A3: a top-level group whose name reads like the path of the tenant's group."""
    await office.people.add_lookalike(email, f"tenants/{office.tenant}")
    assert office.path in claims_of(await office.people.token(email))["groups"]
    person = await log_in(office, email, said)
    assert await office.groups(person) == set()
    assert await person.models() == set()
    await office.becomes_member(await log_in(office, email, said), set())


async def test_the_group_of_an_earlier_tenant_of_the_name_admits_nobody(office: Office, email: str) -> None:
    """What it may read is retained data, and the operator has not renamed it yet."""
    tenant = f"tenant-{uuid.uuid4().hex[:8]}"
    group = await office.webui.add_tenant_group(tenant, uid="of-the-earlier-one")
    office.services.belongs(email, tenant, uid="of-the-later-one")
    before = office.services.proven.count(email)
    person = await office.webui.log_in(email, PASSWORD)
    await until(lambda: office.services.proven.count(email) > before)
    await office.webui.add_tenant_group(tenant, uid="of-the-later-one")
    again = await office.webui.log_in(email, PASSWORD)
    await office.becomes_member(again, {f"/tenants/{tenant}"})
    members = await office.webui.admin.get(f"/api/v1/groups/id/{group}/export")
    assert members["user_ids"] == []
    assert again.id == person.id


async def test_other_groups_are_left_alone(office: Office, email: str) -> None:
    name = f"choir-{uuid.uuid4().hex[:8]}"
    group = await office.webui.add_group(name)
    person = await log_in(office, email, problem(403, "no-tenant"))
    await office.webui.admin.post(f"/api/v1/groups/id/{group}/users/add", {"user_ids": [person.id]})
    await office.becomes_member(await log_in(office, email, office.tenant), {name, office.path})


async def test_uploads_and_chats_are_hints_for_file_sync(office: Office) -> None:
    person = await office.join("diana")
    office.services.hints.clear()
    await person.upload("plan.txt", b"The budget is $5,000,000.")
    await until(lambda: bool(office.services.hints))
    office.services.hints.clear()
    await person.chat(office.model, "What is the budget?")
    await until(lambda: bool(office.services.hints))
    assert set(office.services.hints) == {SECRET}
