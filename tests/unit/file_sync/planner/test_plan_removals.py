"""Tests of plans for files that were removed from knowledge bases."""

from typing import Any

import pytest
from file_sync.models import StorageUsage
from file_sync.planner.models import ActionType, FileState
from file_sync.planner.persona_index import PersonaIndex
from file_sync.planner.plan import build_plan

from tests.support.file_sync.files import (
    make_document,
    make_tenant_with_workspace,
)
from tests.support.file_sync.plans import CONFIG, get_states, list_actions, make_plan, make_removed_file

STORE, CHECK, INDEX, DELETE = ActionType


@pytest.mark.parametrize(
    ("values", "is_deleted"),
    [
        pytest.param({}, False, id="unknown-remover"),
        pytest.param({"remover": "ben"}, False, id="a-colleague"),
        pytest.param({"remover": "eve"}, False, id="another-tenants-administrator"),
        pytest.param({"remover": "unknown"}, False, id="keycloak-does-not-answer"),
        pytest.param({"remover": "anna"}, True, id="its-owner"),
        pytest.param({"remover": "dora"}, True, id="an-administrator"),
        pytest.param({"subject": "", "remover": ""}, False, id="an-owner-without-keycloak"),
        pytest.param({"knowledge": ""}, True, id="its-owner-deleted-the-chat"),
        pytest.param({"knowledge": "kb-of-before"}, False, id="the-knowledge-base-was-deleted"),
    ],
)
def test_only_an_owner_or_administrator_removes_a_document(
    values: dict[str, Any], *, is_deleted: bool
) -> None:
    plan = make_plan([], [make_document()], [make_removed_file(**values)])
    if is_deleted:
        assert list_actions(plan) == [(DELETE, "owui-f1")]
    else:
        assert not plan.actions
        assert get_states(plan) == {"f1": FileState.KEPT}


def test_the_document_of_a_deleted_file_is_deleted() -> None:
    assert list_actions(make_plan([], [make_document()])) == [(DELETE, "owui-f1")]


def test_a_reset_deletes_only_the_callers_own_files() -> None:
    """Open WebUI's Reset removes all files from a knowledge base, and deletes only the caller's own files."""
    documents = [make_document(f"f{number}", filename=f"{number}.pdf") for number in range(50)]
    colleagues = [make_removed_file(f"f{number}", filename=f"{number}.pdf") for number in range(45)]
    plan = make_plan([], documents, colleagues)
    assert [document_id for _, document_id in list_actions(plan)] == [f"owui-f{n}" for n in range(45, 50)]
    assert plan.counts[FileState.KEPT] == 45


def test_a_document_without_a_link_is_not_deleted_before_its_file_was_fetched() -> None:
    tenant = make_tenant_with_workspace()
    plan = build_plan(
        tenant,
        [],
        [make_document()],
        personas=PersonaIndex([tenant]),
        owners={},
        usage=StorageUsage(),
        config=CONFIG,
    )
    assert (plan.actions, plan.detached) == ([], {"owui-f1"})


def test_an_unresolved_remover_is_resolved() -> None:
    plan = make_plan([], [make_document()], [make_removed_file(remover="dora")], owners={})
    assert (plan.actions, plan.unresolved_subjects) == ([], {"dora"})


def test_an_unknown_remover_needs_a_recheck() -> None:
    assert make_plan([], [make_document()], [make_removed_file(remover="unknown")]).needs_recheck
    assert not make_plan([], [make_document()], [make_removed_file()]).needs_recheck
