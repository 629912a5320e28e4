"""Tests of plans for new versions of files."""

from typing import Any

import pytest
from file_sync.planner.models import ActionType, FileState

from tests.support.file_sync.files import (
    make_chat_link,
    make_document,
    make_file,
    make_knowledge_link,
)
from tests.support.file_sync.plans import get_states, list_actions, make_plan, make_removed_file

STORE, CHECK, INDEX, DELETE = ActionType


OLD = make_file("old")
NEW = make_file("new", created_at=2, digest="b" * 64)
OLD_DOCUMENT = make_document("old")


@pytest.mark.parametrize(
    ("document", "done", "old", "waits"),
    [
        pytest.param(None, [(STORE, "owui-new")], FileState.READY, True, id="seen"),
        pytest.param({"state": "received"}, [(INDEX, "owui-new")], FileState.READY, True, id="stored"),
        pytest.param({"state": "indexing"}, [], FileState.READY, True, id="being-indexed"),
        pytest.param(
            {"state": "failed", "problem": ("document-unreadable", "No.")}, [], FileState.READY, False,
            id="unreadable",
        ),
        pytest.param({"sha256": "c" * 64}, [(CHECK, "owui-new")], FileState.READY, False, id="other-content"),
        pytest.param({}, [(DELETE, "owui-old")], FileState.REPLACED, False, id="ready"),
    ],
)  # fmt: skip
def test_a_new_version_replaces_the_old_version_when_it_is_ready(
    document: dict[str, Any] | None, done: list[Any], old: FileState, *, waits: bool
) -> None:
    documents = [OLD_DOCUMENT]
    if document is not None:
        documents.append(make_document("new", **{"sha256": "b" * 64, **document}))
    plan = make_plan([NEW, OLD], documents)
    assert list_actions(plan) == done
    assert plan.reports["old"].state == old
    assert plan.needs_recheck is waits


def test_the_deletion_of_a_replaced_document_names_the_newer_document_and_has_no_batch() -> None:
    plan = make_plan([NEW, OLD], [OLD_DOCUMENT, make_document("new", sha256="b" * 64)])
    (action,) = plan.actions
    assert (action.replaced_by, action.batch) == ("owui-new", 1)


def test_a_replaced_file_needs_no_quota_and_no_owner() -> None:
    document = make_document("new", sha256="b" * 64)
    plan = make_plan([NEW, OLD], [document], owners={}, quota={"documents": 1})
    assert (plan.actions, plan.unresolved_subjects) == ([], set())
    assert get_states(plan) == {"new": FileState.READY, "old": FileState.REPLACED}


def test_the_older_version_is_stored_again_when_the_newer_version_is_deleted() -> None:
    plan = make_plan([OLD], [make_document("new", sha256="b" * 64)])
    assert list_actions(plan) == [(DELETE, "owui-new"), (STORE, "owui-old")]


def test_a_new_version_gets_the_quota_of_the_old_version() -> None:
    assert list_actions(make_plan([NEW, OLD], [OLD_DOCUMENT], quota={"documents": 1, "storage": "10"})) == [
        (STORE, "owui-new")
    ]


def test_a_file_of_the_same_second_needs_additional_quota() -> None:
    files = [OLD, make_file("tied"), make_file("new", created_at=2)]
    plan = make_plan(files, [OLD_DOCUMENT], quota={"documents": 1})
    assert list_actions(plan) == [(STORE, "owui-new")]
    assert plan.reports["tied"].state is FileState.REFUSED


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"created_at": 1}, id="of-the-same-second"),
        pytest.param({"filename": "other.pdf"}, id="of-another-name"),
        pytest.param({"links": (make_knowledge_link("hr"),)}, id="of-another-persona"),
        pytest.param({"links": (make_knowledge_link(folder="d1"),)}, id="in-another-folder"),
    ],
)
def test_files_that_are_not_versions_of_each_other_both_stay(other: dict[str, Any]) -> None:
    links = other.pop("links", (make_knowledge_link(),))
    new = make_file("new", *links, **{"created_at": 2, **other})
    place = {"persona_id": "hr"} if links == (make_knowledge_link("hr"),) else {}
    document = make_document("new", filename=new.filename, **place)
    plan = make_plan([OLD, new], [OLD_DOCUMENT, document])
    assert not plan.actions
    assert get_states(plan) == {"old": FileState.READY, "new": FileState.READY}


def test_files_sent_in_chats_have_versions() -> None:
    old = make_file("old", make_chat_link(since=1))
    new = make_file("new", make_chat_link(since=2), created_at=2)
    plan = make_plan([old, new], [OLD_DOCUMENT, make_document("new")])
    assert list_actions(plan) == [(DELETE, "owui-old")]


def test_a_newer_file_replaces_kept_documents_which_do_not_replace_each_other() -> None:
    kept = [make_removed_file("k1", created_at=1), make_removed_file("k2", created_at=2)]
    documents = [make_document("k1"), make_document("k2")]
    assert not make_plan([], documents, kept).actions
    new = make_file("new", created_at=3)
    plan = make_plan([new], [*documents, make_document("new")], kept)
    assert list_actions(plan) == [(DELETE, "owui-k1"), (DELETE, "owui-k2")]
