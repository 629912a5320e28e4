"""Tests of the event function in the real Open WebUI: logins set groups, and changes send hints."""

import asyncio
import uuid
from typing import Any

import pytest
from webui_install.desired import EVENTS

from tests.support.backends.keycloak_users import PASSWORD
from tests.support.open_webui.clients import Person
from tests.support.open_webui.services import make_problem
from tests.support.security.forgery import read_claims
from tests.support.timing.waiting import wait_until

from .conftest import SECRET, OpenWebUIHarness

pytestmark = pytest.mark.programs


async def log_in(harness: OpenWebUIHarness, email: str, response: tuple[int, dict[str, Any]] | str) -> Person:
    """Log in while the gateway sends ``response``; return after the function has called the gateway."""
    if isinstance(response, str):
        harness.services.add_member(email, response)
    else:
        harness.services.tenants[email] = response
    before = harness.services.proven.count(email)
    person = await harness.webui.log_in(email, PASSWORD)
    await wait_until(lambda: harness.services.proven.count(email) > before)
    return person


@pytest.fixture
async def email(harness: OpenWebUIHarness) -> str:
    """A user in Keycloak without groups: the claim is empty."""
    address = f"eve-{uuid.uuid4().hex[:8]}@office.example"
    await harness.people.add(address)
    return address


async def test_the_first_login_gives_access_to_the_tenants_models(
    harness: OpenWebUIHarness, email: str
) -> None:
    person = await log_in(harness, email, harness.tenant)
    await harness.wait_for_groups(person, {harness.path})
    assert await person.list_models() == {harness.model}
    assert (await person.ask_in_chat(harness.model, "What is the budget?")).names == [
        "plan.pdf, page 3",
        "notes.md",
    ]


@pytest.mark.parametrize("slug", ["no-tenant", "tenant-conflict"])
async def test_a_former_member_loses_the_group_at_the_next_login(
    harness: OpenWebUIHarness, email: str, slug: str
) -> None:
    await harness.wait_for_groups(await log_in(harness, email, harness.tenant), {harness.path})
    person = await log_in(harness, email, make_problem(403, slug))
    await harness.wait_for_groups(person, set())
    assert await person.list_models() == set()
    assert (await person.ask(harness.model, "?")).status_code == 400


async def test_a_moved_user_is_only_in_the_new_tenants_group(harness: OpenWebUIHarness, email: str) -> None:
    tenant = f"tenant-{uuid.uuid4().hex[:8]}"
    await harness.webui.add_tenant_group(tenant)
    await harness.wait_for_groups(await log_in(harness, email, harness.tenant), {harness.path})
    await harness.wait_for_groups(await log_in(harness, email, tenant), {f"/tenants/{tenant}"})


@pytest.mark.parametrize(
    "response",
    [
        make_problem(401, "token-refused"),
        make_problem(503, "identity-unavailable"),
        (502, {}),
    ],
)
async def test_a_login_without_a_proven_tenant_ends_every_membership(
    harness: OpenWebUIHarness, email: str, response: tuple[int, dict[str, Any]]
) -> None:
    await harness.wait_for_groups(await log_in(harness, email, harness.tenant), {harness.path})
    await harness.wait_for_groups(await log_in(harness, email, response), set())
    await harness.wait_for_groups(await log_in(harness, email, harness.tenant), {harness.path})


async def test_a_login_to_a_suspended_tenant_keeps_the_membership(
    harness: OpenWebUIHarness, email: str
) -> None:
    """The erasure of a tenant finds its users by their membership."""
    await harness.wait_for_groups(await log_in(harness, email, harness.tenant), {harness.path})
    person = await log_in(harness, email, make_problem(403, "tenant-suspended"))
    await asyncio.sleep(1)  # any other response would have changed the membership by now
    await harness.wait_for_groups(person, {harness.path})


async def test_a_login_during_a_timeout_of_the_gateway_ends_every_membership(
    harness: OpenWebUIHarness, email: str
) -> None:
    await harness.wait_for_groups(await log_in(harness, email, harness.tenant), {harness.path})
    async with harness.webui.override_valves(EVENTS, login_timeout_seconds=1.0):
        harness.services.hangs = asyncio.Event()
        person = await log_in(harness, email, harness.tenant)
        await harness.wait_for_groups(person, set())
        assert await person.list_models() == set()
        harness.services.hangs.set()
        await harness.wait_for_groups(await log_in(harness, email, harness.tenant), {harness.path})


async def test_a_login_while_the_gateway_is_unreachable_ends_every_membership(
    harness: OpenWebUIHarness, email: str
) -> None:
    await harness.wait_for_groups(await log_in(harness, email, harness.tenant), {harness.path})
    async with harness.webui.override_valves(EVENTS, gateway_url="http://127.0.0.1:9"):
        await harness.wait_for_groups(await harness.webui.log_in(email, PASSWORD), set())


@pytest.mark.parametrize(
    "response", [make_problem(401, "token-refused"), make_problem(503, "identity-unavailable")]
)
async def test_a_keycloak_group_with_a_tenants_name_gives_no_access(
    harness: OpenWebUIHarness, email: str, response: tuple[int, dict[str, Any]]
) -> None:
    """The top-level group's name equals the path of the tenant's group."""
    await harness.people.add_namesake_group(email, f"tenants/{harness.tenant}")
    assert harness.path in read_claims(await harness.people.fetch_token(email))["groups"]
    person = await log_in(harness, email, response)
    assert await harness.list_groups(person) == set()
    assert await person.list_models() == set()
    await harness.wait_for_groups(await log_in(harness, email, response), set())


async def test_the_group_of_an_earlier_tenant_gets_no_members(harness: OpenWebUIHarness, email: str) -> None:
    """The group may read retained data, and the operator has not renamed it yet."""
    tenant = f"tenant-{uuid.uuid4().hex[:8]}"
    group = await harness.webui.add_tenant_group(tenant, uid="of-the-earlier-one")
    harness.services.add_member(email, tenant, uid="of-the-later-one")
    before = harness.services.proven.count(email)
    person = await harness.webui.log_in(email, PASSWORD)
    await wait_until(lambda: harness.services.proven.count(email) > before)
    await harness.webui.add_tenant_group(tenant, uid="of-the-later-one")
    again = await harness.webui.log_in(email, PASSWORD)
    await harness.wait_for_groups(again, {f"/tenants/{tenant}"})
    members = await harness.webui.admin.get(f"/api/v1/groups/id/{group}/export")
    assert members["user_ids"] == []
    assert again.id == person.id


async def test_other_groups_are_unchanged(harness: OpenWebUIHarness, email: str) -> None:
    name = f"choir-{uuid.uuid4().hex[:8]}"
    group = await harness.webui.add_group(name)
    person = await log_in(harness, email, make_problem(403, "no-tenant"))
    await harness.webui.admin.post(f"/api/v1/groups/id/{group}/users/add", {"user_ids": [person.id]})
    await harness.wait_for_groups(await log_in(harness, email, harness.tenant), {name, harness.path})


async def test_uploads_and_chats_send_hints_to_file_sync(harness: OpenWebUIHarness) -> None:
    person = await harness.add_member("diana")
    harness.services.hints.clear()
    await person.upload("plan.txt", b"The budget is $5,000,000.")
    await wait_until(lambda: bool(harness.services.hints))
    harness.services.hints.clear()
    await person.ask_in_chat(harness.model, "What is the budget?")
    await wait_until(lambda: bool(harness.services.hints))
    assert set(harness.services.hints) == {SECRET}
