"""Tests of drift in Open WebUI: the next reconcile repairs changes of administrators and members."""

from collections.abc import Callable
from typing import Any

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.open_webui.observed import ObservedOpenWebUI

from ..conftest import Driver, OperatorHarness, open_driver
from .conftest import create_person

pytestmark = pytest.mark.programs

SPEC: dict[str, Any] = {"identity": {"emails": ["*@bent.example"]}}
MODEL = "tenant-bent.finance"
ANYBODY = {"principal_type": "user", "principal_id": "*", "permission": "read"}


def get_group_id(webui: ObservedOpenWebUI) -> str:
    return str(webui.list_groups("bent")[0]["id"])


def change_group(webui: ObservedOpenWebUI, **changes: Any) -> None:
    form = {"name": "/tenants/tenant-bent", "description": "x"} | changes
    webui.call("POST", f"/groups/id/{get_group_id(webui)}/update", json=form)


def put_under_another_group(webui: ObservedOpenWebUI) -> None:
    above = webui.call("POST", "/groups/create", json={"name": "all companies", "description": ""})
    change_group(webui, parent_group_id=above["id"])


def put_another_group_under(webui: ObservedOpenWebUI) -> None:
    webui.drop_user("mallory@evil.example")
    mallory = webui.add_user("mallory@evil.example")
    form = {"name": "another", "description": "", "parent_group_id": get_group_id(webui)}
    beneath = webui.call("POST", "/groups/create", json=form)
    webui.call("POST", f"/groups/id/{beneath['id']}/users/add", json={"user_ids": [mallory]})


def add_other_user(webui: ObservedOpenWebUI) -> None:
    webui.drop_user("mallory@evil.example")
    mallory = webui.add_user("mallory@evil.example", "unknown-subject")
    webui.call("POST", f"/groups/id/{get_group_id(webui)}/users/add", json={"user_ids": [mallory]})


def remove_member(webui: ObservedOpenWebUI) -> None:
    (ann,) = webui.call("GET", "/users/", params={"query": "ann@bent.example"})["users"]
    webui.call("POST", f"/groups/id/{get_group_id(webui)}/users/remove", json={"user_ids": [ann["id"]]})


def change_model(webui: ObservedOpenWebUI, **changes: Any) -> None:
    (live,) = webui.list_models("bent")
    webui.call("POST", "/models/model/update", json=live | changes)


def grant_model(webui: ObservedOpenWebUI, *grants: dict[str, str]) -> None:
    (live,) = webui.list_models("bent")
    form = {"id": MODEL, "access_grants": [*live["access_grants"], *grants]}
    webui.call("POST", "/models/model/access/update", json=form)


def grant_base(webui: ObservedOpenWebUI, *grants: dict[str, str]) -> None:
    live = webui.get_base("bent")
    form = {"access_grants": [*live["access_grants"], *grants]}
    webui.call("POST", f"/knowledge/{live['id']}/access/update", json=form)


def create_group_grant(webui: ObservedOpenWebUI) -> dict[str, str]:
    made = webui.call("POST", "/groups/create", json={"name": "another", "description": ""})
    return {"principal_type": "group", "principal_id": made["id"], "permission": "read"}


def create_user_grant(webui: ObservedOpenWebUI) -> dict[str, str]:
    webui.drop_user("mallory@evil.example")
    mallory = webui.add_user("mallory@evil.example")
    return {"principal_type": "user", "principal_id": mallory, "permission": "write"}


def change_base(webui: ObservedOpenWebUI, **changes: str) -> None:
    live = webui.get_base("bent")
    form = {"name": live["name"], "description": live["description"]} | changes
    webui.call("POST", f"/knowledge/{live['id']}/update", json=form)


def unmark_base(webui: ObservedOpenWebUI) -> None:
    live = webui.get_base("bent")
    kept = [each for each in live["access_grants"] if not each["principal_id"].startswith("tenantry:")]
    webui.call("POST", f"/knowledge/{live['id']}/access/update", json={"access_grants": kept})


MARK_OF_ANOTHER = {"principal_type": "user", "principal_id": "tenantry:tenant-evil/u/x", "permission": "read"}

DRIFTS: dict[str, Callable[[ObservedOpenWebUI], object]] = {
    "group-deleted": lambda webui: webui.call("DELETE", f"/groups/id/{get_group_id(webui)}/delete"),
    "group-renamed": lambda webui: change_group(webui, name="/tenants/tenant-evil"),
    "group-described-otherwise": change_group,
    "group-under-another": put_under_another_group,
    "another-group-under-it": put_another_group_under,
    "other-user-added": add_other_user,
    "member-removed": remove_member,
    "model-deleted": lambda webui: webui.call("POST", "/models/model/delete", json={"id": MODEL}),
    "model-turned-off": lambda webui: webui.call("POST", "/models/model/toggle", params={"id": MODEL}),
    "model-renamed": lambda webui: change_model(webui, name="Evil"),
    "model-of-another-base": lambda webui: change_model(webui, base_model_id="gpt"),
    "model-without-meta": lambda webui: change_model(webui, meta={"description": "x"}),
    "model-for-anybody": lambda webui: grant_model(webui, ANYBODY),
    "model-for-another-group": lambda webui: grant_model(webui, create_group_grant(webui)),
    "model-for-a-user": lambda webui: grant_model(webui, create_user_grant(webui)),
    "base-deleted": lambda webui: webui.call("DELETE", f"/knowledge/{webui.get_base('bent')['id']}/delete"),
    "base-renamed": lambda webui: change_base(webui, name="Evil"),
    "base-described-otherwise": lambda webui: change_base(webui, description="nothing"),
    "base-unmarked": unmark_base,
    "base-marked-as-anothers": lambda webui: grant_base(webui, MARK_OF_ANOTHER),
    "base-for-anybody": lambda webui: grant_base(webui, ANYBODY),
    "base-for-another-group": lambda webui: grant_base(webui, create_group_grant(webui)),
    "base-for-a-user": lambda webui: grant_base(webui, create_user_grant(webui)),
}


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
async def test_drift_is_repaired(
    drift: Callable[[ObservedOpenWebUI], object],
    driver: Driver,
    harness: OperatorHarness,
    observed: Observed,
    webui: ObservedOpenWebUI,
) -> None:
    create_person(observed, webui, "ann@bent.example")
    harness.apply("bent", **SPEC)
    await driver.reconcile("bent")
    as_declared = webui.get_state("bent")
    assert as_declared["groups"][0]["members"] == ["ann@bent.example"]
    drift(webui)
    assert webui.get_state("bent") != as_declared
    assert (await driver.reconcile("bent")).name == "ready"
    assert webui.get_state("bent") == as_declared


async def test_a_changed_icon_of_a_model_stays(
    driver: Driver, harness: OperatorHarness, webui: ObservedOpenWebUI
) -> None:
    harness.apply("bent", **SPEC)
    await driver.reconcile("bent")
    (live,) = webui.list_models("bent")
    change_model(webui, name="Evil", meta=live["meta"] | {"profile_image_url": "/static/favicon.png"})
    await driver.reconcile("bent")
    (repaired,) = webui.list_models("bent")
    assert repaired["name"] == "bent: Finance"
    assert repaired["meta"]["profile_image_url"] == "/static/favicon.png"


async def test_a_foreign_group_of_the_same_name_is_emptied_and_renamed(
    platform: Platform,
    settings: dict[str, str],
    harness: OperatorHarness,
    tenants: Tenants,
    webui: ObservedOpenWebUI,
) -> None:
    """The tenant's people would otherwise get its access rights."""
    made = webui.call("POST", "/groups/create", json={"name": "/tenants/tenant-bent", "description": ""})
    webui.drop_user("mallory@evil.example")
    mallory = webui.add_user("mallory@evil.example")
    webui.call("POST", f"/groups/id/{made['id']}/users/add", json={"user_ids": [mallory]})
    harness.apply("bent", **SPEC)
    # A new operator has no cached list of groups.
    async with open_driver(platform, tenants, **settings) as driver:
        await driver.reconcile("bent")
    assert get_group_id(webui) != made["id"]
    found = webui.call("GET", f"/groups/id/{made['id']}/export")
    assert (found["name"], found["user_ids"]) == (f"/retained/tenant-bent/{made['id']}", [])
    status = tenants.get("bent")
    assert status
    assert status["status"]["workspace"]["groupId"] == get_group_id(webui)
    webui.call("DELETE", f"/groups/id/{made['id']}/delete")
