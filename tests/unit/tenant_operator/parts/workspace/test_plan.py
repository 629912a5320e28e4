"""Tests of the plan of a workspace, without I/O."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tenancy.model import Tenant, TenantStatus
from tenant_operator.parts.workspace.plan import (
    KnowledgeBase,
    OpenWebUIGroup,
    WorkspaceState,
    assign_bases,
    build_grants,
    build_group_form,
    build_mark,
    describe_kept,
    parse_knowledge_base,
    plan,
    plan_former,
)

from tests.support.tenants.manifests import make_tenant

ACME = make_tenant("acme", displayName="Acme", personas=[{"id": "finance", "displayName": "Finance"}])
MODEL = "tenant-acme.finance"
ANYBODY = {"principal_type": "user", "principal_id": "*", "permission": "read"}
OUTSIDER = {"principal_type": "user", "principal_id": "mallory", "permission": "write"}
MARK = build_mark(ACME, "finance")
EARLIER = {"principal_type": "user", "principal_id": "tenantry:tenant-acme/u-0/finance", "permission": "read"}
NEIGHBOUR = {"principal_type": "group", "principal_id": "another", "permission": "read"}


def make_settled_state(tenant: Tenant = ACME) -> WorkspaceState:
    """Return the observed state after all writes."""
    steps = plan(tenant, WorkspaceState(OpenWebUIGroup("g")), "g")
    models = {step.subject: dict(step.form) for step in steps if step.action == "create model"}
    bases = {
        step.subject: KnowledgeBase(
            f"kb-{step.subject}",
            step.subject,
            step.form["name"],
            step.form["description"],
            frozenset(tuple(each.values()) for each in step.form["access_grants"]),
            0,
        )
        for step in steps
        if step.action == "create knowledge base"
    }
    return WorkspaceState(OpenWebUIGroup("g"), models=models, bases=bases)


def plan_actions(state: WorkspaceState, tenant: Tenant = ACME) -> list[str]:
    return [step.change for step in plan(tenant, state, "g")]


def test_a_new_tenant_gets_a_model_and_a_knowledge_base_for_its_group_alone() -> None:
    model, base = plan(ACME, WorkspaceState(), "g")
    assert model.form == {
        "id": MODEL,
        "base_model_id": "tenantry",
        "name": "Acme: Finance",
        "meta": {
            "description": "Answers from the documents of Acme for Finance.",
            "capabilities": {"file_context": False},
            "tenantry": "tenant-acme",
        },
        "params": {},
        "is_active": True,
        "access_grants": [{"principal_type": "group", "principal_id": "g", "permission": "read"}],
    }
    assert base.form == {
        "name": "Acme: Finance",
        "description": "Finance, shared documents of Acme.",
        "access_grants": [
            {"principal_type": "group", "principal_id": "g", "permission": "read"},
            {"principal_type": "group", "principal_id": "g", "permission": "write"},
            {
                "principal_type": "user",
                "principal_id": "tenantry:tenant-acme/uid-acme/finance",
                "permission": "read",
            },
        ],
    }


def test_without_a_difference_nothing_is_written() -> None:
    assert plan_actions(make_settled_state()) == []


def test_ids_replace_missing_names() -> None:
    model, _ = plan(make_tenant("acme", displayName="", personas=[{"id": "hr"}]), WorkspaceState(), "g")
    assert model.form["name"] == "acme: hr"


def make_state_with_model(**changes: Any) -> WorkspaceState:
    state = make_settled_state()
    return replace(state, models={MODEL: state.models[MODEL] | changes})


def make_state_with_grants(*others: dict[str, str]) -> WorkspaceState:
    return make_state_with_model(access_grants=[*build_grants("g", "read"), *others])


def make_state_with_meta(**changes: Any) -> WorkspaceState:
    return make_state_with_model(meta=make_settled_state().models[MODEL]["meta"] | changes)


def make_state_with_base(**changes: Any) -> WorkspaceState:
    state = make_settled_state()
    return replace(state, bases={"finance": replace(state.bases["finance"], **changes)})


READ, WRITE = ("group", "g", "read"), ("group", "g", "write")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(replace(make_settled_state(), models={}), [f"create model {MODEL}"], id="model-gone"),
        pytest.param(
            replace(make_settled_state(), bases={}), ["create knowledge base finance"], id="base-gone"
        ),
        pytest.param(
            make_state_with_model(name="Evil: Finance"), [f"update model {MODEL}"], id="model-renamed"
        ),
        pytest.param(
            make_state_with_model(base_model_id="gpt"), [f"update model {MODEL}"], id="another-base"
        ),
        pytest.param(make_state_with_model(is_active=False), [f"update model {MODEL}"], id="turned-off"),
        pytest.param(make_state_with_meta(description=""), [f"update model {MODEL}"], id="description-gone"),
        pytest.param(
            make_state_with_meta(capabilities=None), [f"update model {MODEL}"], id="capabilities-gone"
        ),
        pytest.param(
            make_state_with_meta(capabilities={"file_context": True}),
            [f"update model {MODEL}"],
            id="files-in-context",
        ),
        pytest.param(make_state_with_meta(profile_image_url="/a.png"), [], id="an-icon-is-theirs"),
        pytest.param(
            make_state_with_meta(capabilities={"file_context": False, "vision": True}),
            [],
            id="abilities-are-theirs",
        ),
        pytest.param(
            make_state_with_grants(ANYBODY),
            [f"grant model {MODEL}"],
            id="for-anybody",
        ),
        pytest.param(
            make_state_with_grants(NEIGHBOUR),
            [f"grant model {MODEL}"],
            id="for-another-group",
        ),
        pytest.param(
            make_state_with_grants(OUTSIDER),
            [f"grant model {MODEL}"],
            id="for-a-user",
        ),
        pytest.param(
            make_state_with_model(access_grants=build_grants("g", "read", "write")),
            [f"grant model {MODEL}"],
            id="writable",
        ),
        pytest.param(make_state_with_model(access_grants=[]), [f"grant model {MODEL}"], id="without-grants"),
        pytest.param(
            make_state_with_model(access_grants=build_grants("was", "read")),
            [f"grant model {MODEL}"],
            id="for-a-former-group",
        ),
        pytest.param(make_state_with_base(name="x"), ["update knowledge base kb-finance"], id="base-renamed"),
        pytest.param(
            make_state_with_base(description="x"),
            ["update knowledge base kb-finance"],
            id="description-changed",
        ),
        pytest.param(
            make_state_with_base(description="Documents of Acme: Finance. [tenantry:tenant-acme/finance]"),
            ["update knowledge base kb-finance"],
            id="with-a-marker-of-before",
        ),
        pytest.param(
            make_state_with_base(grants=frozenset({READ, WRITE})),
            ["grant knowledge base kb-finance"],
            id="mark-gone",
        ),
        pytest.param(
            make_state_with_base(grants=frozenset({READ, WRITE, ("user", "*", "read")})),
            ["grant knowledge base kb-finance"],
            id="base-for-anybody",
        ),
        pytest.param(
            make_state_with_base(grants=frozenset({READ, WRITE, ("group", "another", "write")})),
            ["grant knowledge base kb-finance"],
            id="base-for-another-group",
        ),
        pytest.param(
            make_state_with_base(grants=frozenset({READ})),
            ["grant knowledge base kb-finance"],
            id="base-not-writable",
        ),
        pytest.param(
            replace(make_settled_state(), models={**make_settled_state().models, "tenant-acme.former": {}}),
            ["delete model tenant-acme.former"],
            id="a-former-personas-model-goes",
        ),
        pytest.param(
            replace(make_settled_state(), group=OpenWebUIGroup("g", children=frozenset("x"))),
            ["detach group x"],
            id="a-group-beneath",
        ),
        pytest.param(
            replace(
                make_settled_state(),
                group=OpenWebUIGroup("g", members=frozenset("ab")),
                people=frozenset("bc"),
            ),
            ["remove members g", "add members g"],
            id="members-are-exactly-the-people",
        ),
    ],
)
def test_only_differences_are_written(state: WorkspaceState, expected: list[str]) -> None:
    assert plan_actions(state) == expected


def test_a_suspended_tenants_knowledge_base_is_closed_and_its_model_stays() -> None:
    suspended = make_tenant(
        "acme",
        displayName="Acme",
        personas=[{"id": "finance", "displayName": "Finance"}],
        suspended=True,
    )
    (step,) = plan(suspended, make_settled_state(), "g")
    assert (step.change, step.form) == ("grant knowledge base kb-finance", [MARK])
    former = KnowledgeBase("1", "gone", grants=frozenset({READ}))
    grant, _ = plan_former(suspended, former, "g")
    assert grant.form == [build_mark(suspended, "gone")]
    (step,) = plan(ACME, make_settled_state(suspended), "g")
    assert step.change == "grant knowledge base kb-finance"


def test_repairs_remove_foreign_grants_and_keep_foreign_values() -> None:
    (step,) = plan(ACME, make_state_with_model(access_grants=[ANYBODY, NEIGHBOUR, OUTSIDER]), "g")
    assert step.form == [{"principal_type": "group", "principal_id": "g", "permission": "read"}]
    (step,) = plan(ACME, make_state_with_meta(description="", profile_image_url="/a.png"), "g")
    assert step.form["meta"]["profile_image_url"] == "/a.png"
    assert "access_grants" not in step.form


def test_members_are_compared_by_id() -> None:
    state = replace(
        make_settled_state(), group=OpenWebUIGroup("g", members=frozenset("ab")), people=frozenset("bc")
    )
    assert [(step.action, step.form) for step in plan(ACME, state, "g")] == [
        ("remove members", ["a"]),
        ("add members", ["c"]),
    ]


def test_the_group_has_no_parent() -> None:
    assert build_group_form(ACME)["name"] == "/tenants/tenant-acme"
    assert build_group_form(ACME)["parent_group_id"] is None


def make_base_body(knowledge_id: str = "1", persona: str = "finance", **changes: Any) -> dict[str, Any]:
    return {
        "id": knowledge_id,
        "name": "Acme: Finance",
        "description": "Documents.",
        "user": {"role": "admin"},
        "access_grants": [*build_grants("g", "read", "write"), build_mark(ACME, persona)],
        "file_count": 0,
    } | changes


def make_tenant_with_bases(**ids: str) -> Tenant:
    """Return the Tenant with knowledge bases in its status."""
    knowledge = [{"persona": persona, "id": each} for persona, each in ids.items()]
    status = TenantStatus.model_validate({"workspace": {"groupId": "g", "knowledge": knowledge}})
    return ACME.model_copy(update={"status": status})


@pytest.mark.parametrize(
    ("found", "persona"),
    [
        pytest.param(make_base_body(), "finance", id="marked-and-the-groups"),
        pytest.param(make_base_body(access_grants=[MARK]), "finance", id="marked-without-groups"),
        pytest.param(make_base_body(access_grants=[MARK, ANYBODY]), "finance", id="marked-and-widened"),
        pytest.param(make_base_body(persona="former"), "former", id="a-former-personas"),
        pytest.param(
            make_base_body(access_grants=build_grants("g", "read", "write")),
            None,
            id="the-groups-and-not-marked",
        ),
        pytest.param(make_base_body(access_grants=[]), None, id="neither"),
        pytest.param(make_base_body(user={"role": "user"}), None, id="marked-by-a-user"),
        pytest.param(make_base_body(user=None), None, id="of-an-account-that-is-gone"),
        pytest.param(
            make_base_body(access_grants=[MARK, *build_grants("other", "read")]), None, id="another-tenants"
        ),
        pytest.param(make_base_body(access_grants=[OUTSIDER]), None, id="a-persons"),
        pytest.param(make_base_body(access_grants=[EARLIER]), None, id="an-earlier-tenants-of-the-name"),
        pytest.param(
            make_base_body(access_grants=[], description="[tenantry:tenant-acme/finance]"),
            None,
            id="only-described",
        ),
    ],
)
def test_a_mark_alone_proves_no_ownership(found: dict[str, Any], persona: str | None) -> None:
    read = parse_knowledge_base(ACME, found, "g")
    assert (read.persona if read else None) == persona


def test_a_knowledge_base_in_the_status_belongs_to_the_tenant() -> None:
    stolen = make_base_body("7", persona="other", user=None, access_grants=[ANYBODY], description="mine")
    read = parse_knowledge_base(make_tenant_with_bases(finance="7"), stolen, "g")
    assert read
    assert read.persona == "finance"


def make_bases(*found: tuple[str, str, int | None]) -> list[KnowledgeBase]:
    granted = frozenset({READ})
    return [KnowledgeBase(key, persona, grants=granted, files=files) for key, persona, files in found]


@pytest.mark.parametrize(
    ("tenant", "found", "chosen", "former"),
    [
        pytest.param(ACME, [("1", "finance", 0)], "1", [], id="the-only-one"),
        pytest.param(
            make_tenant_with_bases(finance="2"), [("1", "finance", 9), ("2", "finance", 0)], "2", ["1"],
            id="the-known-one",
        ),
        pytest.param(ACME, [("1", "finance", 0), ("2", "finance", 3)], "2", ["1"], id="the-one-with-files"),
        pytest.param(ACME, [("2", "finance", 0), ("1", "finance", 0)], "1", ["2"], id="always-the-same-one"),
        pytest.param(ACME, [("1", "finance", 0), ("2", "gone", 3)], "1", ["2"], id="a-former-ones-is-over"),
    ],
)  # fmt: skip
def test_one_knowledge_base_is_assigned_to_each_persona(
    tenant: Tenant, found: list[tuple[str, str, int | None]], chosen: str, former: list[str]
) -> None:
    mine, left = assign_bases(tenant, make_bases(*found))
    assert mine["finance"].id == chosen
    assert [base.id for base in left] == former


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        (
            {"grants": frozenset({READ, WRITE, tuple(build_mark(ACME, "gone").values())})},
            ["grant knowledge base 1"],
        ),
        ({"grants": frozenset({READ})}, ["grant knowledge base 1"]),
        ({"description": "Mine. [tenantry:tenant-acme/gone]"}, ["update knowledge base 1"]),
    ],
    ids=["read-only", "writable", "mark-gone", "with-a-marker-of-before"],
)
def test_a_former_personas_knowledge_base_is_read_only(changed: dict[str, Any], expected: list[str]) -> None:
    granted = frozenset({READ, ("user", build_mark(ACME, "gone")["principal_id"], "read")})
    kept = KnowledgeBase("1", "gone", description="Documents of a former persona of Acme.", grants=granted)
    base = replace(kept, **changed)
    assert [step.change for step in plan_former(ACME, base, "g")] == expected


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (list, ""),
        (lambda: make_bases(("1", "hr", 3), ("2", "dev", None)), "dev (files: uncounted), hr (files: 3)"),
    ],
    ids=["none", "two"],
)
def test_kept_knowledge_bases_are_listed(kept: Callable[[], list[KnowledgeBase]], message: str) -> None:
    assert describe_kept(kept()).endswith(message)
    assert bool(describe_kept(kept())) is bool(message)
