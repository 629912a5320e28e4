"""Tests of plans for files with the name of a colleague's document."""

from typing import Any

import pytest
from file_sync.planner.messages import NAME_OF_COLLEAGUE
from file_sync.planner.models import ActionType, FileState

from tests.support.file_sync.files import (
    make_chat_link,
    make_document,
    make_file,
    make_knowledge_link,
)
from tests.support.file_sync.plans import BENS, get_states, list_actions, make_plan, make_removed_file

STORE, CHECK, INDEX, DELETE = ActionType


@pytest.mark.parametrize(
    "link", [pytest.param(make_knowledge_link(), id="knowledge"), pytest.param(make_chat_link(), id="chat")]
)
def test_a_file_with_the_name_of_a_colleagues_document_is_refused(link: Any) -> None:
    bens = make_file("bens", link, created_at=2, **BENS)
    plan = make_plan([make_file("annas"), bens], [make_document("annas")])
    assert not plan.actions
    assert plan.reports["bens"].reason == NAME_OF_COLLEAGUE
    assert get_states(plan) == {"annas": FileState.READY, "bens": FileState.REFUSED}


def test_the_older_of_two_new_files_with_one_name_gets_the_name() -> None:
    plan = make_plan([make_file("bens", created_at=2, **BENS), make_file("annas")], [])
    assert list_actions(plan) == [(STORE, "owui-annas")]
    assert plan.reports["bens"].state is FileState.REFUSED


def test_the_name_of_a_kept_document_is_reserved() -> None:
    plan = make_plan([make_file("bens", **BENS)], [make_document()], [make_removed_file()])
    assert not plan.actions
    assert get_states(plan) == {"f1": FileState.KEPT, "bens": FileState.REFUSED}


def test_a_file_renamed_to_a_colleagues_name_keeps_its_document() -> None:
    documents = [make_document("annas"), make_document("bens", filename="bens.pdf")]
    plan = make_plan([make_file("annas"), make_file("bens", created_at=2, **BENS)], documents)
    assert not plan.actions
    assert plan.reports["bens"].reason == NAME_OF_COLLEAGUE


def test_existing_documents_of_two_people_may_share_a_name() -> None:
    files = [make_file("annas"), make_file("bens", created_at=2, **BENS)]
    plan = make_plan(files, [make_document("annas"), make_document("bens")])
    assert not plan.actions
    assert set(get_states(plan).values()) == {FileState.READY}


def test_a_name_in_another_folder_or_persona_can_be_used() -> None:
    for link in (make_knowledge_link(folder="d1"), make_knowledge_link("hr")):
        bens = make_file("bens", link, **BENS)
        assert list_actions(make_plan([make_file("annas"), bens], [make_document("annas")])) == [
            (STORE, "owui-bens")
        ]


def test_a_file_of_another_tenant_reserves_no_name() -> None:
    eves = make_file("eves", created_at=1, owner="owui-eve", subject="eve")
    plan = make_plan([eves, make_file("annas", created_at=2)], [])
    assert list_actions(plan) == [(STORE, "owui-annas")]


def test_a_name_can_be_used_after_its_document_is_deleted() -> None:
    plan = make_plan([make_file("bens", **BENS)], [])
    assert list_actions(plan) == [(STORE, "owui-bens")]
