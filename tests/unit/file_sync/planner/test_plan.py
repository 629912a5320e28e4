"""The comparison as a table: what Open WebUI has, what the tenant has, and what comes of it.

Who owns a file is decided in test_owners.py, what a link means in test_places.py.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from file_sync.models import Document, File, StorageUsage
from file_sync.planner.models import ActionType, FileState
from file_sync.planner.persona_index import PersonaIndex
from file_sync.planner.plan import plan

from tests.support.comparison import CONFIG, OWNERS, compare
from tests.support.open_webui_files import (
    BUCKET,
    chat_link,
    knowledge_link,
    make_document,
    make_file,
    tenant_with_workspace,
)

PASSING = ("https://tenantry.io/problems/indexing-failed", "Given up.")
LASTING = ("https://tenantry.io/problems/document-unreadable", "The PDF is encrypted.")


@dataclass
class Case:
    """A file or none, its document at one place, at two or at none; the deeds, and what the owner is told."""

    name: str
    file: File | None
    documents: list[Document]
    deeds: list[tuple[Any, ...]] = field(default_factory=list)
    state: FileState | None = None
    reason: str = ""


STORE, CHECK, INDEX, DELETE = ActionType
MOVED = "hr", "plan.pdf"

CASES = [
    Case("a new file is stored", make_file(), [], [(STORE, "finance", "plan.pdf", ())], FileState.WAITING),
    Case("what was sent to a persona is stored", make_file("f1", chat_link("hr")), [], [(STORE, *MOVED, ())]),
    Case("a file that is ready is left alone", make_file(), [make_document()], [], FileState.READY),
    Case(
        "what is stored and not indexed is indexed",
        make_file(),
        [make_document(state="received", sha256=None)],
        [(INDEX, "finance", "plan.pdf", ())],
        FileState.RECEIVED,
    ),
    Case(
        "what is being indexed is left alone",
        make_file(),
        [make_document(state="indexing")],
        [],
        FileState.INDEXING,
    ),
    Case(
        "a document that is no good is not tried again",
        make_file(),
        [make_document(state="failed", problem=LASTING)],
        [],
        FileState.FAILED,
        "The PDF is encrypted.",
    ),
    Case(
        "a failure that may have passed is tried again",
        make_file(),
        [make_document(state="failed", problem=PASSING)],
        [(INDEX, "finance", "plan.pdf", ())],
        FileState.RECEIVED,
    ),
    Case(
        "a renamed file is stored anew, and its old name goes",
        make_file(filename="new.pdf"),
        [make_document()],
        [(STORE, "finance", "new.pdf", (("finance", "plan.pdf"),))],
    ),
    Case(
        "a file in another knowledge base moves",
        make_file("f1", knowledge_link("hr")),
        [make_document()],
        [(STORE, *MOVED, (("finance", "plan.pdf"),))],
    ),
    Case(
        "a move that was cut off after storing is completed, though both places look ready",
        make_file("f1", knowledge_link("hr")),
        [make_document(), make_document(persona_id="hr")],
        [(INDEX, *MOVED, (("finance", "plan.pdf"),))],
        FileState.INDEXING,
    ),
    Case(
        "a file in two knowledge bases stays where it is",
        make_file("f1", knowledge_link("finance", since=1), knowledge_link("hr", since=2)),
        [make_document(persona_id="hr")],
        [],
        FileState.READY,
    ),
    Case(
        "a new file in two knowledge bases goes to the first",
        make_file("f1", knowledge_link("hr", since=1), knowledge_link("finance", since=2)),
        [],
        [(STORE, *MOVED, ())],
    ),
    Case(
        "a knowledge base counts more than a chat",
        make_file("f1", chat_link("finance", since=1), knowledge_link("hr", since=2)),
        [make_document()],
        [(STORE, *MOVED, (("finance", "plan.pdf"),))],
    ),
    Case(
        "another digest is looked at",
        make_file(digest="b" * 64),
        [make_document()],
        [(CHECK, "finance", "plan.pdf", ())],
        FileState.READY,
    ),
    Case(
        "another size is looked at",
        make_file(size=11),
        [make_document()],
        [(CHECK, "finance", "plan.pdf", ())],
    ),
    Case(
        "a digest that is none says nothing",
        make_file(digest="made up"),
        [make_document()],
        [],
        FileState.READY,
    ),
    Case("a deleted file is deleted", None, [make_document()], [(DELETE, "finance", "plan.pdf", ())]),
    Case(
        "a file in nothing of ours is nobody's knowledge any more",
        make_file("f1", knowledge_link("other", tenant_id="tenantz")),
        [make_document()],
        [(DELETE, "finance", "plan.pdf", ())],
        None,
    ),
    Case(
        "a file in nothing of ours is not stored",
        make_file("f1", knowledge_link("x", tenant_id="z")),
        [],
        [],
        None,
    ),
    Case(
        "a document that somebody uploaded by name is not ours",
        None,
        [Document("9d1f", "hr", "a", 1, "ready")],
    ),
    Case(
        "a document of a persona that the Tenant no longer has is left alone",
        None,
        [make_document(persona_id="legal")],
    ),
    # Who may make documents
    Case("a stranger's file is left alone", make_file(subject="no-tenant"), [], [], FileState.NO_TENANT),
    Case("an account without Keycloak is a stranger's", make_file(subject=""), [], [], FileState.NO_TENANT),
    Case(
        "somebody of another tenant makes nothing here", make_file(subject="bob"), [], [], FileState.FOREIGN
    ),
    Case("while Keycloak is away a new file waits", make_file(subject="unknown"), [], [], FileState.WAITING),
    Case(
        "a file that was given to another tenant before is that one's",
        make_file("f1", knowledge_link(tenant_id="tenantb", since=1), knowledge_link(since=2)),
        [],
        [],
        FileState.FOREIGN,
    ),
    Case(
        "a link to another tenant that came later takes nothing away",
        make_file("f1", knowledge_link(since=1), knowledge_link(tenant_id="tenantb", since=2)),
        [],
        [(STORE, "finance", "plan.pdf", ())],
    ),
    Case(
        "what somebody left behind who moved to another tenant stays",
        make_file(subject="bob"),
        [make_document()],
        [],
        FileState.READY,
    ),
    Case(
        "and is indexed again when the index was lost",
        make_file(subject="bob"),
        [make_document(state="received", sha256=None)],
        [(INDEX, "finance", "plan.pdf", ())],
        FileState.RECEIVED,
    ),
    Case(
        "but takes on no content of somebody who is elsewhere",
        make_file(subject="bob", size=11),
        [make_document()],
        [],
        FileState.READY,
    ),
    Case(
        "nor a new name, and it does not lie at two places",
        make_file(subject="bob", filename="new.pdf"),
        [make_document()],
        [],
        FileState.READY,
    ),
    Case(
        "and goes when its file does",
        None,
        [make_document()],
        [(DELETE, "finance", "plan.pdf", ())],
    ),
    # What is refused
    Case("an empty file", make_file(size=0), [], [], FileState.REFUSED, "The file is empty."),
    Case(
        "a large file",
        make_file(size=101),
        [],
        [],
        FileState.REFUSED,
        "The file has 101 bytes; the limit is 100.",
    ),
    Case("a file of the largest size is not", make_file(size=100), [], [(STORE, "finance", "plan.pdf", ())]),
    Case(
        "a size that nobody knows is measured later",
        make_file(size=None),
        [],
        [(STORE, "finance", "plan.pdf", ())],
    ),
    Case(
        "a file in another bucket",
        make_file(path="s3://digital-twin-docs-dev/tenant-tenantb/hr/documents/x/f1_plan.pdf"),
        [],
        [],
        FileState.REFUSED,
        "Its content is not where Open WebUI stores files.",
    ),
    Case("another file's content", make_file(path=f"s3://{BUCKET}/f2_plan.pdf"), [], [], FileState.REFUSED),
    Case("a file on somebody's disk", make_file(path="/etc/passwd"), [], [], FileState.REFUSED),
    Case("an id that would be a path", make_file("../f1"), [], [], FileState.REFUSED),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_comes_of_a_file(case: Case) -> None:
    compared = compare([case.file] if case.file else [], case.documents)
    assert [
        (each.type, each.persona_id, each.filename, each.former) for each in compared.actions
    ] == case.deeds
    statuses = list(compared.statuses.values())
    if case.state:
        assert [status.state for status in statuses] == [case.state]
    if case.reason:
        assert statuses[0].reason == case.reason
    assert not compared.unresolved_subjects


def test_of_whom_keycloak_was_not_asked_yet_it_has_to_be() -> None:
    assert compare([make_file(subject="newcomer")], []).unresolved_subjects == {"newcomer"}


def test_keycloak_is_not_asked_of_owners_of_what_is_there() -> None:
    assert not compare([make_file(subject="newcomer")], [make_document()]).unresolved_subjects


def test_a_check_of_what_failed_for_good_has_nothing_to_do_if_nothing_changed() -> None:
    (action,) = compare([make_file(size=11)], [make_document(state="failed", problem=LASTING)]).actions
    assert action.settled


def test_a_check_of_what_is_not_indexed_has() -> None:
    (action,) = compare([make_file(size=11)], [make_document(state="received", sha256=None)]).actions
    assert not action.settled


def test_a_document_at_two_places_goes_from_both() -> None:
    compared = compare([], [make_document(), make_document(persona_id="hr")])
    assert [action.type for action in compared.actions] == [ActionType.DELETE]


def test_what_changes_by_itself_is_looked_at_again() -> None:
    assert compare([make_file()], [make_document(state="indexing")]).needs_recheck
    assert compare([make_file(subject="unknown")], []).needs_recheck
    assert not compare([make_file()], [make_document()]).needs_recheck


class TestQuota:
    def test_the_oldest_files_get_the_room_that_is_left(self) -> None:
        files = [make_file(f"f{number}", created_at=10 - number) for number in range(4)]
        compared = compare(files, [Document("by-name", "hr", "a", 5, "ready")], quota={"documents": 3})
        stored = [action.document_id for action in compared.actions]
        assert stored == ["owui-f3", "owui-f2"]
        assert compared.statuses["f0"].reason == (
            "The tenant may store 3 and has stored 3 documents. Delete documents, or ask for more."
        )

    def test_bytes_count(self) -> None:
        files = [
            make_file("f1", size=60),
            make_file("f2", size=60, created_at=2),
            make_file("f3", size=40, created_at=3),
        ]
        compared = compare(files, [], quota={"storage": "100"})
        assert [action.document_id for action in compared.actions] == ["owui-f1", "owui-f3"]
        assert compared.statuses["f2"].reason == (
            "The tenant may store 100 and has stored 60 bytes; this document has 60. "
            "Delete documents, or ask for more."
        )

    def test_a_full_tenant_keeps_what_it_has_and_may_move_it(self) -> None:
        compared = compare(
            [make_file("f1", knowledge_link("hr"))],
            [make_document()],
            quota={"documents": 1, "storage": "10"},
        )
        assert [action.type for action in compared.actions] == [ActionType.STORE]

    def test_a_change_needs_room_only_for_what_is_more(self) -> None:
        quota = {"documents": 1, "storage": "12"}
        assert compare([make_file(size=12)], [make_document()], quota=quota).actions
        assert not compare([make_file(size=13)], [make_document()], quota=quota).actions


class TestMassDeletion:
    @pytest.mark.parametrize("gone", [1, 21, 30])
    def test_each_deletion_says_how_many_there_are_so_that_the_gateway_can_hold_all(self, gone: int) -> None:
        documents = [make_document(f"f{number}") for number in range(gone + 5)]
        compared = compare([make_file(f"f{number}") for number in range(5)], documents)
        deletions = [action for action in compared.actions if action.type is ActionType.DELETE]
        assert [action.batch for action in deletions] == [gone] * gone

    def test_documents_that_somebody_uploaded_by_name_do_not_count(self) -> None:
        others = [Document(f"n{number}", "hr", "a", 1, "ready") for number in range(100)]
        compared = compare([], [make_document(f"f{number}") for number in range(30)] + others)
        assert {action.batch for action in compared.actions} == {30}


@pytest.mark.parametrize(("since", "deeds"), [(1764547199, []), (1764547200, [ActionType.STORE])])
def test_what_was_sent_before_there_was_this_tenant_is_not_its_knowledge(
    since: int, deeds: list[ActionType]
) -> None:
    """A persona's model has the same id in every Tenant of a name; 1764547200 is 2025-12-01."""
    tenant = tenant_with_workspace()
    created = tenant.metadata.model_copy(update={"creation_timestamp": datetime(2025, 12, 1, tzinfo=UTC)})
    tenant = tenant.model_copy(update={"metadata": created})
    compared = plan(
        tenant,
        [make_file("f1", chat_link("hr", since=since))],
        [],
        personas=PersonaIndex([tenant]),
        owners=OWNERS,
        usage=StorageUsage.from_documents([]),
        config=CONFIG,
    )
    assert [action.type for action in compared.actions] == deeds
