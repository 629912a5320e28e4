"""Tests of plans for files with the name of a document that was uploaded at the gateway."""

from dataclasses import replace
from typing import Any

import pytest
from file_sync.models import ListedDocument
from file_sync.planner.messages import NAME_OF_COLLEAGUE, UPLOAD_OWNER_UNKNOWN
from file_sync.planner.models import ActionType, FileState

from tests.support.file_sync.files import make_chat_link, make_document, make_file, make_knowledge_link
from tests.support.file_sync.plans import BENS, get_states, list_actions, make_plan, make_removed_file

STORE, CHECK, INDEX, DELETE = ActionType
UPLOAD = ListedDocument("by-name", "finance", "plan.pdf", 10, "ready", "c" * 64, stored_at=5, owner="anna")
OLDER, NEWER = make_file("older", created_at=4), make_file("newer", created_at=6)
TIED = make_file("tied", created_at=5)


@pytest.mark.parametrize("link", [make_knowledge_link(), make_chat_link()], ids=["knowledge", "chat"])
@pytest.mark.parametrize("created_at", [4, 5, 6])
@pytest.mark.parametrize("state", ["ready", "received", "failed"])
@pytest.mark.parametrize("owner", ["anna", ""], ids=["a-colleagues", "no-owner"])
def test_the_name_of_a_colleagues_upload_is_refused(
    link: Any, created_at: int, state: str, owner: str
) -> None:
    bens = make_file("bens", link, created_at=created_at, **BENS)
    plan = make_plan([bens], [replace(UPLOAD, state=state, owner=owner)])
    assert not plan.actions
    assert plan.reports["bens"].state is FileState.REFUSED
    assert plan.reports["bens"].reason == NAME_OF_COLLEAGUE


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"links": (make_knowledge_link(folder="d1"),)}, id="in-a-folder"),
        pytest.param({"links": (make_knowledge_link("hr"),)}, id="of-another-persona"),
        pytest.param({"filename": "other.pdf"}, id="of-another-name"),
    ],
)
@pytest.mark.parametrize("whose", [BENS, {}], ids=["a-colleague", "its-owner"])
def test_a_file_with_another_name_persona_or_folder_has_no_conflict(
    other: dict[str, Any], whose: dict[str, Any]
) -> None:
    values = {"created_at": 6, **whose, **other}
    file = make_file("f1", *values.pop("links", ()), **values)
    assert list_actions(make_plan([file], [UPLOAD])) == [(STORE, "owui-f1")]
    place = {"persona_id": "hr"} if file.links == (make_knowledge_link("hr"),) else {}
    plan = make_plan([file], [UPLOAD, make_document("f1", filename=file.filename, **place)])
    assert (plan.actions, get_states(plan)) == ([], {"f1": FileState.READY})


def test_an_upload_of_another_persona_reserves_no_name() -> None:
    for file in (NEWER, make_file("bens", **BENS)):
        assert list_actions(make_plan([file], [replace(UPLOAD, persona_id="hr")])) == [
            (STORE, file.document_id)
        ]


def test_a_file_waits_until_the_owner_of_an_upload_with_its_name_is_fetched() -> None:
    unowned = replace(UPLOAD, owner=None)
    for file in (NEWER, make_file("bens", created_at=6, **BENS)):
        plan = make_plan([file], [unowned])
        assert not plan.actions
        assert plan.unowned == {unowned}
        assert plan.reports[file.id].reason == UPLOAD_OWNER_UNKNOWN
        assert plan.needs_recheck


def test_keycloak_is_asked_in_the_same_round_as_the_owner_of_an_upload() -> None:
    plan = make_plan([NEWER], [replace(UPLOAD, owner=None)], owners={})
    assert (plan.unresolved_subjects, plan.unowned) == ({"anna"}, {replace(UPLOAD, owner=None)})


def test_nothing_is_deleted_for_an_upload_whose_owner_is_unknown() -> None:
    documents = [replace(UPLOAD, owner=None), make_document("older"), make_document("newer")]
    for file in (OLDER, NEWER):
        kept = [each for each in documents if each.id in ("by-name", file.document_id)]
        plan = make_plan([file], kept)
        assert (plan.actions, get_states(plan)) == ([], {file.id: FileState.READY})


def test_owners_of_documents_with_other_names_are_not_fetched() -> None:
    others = [replace(UPLOAD, id=f"n{number}", filename=f"{number}.pdf", owner=None) for number in range(9)]
    assert not make_plan([NEWER], others).unowned


@pytest.mark.parametrize(
    ("document", "done", "waits"),
    [
        pytest.param(None, [(STORE, "owui-newer")], True, id="seen"),
        pytest.param({"state": "received"}, [(INDEX, "owui-newer")], True, id="stored"),
        pytest.param({"state": "indexing"}, [], True, id="being-indexed"),
        pytest.param(
            {"state": "failed", "problem": ("document-unreadable", "No.")}, [], False, id="unreadable"
        ),
        pytest.param({"size": 9}, [(CHECK, "owui-newer")], False, id="another-content"),
        pytest.param({}, [(DELETE, "by-name")], False, id="ready"),
    ],
)
@pytest.mark.parametrize("state", ["ready", "received", "failed"])
def test_a_file_replaces_its_persons_upload_when_it_is_ready(
    document: dict[str, Any] | None, done: list[Any], state: str, *, waits: bool
) -> None:
    documents = [replace(UPLOAD, state=state)]
    if document is not None:
        documents.append(make_document("newer", **document))
    plan = make_plan([NEWER], documents)
    assert list_actions(plan) == done
    assert plan.needs_recheck is waits
    for action in plan.actions:
        assert action.replaced_by == ("owui-newer" if action.type is DELETE else "")


def test_a_file_that_replaces_an_upload_needs_no_additional_quota() -> None:
    assert list_actions(make_plan([NEWER], [UPLOAD], quota={"documents": 1, "storage": "10"})) == [
        (STORE, "owui-newer")
    ]


@pytest.mark.parametrize("has_document", [True, False])
def test_an_upload_replaces_an_older_file_of_its_person(*, has_document: bool) -> None:
    documents = [make_document("older")] if has_document else []
    plan = make_plan([OLDER], [UPLOAD, *documents])
    assert list_actions(plan) == ([(DELETE, "owui-older")] if has_document else [])
    assert [action.replaced_by for action in plan.actions] == ["by-name"] * has_document
    assert get_states(plan) == {"older": FileState.REPLACED}


@pytest.mark.parametrize("state", ["received", "indexing", "failed"])
def test_an_upload_that_is_not_ready_replaces_nothing(state: str) -> None:
    plan = make_plan([OLDER], [replace(UPLOAD, state=state), make_document("older")])
    assert (plan.actions, get_states(plan)) == ([], {"older": FileState.READY})


def test_a_file_and_an_upload_of_one_second_are_not_versions_of_each_other() -> None:
    plan = make_plan([TIED], [UPLOAD, make_document("tied")])
    assert (plan.actions, get_states(plan)) == ([], {"tied": FileState.READY})


def test_the_newest_of_a_file_an_upload_and_a_file_stays() -> None:
    documents = [make_document("older"), UPLOAD, make_document("newer")]
    plan = make_plan([OLDER, NEWER], documents)
    assert sorted(list_actions(plan)) == [(DELETE, "by-name"), (DELETE, "owui-older")]
    assert {action.replaced_by for action in plan.actions} == {"owui-newer"}


def test_an_existing_file_and_a_colleagues_upload_may_share_a_name() -> None:
    for file in (make_file("bens", created_at=number, **BENS) for number in (4, 6)):
        plan = make_plan([file], [UPLOAD, make_document("bens")])
        assert (plan.actions, get_states(plan)) == ([], {"bens": FileState.READY})


def test_an_account_without_keycloak_owns_no_upload() -> None:
    file = make_file("f1", created_at=6, subject="")
    for owner in ("", "anna"):
        plan = make_plan([file], [replace(UPLOAD, owner=owner), make_document("f1")])
        assert not plan.actions


def test_a_newer_upload_replaces_a_kept_document_but_not_the_reverse() -> None:
    for created_at, done in ((4, [(DELETE, "owui-f1")]), (6, [])):
        kept = make_removed_file(created_at=created_at)
        plan = make_plan(
            [make_file("f2", filename="plan.pdf", created_at=1)], [UPLOAD, make_document()], [kept]
        )
        assert list_actions(plan) == done


def test_an_upload_without_a_file_of_its_name_is_not_deleted() -> None:
    assert not make_plan([], [UPLOAD]).actions
