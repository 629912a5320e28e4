"""Removals from knowledge bases, new versions and colleagues' names in the comparison."""

from typing import Any

import pytest
from file_sync.models import File, StorageUsage
from file_sync.planner.messages import NAME_OF_COLLEAGUE
from file_sync.planner.models import ActionType, FileState, Plan
from file_sync.planner.persona_index import PersonaIndex
from file_sync.planner.plan import plan

from tests.support.comparison import CONFIG, compare
from tests.support.open_webui_files import (
    chat_link,
    knowledge_link,
    make_document,
    make_file,
    tenant_with_workspace,
)

BENS: dict[str, Any] = {"owner": "owui-ben", "subject": "ben"}
STORE, CHECK, INDEX, DELETE = ActionType


def taken_out(file_id: str = "f1", **values: Any) -> File:
    """Return a file of Anna's that was uploaded into a knowledge base and is in none any more."""
    file = make_file(file_id, **{"knowledge": "kb-tenanta-finance", **values})
    return File(**{**vars(file), "links": ()})


def deeds(compared: Plan) -> list[tuple[ActionType, str]]:
    """Return what is done to which document."""
    return [(action.type, action.document_id) for action in compared.actions]


def states(compared: Plan) -> dict[str, FileState]:
    """Return the state of each file."""
    return {file_id: status.state for file_id, status in compared.statuses.items()}


@pytest.mark.parametrize(
    ("values", "is_deleted"),
    [
        pytest.param({}, False, id="nobody-knows-who-removed-it"),
        pytest.param({"remover": "ben"}, False, id="a-colleague"),
        pytest.param({"remover": "eve"}, False, id="another-tenants-administrator"),
        pytest.param({"remover": "unknown"}, False, id="keycloak-does-not-answer"),
        pytest.param({"remover": "anna"}, True, id="its-owner"),
        pytest.param({"remover": "dora"}, True, id="an-administrator"),
        pytest.param({"subject": "", "remover": ""}, False, id="an-owner-without-keycloak"),
        pytest.param({"knowledge": ""}, True, id="its-owner-deleted-the-chat"),
        pytest.param({"knowledge": "kb-of-before"}, False, id="the-knowledge-base-is-gone-too"),
    ],
)
def test_c11_a_document_goes_only_when_who_removed_its_file_may(
    values: dict[str, Any], *, is_deleted: bool
) -> None:
    compared = compare([], [make_document()], [taken_out(**values)])
    if is_deleted:
        assert deeds(compared) == [(DELETE, "owui-f1")]
    else:
        assert not compared.actions
        assert states(compared) == {"f1": FileState.KEPT}


def test_c11_a_deleted_file_is_deleted() -> None:
    assert deeds(compare([], [make_document()])) == [(DELETE, "owui-f1")]


def test_c11_a_reset_deletes_only_the_files_of_who_resets() -> None:
    """Open WebUI's Reset takes out all files, and deletes those of the person who resets."""
    documents = [make_document(f"f{number}", filename=f"{number}.pdf") for number in range(50)]
    colleagues = [taken_out(f"f{number}", filename=f"{number}.pdf") for number in range(45)]
    compared = compare([], documents, colleagues)
    assert [document_id for _, document_id in deeds(compared)] == [f"owui-f{n}" for n in range(45, 50)]
    assert compared.counts[FileState.KEPT] == 45


def test_nothing_without_a_link_is_deleted_before_its_file_was_fetched() -> None:
    tenant = tenant_with_workspace()
    compared = plan(
        tenant,
        [],
        [make_document()],
        personas=PersonaIndex([tenant]),
        owners={},
        usage=StorageUsage(),
        config=CONFIG,
    )
    assert (compared.actions, compared.detached) == ([], {"owui-f1"})


def test_keycloak_is_asked_who_removed_a_file() -> None:
    compared = compare([], [make_document()], [taken_out(remover="dora")], owners={})
    assert (compared.actions, compared.unresolved_subjects) == ([], {"dora"})


def test_what_keycloak_cannot_say_of_a_remover_is_asked_again() -> None:
    assert compare([], [make_document()], [taken_out(remover="unknown")]).needs_recheck
    assert not compare([], [make_document()], [taken_out()]).needs_recheck


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
def test_c13_a_new_version_replaces_the_old_one_when_it_is_ready(
    document: dict[str, Any] | None, done: list[Any], old: FileState, *, waits: bool
) -> None:
    documents = [OLD_DOCUMENT]
    if document is not None:
        documents.append(make_document("new", **{"sha256": "b" * 64, **document}))
    compared = compare([NEW, OLD], documents)
    assert deeds(compared) == done
    assert compared.statuses["old"].state == old
    assert compared.needs_recheck is waits


def test_c12_what_a_newer_version_has_replaced_names_it_and_counts_for_no_mass_deletion() -> None:
    compared = compare([NEW, OLD], [OLD_DOCUMENT, make_document("new", sha256="b" * 64)])
    (action,) = compared.actions
    assert (action.replaced_by, action.batch) == ("owui-new", 1)


def test_c13_a_replaced_file_is_left_alone_even_without_room_and_without_keycloak() -> None:
    document = make_document("new", sha256="b" * 64)
    compared = compare([NEW, OLD], [document], owners={}, quota={"documents": 1})
    assert (compared.actions, compared.unresolved_subjects) == ([], set())
    assert states(compared) == {"new": FileState.READY, "old": FileState.REPLACED}


def test_c13_the_older_one_comes_back_when_the_newer_one_goes() -> None:
    compared = compare([OLD], [make_document("new", sha256="b" * 64)])
    assert deeds(compared) == [(DELETE, "owui-new"), (STORE, "owui-old")]


def test_c13_a_new_version_needs_no_more_room_than_the_old_one_has() -> None:
    assert deeds(compare([NEW, OLD], [OLD_DOCUMENT], quota={"documents": 1, "storage": "10"})) == [
        (STORE, "owui-new")
    ]


def test_c13_a_file_of_the_same_second_needs_room_of_its_own() -> None:
    files = [OLD, make_file("tied"), make_file("new", created_at=2)]
    compared = compare(files, [OLD_DOCUMENT], quota={"documents": 1})
    assert deeds(compared) == [(STORE, "owui-new")]
    assert compared.statuses["tied"].state is FileState.REFUSED


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"created_at": 1}, id="of-the-same-second"),
        pytest.param({"filename": "other.pdf"}, id="of-another-name"),
        pytest.param({"links": (knowledge_link("hr"),)}, id="of-another-persona"),
        pytest.param({"links": (knowledge_link(directory="d1"),)}, id="in-another-directory"),
    ],
)
def test_c13_files_that_are_no_versions_of_each_other_both_stay(other: dict[str, Any]) -> None:
    links = other.pop("links", (knowledge_link(),))
    new = make_file("new", *links, **{"created_at": 2, **other})
    place = {"persona_id": "hr"} if links == (knowledge_link("hr"),) else {}
    document = make_document("new", filename=new.filename, **place)
    compared = compare([OLD, new], [OLD_DOCUMENT, document])
    assert not compared.actions
    assert states(compared) == {"old": FileState.READY, "new": FileState.READY}


def test_c13_versions_that_were_sent_in_chats() -> None:
    old = make_file("old", chat_link(since=1))
    new = make_file("new", chat_link(since=2), created_at=2)
    compared = compare([old, new], [OLD_DOCUMENT, make_document("new")])
    assert deeds(compared) == [(DELETE, "owui-old")]


def test_c13_a_newer_file_replaces_one_that_was_kept_and_kept_ones_do_not_replace_each_other() -> None:
    kept = [taken_out("k1", created_at=1), taken_out("k2", created_at=2)]
    documents = [make_document("k1"), make_document("k2")]
    assert not compare([], documents, kept).actions
    new = make_file("new", created_at=3)
    compared = compare([new], [*documents, make_document("new")], kept)
    assert deeds(compared) == [(DELETE, "owui-k1"), (DELETE, "owui-k2")]


@pytest.mark.parametrize(
    "link", [pytest.param(knowledge_link(), id="knowledge"), pytest.param(chat_link(), id="chat")]
)
def test_c11_a_colleagues_name_is_refused_and_their_document_stays(link: Any) -> None:
    bens = make_file("bens", link, created_at=2, **BENS)
    compared = compare([make_file("annas"), bens], [make_document("annas")])
    assert not compared.actions
    assert compared.statuses["bens"].reason == NAME_OF_COLLEAGUE
    assert states(compared) == {"annas": FileState.READY, "bens": FileState.REFUSED}


def test_c11_of_two_new_files_of_one_name_the_first_gets_it() -> None:
    compared = compare([make_file("bens", created_at=2, **BENS), make_file("annas")], [])
    assert deeds(compared) == [(STORE, "owui-annas")]
    assert compared.statuses["bens"].state is FileState.REFUSED


def test_c11_the_name_of_a_kept_document_is_taken() -> None:
    compared = compare([make_file("bens", **BENS)], [make_document()], [taken_out()])
    assert not compared.actions
    assert states(compared) == {"f1": FileState.KEPT, "bens": FileState.REFUSED}


def test_c11_a_file_that_is_renamed_to_a_colleagues_name_stays_where_it_is() -> None:
    documents = [make_document("annas"), make_document("bens", filename="bens.pdf")]
    compared = compare([make_file("annas"), make_file("bens", created_at=2, **BENS)], documents)
    assert not compared.actions
    assert compared.statuses["bens"].reason == NAME_OF_COLLEAGUE


def test_a_name_that_two_people_had_before_stays_with_both() -> None:
    files = [make_file("annas"), make_file("bens", created_at=2, **BENS)]
    compared = compare(files, [make_document("annas"), make_document("bens")])
    assert not compared.actions
    assert set(states(compared).values()) == {FileState.READY}


def test_a_name_in_another_directory_or_persona_is_free() -> None:
    for link in (knowledge_link(directory="d1"), knowledge_link("hr")):
        bens = make_file("bens", link, **BENS)
        assert deeds(compare([make_file("annas"), bens], [make_document("annas")])) == [(STORE, "owui-bens")]


def test_a_stranger_takes_no_name() -> None:
    eves = make_file("eves", created_at=1, owner="owui-eve", subject="eve")
    compared = compare([eves, make_file("annas", created_at=2)], [])
    assert deeds(compared) == [(STORE, "owui-annas")]


def test_a_name_is_free_when_its_document_is_gone() -> None:
    compared = compare([make_file("bens", **BENS)], [])
    assert deeds(compared) == [(STORE, "owui-bens")]
