"""Tests of the life of a workspace in the real Open WebUI: creation, changes, deletion and retention."""

from typing import Any

import pytest

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.open_webui.observed import ObservedOpenWebUI
from tests.support.programs.remote_calls import record_calls

from ..conftest import Driver, OperatorHarness, get_conditions
from .conftest import create_person

pytestmark = pytest.mark.programs

FINANCE = {"id": "finance", "displayName": "Finance"}
PEOPLE = {"id": "people", "displayName": "People"}
SPEC: dict[str, Any] = {
    "displayName": "Work",
    "identity": {"emails": ["*@work.example"]},
    "personas": [FINANCE, PEOPLE],
}


def make_model(name: str) -> dict[str, Any]:
    """Return the model of a persona of the Tenant "Work"."""
    return {
        "name": f"Work: {name}",
        "base": "tenantry",
        "active": True,
        "description": f"Answers from the documents of Work for {name}.",
        "file_context": False,
        "grants": ["read group own"],
    }


def make_base(name: str, files: int = 0) -> dict[str, Any]:
    """Return the knowledge base of a persona of the Tenant "Work"."""
    return {
        "name": f"Work: {name}",
        "description": f"{name}, shared documents of Work.",
        "files": files,
        "grants": [f"mark {name.lower()}", "read group own", "write group own"],
    }


async def test_a_new_tenant_gets_a_group_models_and_knowledge_bases(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed, webui: ObservedOpenWebUI
) -> None:
    create_person(observed, webui, "ann@work.example")
    harness.apply("work", **SPEC)
    assert (await driver.reconcile("work")).name == "ready"
    assert webui.get_state("work") == {
        "groups": [
            {
                "description": "Members of Work, managed by the Tenant resource.",
                "parent": None,
                "members": ["ann@work.example"],
                "inherited": 0,
            }
        ],
        "models": {
            "tenant-work.finance": make_model("Finance"),
            "tenant-work.people": make_model("People"),
        },
        "knowledge": [make_base("Finance"), make_base("People")],
    }
    written = tenants.get("work")
    assert written
    assert get_conditions(written)["WorkspaceReady"] == ("True", "AsDeclared")
    assert written["status"]["workspace"] == {
        "groupId": webui.list_groups("work")[0]["id"],
        "knowledge": [
            {"persona": "finance", "id": webui.get_base("work", "finance")["id"]},
            {"persona": "people", "id": webui.get_base("work", "people")["id"]},
        ],
    }


async def test_a_second_run_writes_nothing_and_does_not_search(
    driver: Driver, harness: OperatorHarness, observed: Observed, webui: ObservedOpenWebUI
) -> None:
    observed.add_person("ann@work.example")
    harness.apply("work", **SPEC)
    with record_calls("open-webui") as first:
        await driver.reconcile("work")
    before = webui.list_versions("work")
    with record_calls("open-webui") as second:
        assert (await driver.reconcile("work")).name == "ready"
    assert webui.list_versions("work") == before
    assert len(first) <= 20
    asked_by_id = ["get-group", "get-knowledge", "get-knowledge", "get-model", "get-model"]
    assert sorted(second) == [*asked_by_id, "list-inherited-members", "search-users"]


async def test_members_are_exactly_the_accounts_of_the_tenants_people(
    driver: Driver, harness: OperatorHarness, observed: Observed, webui: ObservedOpenWebUI
) -> None:
    people = {name: observed.add_person(f"{name}@work.example") for name in ("ann", "bob")}
    eve = observed.add_person("eve@work.example", verified=False)
    for email in ("ann@work.example", "old-bob@other.example", "eve@work.example", "carl@work.example"):
        webui.drop_user(email)
    webui.add_user("ann@work.example", people["ann"])
    webui.add_user("eve@work.example", eve)
    bob = webui.add_user("old-bob@other.example", people["bob"])  # with a new address in Keycloak
    carl = webui.add_user("carl@work.example")  # with a password, without an account in Keycloak
    harness.apply("work", **SPEC)
    await driver.reconcile("work")
    (group,) = webui.list_groups("work")
    assert group["members"] == ["ann@work.example"]
    webui.call("POST", f"/groups/id/{group['id']}/users/add", json={"user_ids": [bob, carl]})
    await driver.reconcile("work")
    assert webui.list_groups("work")[0]["members"] == ["ann@work.example", "old-bob@other.example"]


async def test_a_former_employee_is_removed_from_the_group(
    driver: Driver, harness: OperatorHarness, observed: Observed, webui: ObservedOpenWebUI
) -> None:
    ann = create_person(observed, webui, "ann@work.example")
    harness.apply("work", **SPEC)
    await driver.reconcile("work")
    assert webui.list_groups("work")[0]["members"] == ["ann@work.example"]
    observed.call_keycloak("PUT", f"/users/{ann}", json={"emailVerified": False}).raise_for_status()
    with record_calls("open-webui") as made:
        await driver.reconcile("work")
    assert webui.list_groups("work")[0]["members"] == []
    assert "remove-members" in made


async def test_descriptions_contain_no_marks_or_ids(
    driver: Driver, harness: OperatorHarness, webui: ObservedOpenWebUI
) -> None:
    """An earlier version wrote its marker into descriptions."""
    harness.apply("work", **SPEC)
    await driver.reconcile("work")
    known = webui.get_base("work", "finance")
    old = {"name": known["name"], "description": "Documents of Work: Finance. [tenantry:tenant-work/finance]"}
    webui.call("POST", f"/knowledge/{known['id']}/update", json=old)
    await driver.reconcile("work")
    for each in webui.list_bases("work"):
        assert "tenant" not in f"{each['name']} {each['description']}"
        assert "[" not in each["description"]
    assert webui.get_base("work", "finance")["id"] == known["id"]


async def test_a_changed_tenant_is_applied(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, webui: ObservedOpenWebUI
) -> None:
    harness.apply("work", **SPEC)
    await driver.reconcile("work")
    known = webui.get_base("work", "finance")["id"]
    personas = [FINANCE | {"displayName": "Money"}, {"id": "law"}]
    tenants.patch("work", {"spec": {"displayName": "Werk", "personas": personas}})
    await driver.reconcile("work")
    seen = webui.get_state("work")
    assert {model["name"] for model in seen["models"].values()} == {"Werk: Money", "Werk: law"}
    assert {each["name"] for each in seen["knowledge"]} == {"Werk: Money", "Werk: law"}
    assert webui.get_base("work", "finance")["id"] == known
    status = tenants.get("work")
    assert status
    assert [each["persona"] for each in status["status"]["workspace"]["knowledge"]] == ["finance", "law"]


async def test_the_knowledge_bases_of_a_suspended_tenant_are_closed(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed, webui: ObservedOpenWebUI
) -> None:
    create_person(observed, webui, "ann@work.example")
    ann = webui.fetch_user_token("ann@work.example")
    harness.apply("work", **SPEC)
    await driver.reconcile("work")
    base_id = webui.get_base("work")["id"]
    file_id = webui.add_file(base_id)
    paths = (f"/files/{file_id}/content", f"/knowledge/{base_id}")
    assert [webui.get_status(ann, path) for path in paths] == [200, 200]
    for suspended in (True, False):
        tenants.patch("work", {"spec": {"suspended": suspended}})
        await driver.reconcile("work")
        assert [webui.get_status(ann, path) == 200 for path in paths] == [not suspended] * 2
        assert webui.list_groups("work")[0]["members"] == ["ann@work.example"]


async def test_a_former_personas_files_are_kept_and_reported(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, webui: ObservedOpenWebUI
) -> None:
    harness.apply("work", **SPEC)
    await driver.reconcile("work")
    kept = webui.get_base("work", "people")["id"]
    file_id = webui.add_file(kept)
    tenants.patch("work", {"spec": {"personas": [FINANCE]}})
    for _ in range(2):
        assert (await driver.reconcile("work")).name == "ready"
        seen = webui.get_state("work")
        assert list(seen["models"]) == ["tenant-work.finance"]
        assert seen["knowledge"][1] == make_base("People", files=1) | {
            "description": "Documents of a former persona of Work.",
            "grants": ["mark people", "read group own"],
        }
        status = tenants.get("work")
        assert status
        assert {"persona": "people", "id": kept} in status["status"]["workspace"]["knowledge"]
        condition = next(c for c in status["status"]["conditions"] if c["type"] == "WorkspaceReady")
        assert condition["status"] == "True"
        assert "people (files: 1)" in condition["message"]
    webui.call("DELETE", f"/files/{file_id}")
    await driver.reconcile("work")
    assert webui.get_state("work")["knowledge"] == [make_base("Finance")]
    status = tenants.get("work")
    assert status
    assert [each["persona"] for each in status["status"]["workspace"]["knowledge"]] == ["finance"]


async def test_a_restored_persona_has_its_files(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, webui: ObservedOpenWebUI
) -> None:
    harness.apply("work", **SPEC)
    await driver.reconcile("work")
    kept = webui.get_base("work", "people")["id"]
    webui.add_file(kept)
    tenants.patch("work", {"spec": {"personas": [FINANCE]}})
    await driver.reconcile("work")
    tenants.patch("work", {"spec": {"personas": [FINANCE, PEOPLE]}})
    await driver.reconcile("work")
    assert webui.get_state("work")["knowledge"] == [make_base("Finance"), make_base("People", files=1)]
    assert webui.get_base("work", "people")["id"] == kept


def list_remaining(webui: ObservedOpenWebUI, tenant_id: str, *files: str) -> dict[str, Any]:
    """Return the remaining objects of a tenant, and its remaining files."""
    seen = webui.get_state(tenant_id) | {"files": [file_id for file_id in files if webui.has_file(file_id)]}
    return {what: found for what, found in seen.items() if found}


async def test_delete_leaves_nothing_and_changes_no_other_tenant(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, webui: ObservedOpenWebUI
) -> None:
    harness.apply("work", **SPEC)
    harness.apply("work-not", **SPEC | {"identity": {"emails": ["*@work-not.example"]}})
    for name in ("work", "work-not"):
        await driver.reconcile(name)
    files = [webui.add_file(webui.get_base("work", "people")["id"], f"{n}.txt") for n in range(3)]
    others = webui.add_file(webui.get_base("work-not", "people")["id"])
    tenants.patch("work", {"spec": {"personas": [FINANCE]}})  # files of former personas are deleted, too
    await driver.reconcile("work")
    other = list_remaining(webui, "work-not", others), webui.list_versions("work-not")
    tenants.delete("work")
    await driver.reconcile_until_ready("work")
    assert tenants.get("work") is None
    assert list_remaining(webui, "work", *files) == {}
    assert (list_remaining(webui, "work-not", others), webui.list_versions("work-not")) == other


async def test_a_later_tenant_of_the_name_does_not_get_a_retained_workspace(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed, webui: ObservedOpenWebUI
) -> None:
    create_person(observed, webui, "ann@work.example")
    harness.apply("work", **SPEC, deletionPolicy="Retain")
    await driver.reconcile("work")
    old = webui.get_base("work", "finance")["id"]
    file_id = webui.add_file(old)
    before = webui.list_versions("work"), webui.get_state("work")
    tenants.delete("work")
    await driver.reconcile_until_ready("work")
    assert tenants.get("work") is None
    after = webui.get_state("work")
    assert after["groups"][0].pop("members") == []
    before[1]["groups"][0].pop("members")
    # The group's version differs, because its members were removed.
    assert (webui.list_versions("work")[1:], after) == (before[0][1:], before[1])
    (earlier,) = webui.list_groups("work")
    harness.apply("work", **SPEC)
    assert (await driver.reconcile("work")).name == "ready"
    status = tenants.get("work")
    assert status
    assert old not in [each["id"] for each in status["status"]["workspace"]["knowledge"]]
    (group,) = webui.list_groups("work")
    assert group["id"] != earlier["id"]
    assert group["members"] == ["ann@work.example"]
    retained = webui.call("GET", f"/groups/id/{earlier['id']}/export")
    assert (retained["name"], retained["user_ids"]) == (f"/retained/tenant-work/{earlier['id']}", [])
    tenants.delete("work")
    await driver.reconcile_until_ready("work")
    assert webui.has_file(file_id)
    webui.call("DELETE", f"/files/{file_id}")
    for each in webui.list_bases("work"):
        webui.call("DELETE", f"/knowledge/{each['id']}/delete")
    webui.call("DELETE", f"/groups/id/{earlier['id']}/delete")


async def test_a_forged_mark_does_not_move_a_knowledge_base(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, webui: ObservedOpenWebUI
) -> None:
    """A member of one tenant adds another tenant's mark to a knowledge base with write access."""
    harness.apply("work-not", **SPEC | {"identity": {"emails": ["*@work-not.example"]}})
    await driver.reconcile("work-not")
    theirs = webui.get_base("work-not", "people")
    uid = harness.apply("work", **SPEC)["metadata"]["uid"]
    mark = {
        "principal_type": "user",
        "principal_id": f"tenantry:tenant-work/{uid}/finance",
        "permission": "read",
    }
    forged = {"access_grants": [*theirs["access_grants"], mark]}
    webui.call("POST", f"/knowledge/{theirs['id']}/access/update", json=forged)
    await driver.reconcile("work")
    status = tenants.get("work")
    assert status
    assert theirs["id"] not in [each["id"] for each in status["status"]["workspace"]["knowledge"]]
    await driver.reconcile("work-not")
    repaired = webui.get_base("work-not", "people")
    assert {name: repaired[name] for name in ("id", "name", "description")} == {
        name: theirs[name] for name in ("id", "name", "description")
    }
    assert _list_holders(repaired) == _list_holders(theirs)


def _list_holders(base: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((grant["principal_id"], grant["permission"]) for grant in base["access_grants"])


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_tenant_without_objects_is_deleted(
    policy: str, driver: Driver, harness: OperatorHarness, tenants: Tenants, webui: ObservedOpenWebUI
) -> None:
    harness.apply("work", personas=[], deletionPolicy=policy)
    await driver.reconcile("work")
    tenants.delete("work")
    await driver.reconcile_until_ready("work")
    assert tenants.get("work") is None
    assert bool(webui.list_groups("work")) is (policy == "Retain")
    for group in webui.list_groups("work"):
        webui.call("DELETE", f"/groups/id/{group['id']}/delete")
