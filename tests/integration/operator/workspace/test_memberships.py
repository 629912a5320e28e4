"""Tests of the periodic check of memberships by the running operator.

A membership gives access to files and knowledge bases. So only a person with a verified address that the
Tenant names may have a membership.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.keycloak_users import PASSWORD, open_people
from tests.support.backends.observed import Observed
from tests.support.open_webui.clients import WebUI
from tests.support.open_webui.observed import ObservedOpenWebUI
from tests.support.programs.operator_program import run_operator
from tests.support.tenants.manifests import make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .conftest import create_person

pytestmark = pytest.mark.programs

ANN = "ann@kept.example"
STRANGER = "nemo@nowhere.example"
SECONDS = 30
"""Longest time until a membership is repaired; the operator under test checks every second."""


@pytest.fixture(scope="module", autouse=True)
async def operator(
    platform: Platform,
    settings: dict[str, str],
    tenants: Tenants,
    observed: Observed,
    webui: ObservedOpenWebUI,
) -> AsyncIterator[None]:
    """Run the operator with one Tenant, whose only person is Ann."""
    environment = {f"OPERATOR_{key.upper()}": value for key, value in settings.items()}
    identity = {"emails": ["*@kept.example"]}
    environment["OPERATOR_MEMBERSHIP_INTERVAL_SECONDS"] = "1"
    async with run_operator(platform, "tenant_operator", **environment):
        webui.drop_user("@kept.example")  # the group of an earlier test run
        create_person(observed, webui, ANN)
        tenants.create(make_tenant_manifest("kept", identity=identity, deletionPolicy="Delete"))
        await wait_until(lambda: bool(webui.list_groups("kept")), seconds=60, every=0.2)
        yield
        tenants.delete("kept")
        await wait_until(lambda: tenants.get("kept") is None, seconds=60, every=0.2)


@pytest.fixture(autouse=True)
async def keep_only_ann(operator: None, webui: ObservedOpenWebUI) -> None:
    await wait_for_members(webui, ANN)


async def wait_for_members(webui: ObservedOpenWebUI, *members: str) -> None:
    """Wait until the Tenant's group has exactly these members, and no inherited members."""

    def has_members() -> bool:
        (group,) = webui.list_groups("kept")
        return (group["members"], group["inherited"]) == (sorted(members), 0)

    await wait_until(has_members, seconds=SECONDS, every=0.2)


def add_to_group(webui: ObservedOpenWebUI, account: str, group_id: str = "") -> None:
    """Add an account to a group as an administrator of Open WebUI can."""
    group_id = group_id or webui.list_groups("kept")[0]["id"]
    webui.call("POST", f"/groups/id/{group_id}/users/add", json={"user_ids": [account]})


def create_account(observed: Observed, webui: ObservedOpenWebUI, email: str, *, verified: bool = True) -> str:
    """Create an account in Keycloak that has signed in to Open WebUI; return its id in Open WebUI."""
    subject = observed.add_person(email, verified=verified)
    webui.drop_user(email)
    return webui.add_user(email, subject)


def add_other_user(observed: Observed, webui: ObservedOpenWebUI) -> None:
    add_to_group(webui, create_account(observed, webui, STRANGER))


def insert_member(observed: Observed, webui: ObservedOpenWebUI) -> None:
    known = create_account(observed, webui, STRANGER)
    (group,) = webui.list_groups("kept")
    webui.run_sql(
        f"insert into group_member (id, group_id, user_id) values ('planted', '{group['id']}', '{known}')"
    )


def add_member_of_namesake_group(observed: Observed, webui: ObservedOpenWebUI) -> None:
    """Add the other user also to a top-level group of Keycloak that is named like the tenant's path."""
    known = create_account(observed, webui, STRANGER)
    observed.call_keycloak("POST", "/groups", json={"name": "tenants/tenant-kept"}).raise_for_status()
    found = observed.call_keycloak(
        "GET", "/groups", params={"search": "tenants/tenant-kept", "exact": "true"}
    ).json()
    (group,) = [each for each in found if each["name"] == "tenants/tenant-kept"]
    (user,) = observed.call_keycloak("GET", "/users", params={"email": STRANGER}).json()
    observed.call_keycloak("PUT", f"/users/{user['id']}/groups/{group['id']}").raise_for_status()
    add_to_group(webui, known)


def add_unverified_member(observed: Observed, webui: ObservedOpenWebUI) -> None:
    add_to_group(webui, create_account(observed, webui, "eve@kept.example", verified=False))


def add_member_with_password(observed: Observed, webui: ObservedOpenWebUI) -> None:
    webui.drop_user("carl@kept.example")
    add_to_group(webui, webui.add_user("carl@kept.example"))


def add_child_group_member(observed: Observed, webui: ObservedOpenWebUI) -> None:
    (above,) = webui.list_groups("kept")
    form = {"name": "beneath", "description": "", "parent_group_id": above["id"]}
    add_to_group(
        webui,
        create_account(observed, webui, STRANGER),
        webui.call("POST", "/groups/create", json=form)["id"],
    )


PLANTED: dict[str, Callable[[Observed, ObservedOpenWebUI], None]] = {
    "other user": add_other_user,
    "past-the-api": insert_member,
    "in-a-lookalike": add_member_of_namesake_group,
    "unverified": add_unverified_member,
    "with-a-password": add_member_with_password,
    "through-a-group-beneath": add_child_group_member,
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
async def test_a_membership_without_a_verified_address_is_removed(
    plant: Callable[[Observed, ObservedOpenWebUI], None], observed: Observed, webui: ObservedOpenWebUI
) -> None:
    plant(observed, webui)
    await wait_for_members(webui, ANN)


async def test_a_group_without_a_tenant_has_no_members_and_stays(
    observed: Observed, webui: ObservedOpenWebUI
) -> None:
    """Groups of retained Tenants keep their access rights and have no members."""
    known = create_account(observed, webui, "old@former.example")
    made = []
    for name in ("/tenants/tenant-former", "/retained/tenant-former/g"):
        made.append(webui.call("POST", "/groups/create", json={"name": name, "description": ""})["id"])
        add_to_group(webui, known, made[-1])

    def list_members() -> list[Any]:
        return [webui.call("GET", f"/groups/id/{group_id}/export")["user_ids"] for group_id in made]

    await wait_until(lambda: list_members() == [[], []], seconds=SECONDS, every=0.2)
    for group_id in made:
        webui.call("DELETE", f"/groups/id/{group_id}/delete")


async def test_a_missing_member_is_added(observed: Observed, webui: ObservedOpenWebUI) -> None:
    (group,) = webui.list_groups("kept")
    (ann,) = webui.call("GET", "/users/", params={"query": ANN})["users"]
    webui.call("POST", f"/groups/id/{group['id']}/users/remove", json={"user_ids": [ann["id"]]})
    await wait_for_members(webui, ANN)


@pytest.mark.parametrize("change", [{"emailVerified": False}, {"enabled": False}])
async def test_a_change_of_an_account_in_keycloak_is_applied(
    change: dict[str, bool], observed: Observed, webui: ObservedOpenWebUI
) -> None:
    (user,) = observed.call_keycloak("GET", "/users", params={"email": ANN}).json()
    for fields, members in ((change, ()), (dict.fromkeys(change, True), (ANN,))):
        observed.call_keycloak("PUT", f"/users/{user['id']}", json=fields).raise_for_status()
        await wait_for_members(webui, *members)


async def test_a_login_without_the_gateway_gets_the_tenants_models(
    platform: Platform, webui: ObservedOpenWebUI
) -> None:
    """Without the gateway, the login gives no membership. The user does not sign in again."""
    email = "late@kept.example"
    webui.drop_user(email)
    async with open_people(platform) as people:
        await people.add(email)
    browser = WebUI(webui.url)
    late = await browser.log_in(email, PASSWORD)

    async def has_models() -> bool:
        return await late.list_models() == {"tenant-kept.finance"}

    await wait_until(has_models, seconds=SECONDS, every=0.5)
    await wait_for_members(webui, ANN, email)
    webui.drop_user(email)
    await browser.close()
