"""The comparison as a table: what Open WebUI has, what the tenant has, and what comes of it.

Who owns a file is decided in test_owners.py, what a link means in test_places.py.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from file_sync.models import Document, File, Usage
from file_sync.planner.persona_index import Places
from file_sync.planner.plan import Deed, State, plan

from tests.support.comparison import OWNERS, RULES, compare
from tests.support.files_of_open_webui import (
    BUCKET,
    document_of,
    make_file,
    sent_to,
    tenant_with,
    within,
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
    state: State | None = None
    reason: str = ""


STORE, CHECK, INDEX, DELETE = Deed
MOVED = "hr", "plan.pdf"

CASES = [
    Case("a new file is stored", make_file(), [], [(STORE, "finance", "plan.pdf", ())], State.WAITING),
    Case("what was sent to a persona is stored", make_file("f1", sent_to("hr")), [], [(STORE, *MOVED, ())]),
    Case("a file that is ready is left alone", make_file(), [document_of()], [], State.READY),
    Case(
        "what is stored and not indexed is indexed",
        make_file(),
        [document_of(state="received", sha256=None)],
        [(INDEX, "finance", "plan.pdf", ())],
        State.RECEIVED,
    ),
    Case(
        "what is being indexed is left alone",
        make_file(),
        [document_of(state="indexing")],
        [],
        State.INDEXING,
    ),
    Case(
        "a document that is no good is not tried again",
        make_file(),
        [document_of(state="failed", problem=LASTING)],
        [],
        State.FAILED,
        "The PDF is encrypted.",
    ),
    Case(
        "a failure that may have passed is tried again",
        make_file(),
        [document_of(state="failed", problem=PASSING)],
        [(INDEX, "finance", "plan.pdf", ())],
        State.RECEIVED,
    ),
    Case(
        "a renamed file is stored anew, and its old name goes",
        make_file(filename="new.pdf"),
        [document_of()],
        [(STORE, "finance", "new.pdf", (("finance", "plan.pdf"),))],
    ),
    Case(
        "a file in another knowledge base moves",
        make_file("f1", within("hr")),
        [document_of()],
        [(STORE, *MOVED, (("finance", "plan.pdf"),))],
    ),
    Case(
        "a move that was cut off after storing is completed, though both places look ready",
        make_file("f1", within("hr")),
        [document_of(), document_of(persona_id="hr")],
        [(INDEX, *MOVED, (("finance", "plan.pdf"),))],
        State.INDEXING,
    ),
    Case(
        "a file in two knowledge bases stays where it is",
        make_file("f1", within("finance", since=1), within("hr", since=2)),
        [document_of(persona_id="hr")],
        [],
        State.READY,
    ),
    Case(
        "a new file in two knowledge bases goes to the first",
        make_file("f1", within("hr", since=1), within("finance", since=2)),
        [],
        [(STORE, *MOVED, ())],
    ),
    Case(
        "a knowledge base counts more than a chat",
        make_file("f1", sent_to("finance", since=1), within("hr", since=2)),
        [document_of()],
        [(STORE, *MOVED, (("finance", "plan.pdf"),))],
    ),
    Case(
        "another digest is looked at",
        make_file(digest="b" * 64),
        [document_of()],
        [(CHECK, "finance", "plan.pdf", ())],
        State.READY,
    ),
    Case(
        "another size is looked at", make_file(size=11), [document_of()], [(CHECK, "finance", "plan.pdf", ())]
    ),
    Case("a digest that is none says nothing", make_file(digest="made up"), [document_of()], [], State.READY),
    Case("a deleted file is deleted", None, [document_of()], [(DELETE, "finance", "plan.pdf", ())]),
    Case(
        "a file in nothing of ours is nobody's knowledge any more",
        make_file("f1", within("other", tenant_id="tenantz")),
        [document_of()],
        [(DELETE, "finance", "plan.pdf", ())],
        None,
    ),
    Case(
        "a file in nothing of ours is not stored", make_file("f1", within("x", tenant_id="z")), [], [], None
    ),
    Case(
        "a document that somebody uploaded by name is not ours",
        None,
        [Document("9d1f", "hr", "a", 1, "ready")],
    ),
    Case(
        "a document of a persona that the Tenant no longer has is left alone",
        None,
        [document_of(persona_id="legal")],
    ),
    # Who may make documents
    Case("a stranger's file is left alone", make_file(subject="nobody"), [], [], State.NO_TENANT),
    Case("an account without Keycloak is a stranger's", make_file(subject=""), [], [], State.NO_TENANT),
    Case("somebody of another tenant makes nothing here", make_file(subject="bob"), [], [], State.FOREIGN),
    Case("while Keycloak is away a new file waits", make_file(subject="somebody"), [], [], State.WAITING),
    Case(
        "a file that was given to another tenant before is that one's",
        make_file("f1", within(tenant_id="tenantb", since=1), within(since=2)),
        [],
        [],
        State.FOREIGN,
    ),
    Case(
        "a link to another tenant that came later takes nothing away",
        make_file("f1", within(since=1), within(tenant_id="tenantb", since=2)),
        [],
        [(STORE, "finance", "plan.pdf", ())],
    ),
    Case(
        "what somebody left behind who moved to another tenant stays",
        make_file(subject="bob"),
        [document_of()],
        [],
        State.READY,
    ),
    Case(
        "and is indexed again when the index was lost",
        make_file(subject="bob"),
        [document_of(state="received", sha256=None)],
        [(INDEX, "finance", "plan.pdf", ())],
        State.RECEIVED,
    ),
    Case(
        "but takes on no content of somebody who is elsewhere",
        make_file(subject="bob", size=11),
        [document_of()],
        [],
        State.READY,
    ),
    Case(
        "nor a new name, and it does not lie at two places",
        make_file(subject="bob", filename="new.pdf"),
        [document_of()],
        [],
        State.READY,
    ),
    Case(
        "and goes when its file does",
        None,
        [document_of()],
        [(DELETE, "finance", "plan.pdf", ())],
    ),
    # What is refused
    Case("an empty file", make_file(size=0), [], [], State.REFUSED, "The file is empty."),
    Case(
        "a large file",
        make_file(size=101),
        [],
        [],
        State.REFUSED,
        "The file has 101 bytes; 100 are the most.",
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
        State.REFUSED,
        "Its content is not where Open WebUI stores files.",
    ),
    Case("another file's content", make_file(path=f"s3://{BUCKET}/f2_plan.pdf"), [], [], State.REFUSED),
    Case("a file on somebody's disk", make_file(path="/etc/passwd"), [], [], State.REFUSED),
    Case("an id that would be a path", make_file("../f1"), [], [], State.REFUSED),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_comes_of_a_file(case: Case) -> None:
    compared = compare([case.file] if case.file else [], case.documents)
    assert [
        (each.deed, each.persona_id, each.filename, each.former) for each in compared.actions
    ] == case.deeds
    verdicts = list(compared.verdicts.values())
    if case.state:
        assert [verdict.state for verdict in verdicts] == [case.state]
    if case.reason:
        assert verdicts[0].reason == case.reason
    assert not compared.ask


def test_of_whom_keycloak_was_not_asked_yet_it_has_to_be() -> None:
    assert compare([make_file(subject="newcomer")], []).ask == {"newcomer"}


def test_keycloak_is_not_asked_of_owners_of_what_is_there() -> None:
    assert not compare([make_file(subject="newcomer")], [document_of()]).ask


def test_a_check_of_what_failed_for_good_has_nothing_to_do_if_nothing_changed() -> None:
    (action,) = compare([make_file(size=11)], [document_of(state="failed", problem=LASTING)]).actions
    assert action.settled


def test_a_check_of_what_is_not_indexed_has() -> None:
    (action,) = compare([make_file(size=11)], [document_of(state="received", sha256=None)]).actions
    assert not action.settled


def test_a_document_at_two_places_goes_from_both() -> None:
    compared = compare([], [document_of(), document_of(persona_id="hr")])
    assert [action.deed for action in compared.actions] == [Deed.DELETE]


def test_what_changes_by_itself_is_looked_at_again() -> None:
    assert compare([make_file()], [document_of(state="indexing")]).waits
    assert compare([make_file(subject="somebody")], []).waits
    assert not compare([make_file()], [document_of()]).waits


class TestQuota:
    def test_the_oldest_files_get_the_room_that_is_left(self) -> None:
        files = [make_file(f"f{number}", created_at=10 - number) for number in range(4)]
        compared = compare(files, [Document("by-name", "hr", "a", 5, "ready")], quota={"documents": 3})
        stored = [action.document_id for action in compared.actions]
        assert stored == ["owui-f3", "owui-f2"]
        assert compared.verdicts["f0"].reason == (
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
        assert compared.verdicts["f2"].reason == (
            "The tenant may store 100 and has stored 60 bytes; this document has 60. "
            "Delete documents, or ask for more."
        )

    def test_a_full_tenant_keeps_what_it_has_and_may_move_it(self) -> None:
        compared = compare(
            [make_file("f1", within("hr"))], [document_of()], quota={"documents": 1, "storage": "10"}
        )
        assert [action.deed for action in compared.actions] == [Deed.STORE]

    def test_a_change_needs_room_only_for_what_is_more(self) -> None:
        quota = {"documents": 1, "storage": "12"}
        assert compare([make_file(size=12)], [document_of()], quota=quota).actions
        assert not compare([make_file(size=13)], [document_of()], quota=quota).actions


class TestMassDeletion:
    @pytest.mark.parametrize("gone", [1, 21, 30])
    def test_each_deletion_says_how_many_there_are_so_that_the_gateway_can_hold_all(self, gone: int) -> None:
        documents = [document_of(f"f{number}") for number in range(gone + 5)]
        compared = compare([make_file(f"f{number}") for number in range(5)], documents)
        deletions = [action for action in compared.actions if action.deed is Deed.DELETE]
        assert [action.batch for action in deletions] == [gone] * gone

    def test_documents_that_somebody_uploaded_by_name_do_not_count(self) -> None:
        others = [Document(f"n{number}", "hr", "a", 1, "ready") for number in range(100)]
        compared = compare([], [document_of(f"f{number}") for number in range(30)] + others)
        assert {action.batch for action in compared.actions} == {30}


@pytest.mark.parametrize(("since", "deeds"), [(1764547199, []), (1764547200, [Deed.STORE])])
def test_what_was_sent_before_there_was_this_tenant_is_not_its_knowledge(
    since: int, deeds: list[Deed]
) -> None:
    """A persona's model has the same id in every Tenant of a name; 1764547200 is 2025-12-01."""
    tenant = tenant_with()
    created = tenant.metadata.model_copy(update={"creation_timestamp": datetime(2025, 12, 1, tzinfo=UTC)})
    tenant = tenant.model_copy(update={"metadata": created})
    compared = plan(
        tenant,
        [make_file("f1", sent_to("hr", since=since))],
        [],
        places=Places([tenant]),
        owners=OWNERS,
        usage=Usage.of([]),
        rules=RULES,
    )
    assert [action.deed for action in compared.actions] == deeds
