"""Tests of the plan for one file, as a table of files, documents and expected actions.

test_owners.py covers owners, test_persona_index.py links.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from file_sync.models import File, Link, ListedDocument, StorageUsage
from file_sync.planner.models import ActionType, FileState
from file_sync.planner.persona_index import PersonaIndex
from file_sync.planner.plan import build_plan

from tests.support.file_sync.files import (
    BUCKET,
    make_chat_link,
    make_document,
    make_file,
    make_knowledge_link,
    make_tenant_with_workspace,
)
from tests.support.file_sync.plans import CONFIG, OWNERS, make_plan

TRANSIENT = ("https://tenantry.io/problems/indexing-failed", "Given up.")
PERMANENT = ("https://tenantry.io/problems/document-unreadable", "The PDF is encrypted.")


@dataclass
class PlanCase:
    """A file (or ``None``), the copies of its document, and the expected actions, state and reason."""

    name: str
    file: File | None
    documents: list[ListedDocument]
    actions: list[tuple[Any, ...]] = field(default_factory=list)
    state: FileState | None = None
    reason: str = ""


STORE, CHECK, INDEX, DELETE = ActionType
MOVED = "hr", "plan.pdf"

CASES = [
    PlanCase(
        "a new file is stored", make_file(), [], [(STORE, "finance", "plan.pdf", ())], FileState.WAITING
    ),
    PlanCase(
        "a file sent to a persona is stored", make_file("f1", make_chat_link("hr")), [], [(STORE, *MOVED, ())]
    ),
    PlanCase("a ready file needs no action", make_file(), [make_document()], [], FileState.READY),
    PlanCase(
        "a stored document is indexed",
        make_file(),
        [make_document(state="received", sha256=None)],
        [(INDEX, "finance", "plan.pdf", ())],
        FileState.RECEIVED,
    ),
    PlanCase(
        "a document that is being indexed needs no action",
        make_file(),
        [make_document(state="indexing")],
        [],
        FileState.INDEXING,
    ),
    PlanCase(
        "a permanent failure is not retried",
        make_file(),
        [make_document(state="failed", problem=PERMANENT)],
        [],
        FileState.FAILED,
        "The PDF is encrypted.",
    ),
    PlanCase(
        "a transient failure is retried",
        make_file(),
        [make_document(state="failed", problem=TRANSIENT)],
        [(INDEX, "finance", "plan.pdf", ())],
        FileState.RECEIVED,
    ),
    PlanCase(
        "a renamed file is stored again, and its old copy is deleted",
        make_file(filename="new.pdf"),
        [make_document()],
        [(STORE, "finance", "new.pdf", (("finance", "plan.pdf"),))],
    ),
    PlanCase(
        "a file in another knowledge base moves",
        make_file("f1", make_knowledge_link("hr")),
        [make_document()],
        [(STORE, *MOVED, (("finance", "plan.pdf"),))],
    ),
    PlanCase(
        "an interrupted move is completed, although both copies are ready",
        make_file("f1", make_knowledge_link("hr")),
        [make_document(), make_document(persona_id="hr")],
        [(INDEX, *MOVED, (("finance", "plan.pdf"),))],
        FileState.INDEXING,
    ),
    PlanCase(
        "a file in two knowledge bases is not moved",
        make_file("f1", make_knowledge_link("finance", since=1), make_knowledge_link("hr", since=2)),
        [make_document(persona_id="hr")],
        [],
        FileState.READY,
    ),
    PlanCase(
        "a new file in two knowledge bases belongs to the first",
        make_file("f1", make_knowledge_link("hr", since=1), make_knowledge_link("finance", since=2)),
        [],
        [(STORE, *MOVED, ())],
    ),
    PlanCase(
        "a knowledge base takes precedence over a chat",
        make_file("f1", make_chat_link("finance", since=1), make_knowledge_link("hr", since=2)),
        [make_document()],
        [(STORE, *MOVED, (("finance", "plan.pdf"),))],
    ),
    PlanCase(
        "a different hash is checked",
        make_file(digest="b" * 64),
        [make_document()],
        [(CHECK, "finance", "plan.pdf", ())],
        FileState.READY,
    ),
    PlanCase(
        "a different size is checked",
        make_file(size=11),
        [make_document()],
        [(CHECK, "finance", "plan.pdf", ())],
    ),
    PlanCase(
        "an invalid hash is ignored",
        make_file(digest="made up"),
        [make_document()],
        [],
        FileState.READY,
    ),
    PlanCase(
        "the document of a deleted file is deleted",
        None,
        [make_document()],
        [(DELETE, "finance", "plan.pdf", ())],
    ),
    PlanCase(
        "the document of a file without a link to a persona is deleted",
        make_file("f1", make_knowledge_link("other", tenant_id="tenantz")),
        [make_document()],
        [(DELETE, "finance", "plan.pdf", ())],
        None,
    ),
    PlanCase(
        "a file without a link to a persona is not stored",
        make_file("f1", make_knowledge_link("x", tenant_id="z")),
        [],
        [],
        None,
    ),
    PlanCase(
        "a document that was uploaded at the gateway stays",
        None,
        [ListedDocument("9d1f", "hr", "a", 1, "ready")],
    ),
    PlanCase(
        "a document of a persona that the Tenant no longer has stays",
        None,
        [make_document(persona_id="legal")],
    ),
    # Owners
    PlanCase(
        "a file of a person without a tenant is ignored",
        make_file(subject="no-tenant"),
        [],
        [],
        FileState.NO_TENANT,
    ),
    PlanCase(
        "a file of an account without Keycloak is ignored", make_file(subject=""), [], [], FileState.NO_TENANT
    ),
    PlanCase(
        "a file of a person of another tenant is ignored",
        make_file(subject="bob"),
        [],
        [],
        FileState.OTHER_TENANT,
    ),
    PlanCase(
        "while Keycloak is down a new file waits", make_file(subject="unknown"), [], [], FileState.WAITING
    ),
    PlanCase(
        "a file that was given to another tenant first is ignored",
        make_file("f1", make_knowledge_link(tenant_id="tenantb", since=1), make_knowledge_link(since=2)),
        [],
        [],
        FileState.OTHER_TENANT,
    ),
    PlanCase(
        "a later link to another tenant has no effect",
        make_file("f1", make_knowledge_link(since=1), make_knowledge_link(tenant_id="tenantb", since=2)),
        [],
        [(STORE, "finance", "plan.pdf", ())],
    ),
    PlanCase(
        "a link to another tenant chooses no persona",
        make_file("f1", make_chat_link("hr", since=1), make_knowledge_link(tenant_id="tenantb", since=2)),
        [],
        [(STORE, *MOVED, ())],
    ),
    PlanCase(
        "a document of a person who moved to another tenant stays",
        make_file(subject="bob"),
        [make_document()],
        [],
        FileState.READY,
    ),
    PlanCase(
        "a document of a person who moved is indexed again if the index was lost",
        make_file(subject="bob"),
        [make_document(state="received", sha256=None)],
        [(INDEX, "finance", "plan.pdf", ())],
        FileState.RECEIVED,
    ),
    PlanCase(
        "a document of a person who moved gets no new content",
        make_file(subject="bob", size=11),
        [make_document()],
        [],
        FileState.READY,
    ),
    PlanCase(
        "a document of a person who moved gets no new name",
        make_file(subject="bob", filename="new.pdf"),
        [make_document()],
        [],
        FileState.READY,
    ),
    PlanCase(
        "a document of a person who moved is deleted with its file",
        None,
        [make_document()],
        [(DELETE, "finance", "plan.pdf", ())],
    ),
    # Refused files
    PlanCase("an empty file", make_file(size=0), [], [], FileState.REFUSED, "The file is empty."),
    PlanCase(
        "a large file",
        make_file(size=101),
        [],
        [],
        FileState.REFUSED,
        "The file has 101 bytes; the limit is 100.",
    ),
    PlanCase(
        "a file of the largest size is stored", make_file(size=100), [], [(STORE, "finance", "plan.pdf", ())]
    ),
    PlanCase(
        "a file of unknown size is stored",
        make_file(size=None),
        [],
        [(STORE, "finance", "plan.pdf", ())],
    ),
    PlanCase(
        "a file in another bucket",
        make_file(path="s3://digital-twin-docs-dev/tenant-tenantb/hr/documents/x/f1_plan.pdf"),
        [],
        [],
        FileState.REFUSED,
        "Its content is not where Open WebUI stores files.",
    ),
    PlanCase(
        "another file's content", make_file(path=f"s3://{BUCKET}/f2_plan.pdf"), [], [], FileState.REFUSED
    ),
    PlanCase("a file outside the bucket", make_file(path="/etc/passwd"), [], [], FileState.REFUSED),
    PlanCase("an id that is a path", make_file("../f1"), [], [], FileState.REFUSED),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_file_gets_the_expected_plan(case: PlanCase) -> None:
    plan = make_plan([case.file] if case.file else [], case.documents)
    assert [(each.type, each.persona_id, each.filename, each.former) for each in plan.actions] == case.actions
    reports = list(plan.reports.values())
    if case.state:
        assert [report.state for report in reports] == [case.state]
    if case.reason:
        assert reports[0].reason == case.reason
    assert not plan.unresolved_subjects


@pytest.mark.parametrize(
    "link", [make_knowledge_link(tenant_id="tenantb"), make_chat_link(tenant_id="tenantb")]
)
def test_a_file_that_only_another_tenant_has_is_not_planned(link: Link) -> None:
    plan = make_plan([make_file("f1", link)], [])
    assert (plan.actions, plan.reports) == ([], {})


def test_an_unresolved_owner_of_a_new_file_is_resolved() -> None:
    assert make_plan([make_file(subject="newcomer")], []).unresolved_subjects == {"newcomer"}


def test_the_owner_of_an_existing_document_is_not_resolved() -> None:
    assert not make_plan([make_file(subject="newcomer")], [make_document()]).unresolved_subjects


def test_a_check_of_a_permanent_failure_is_complete_without_a_change() -> None:
    (action,) = make_plan([make_file(size=11)], [make_document(state="failed", problem=PERMANENT)]).actions
    assert action.is_final


def test_a_check_of_a_document_that_is_not_indexed_is_not_complete() -> None:
    (action,) = make_plan([make_file(size=11)], [make_document(state="received", sha256=None)]).actions
    assert not action.is_final


def test_a_document_with_two_copies_is_deleted_once() -> None:
    plan = make_plan([], [make_document(), make_document(persona_id="hr")])
    assert [action.type for action in plan.actions] == [ActionType.DELETE]


def test_a_plan_needs_a_recheck_for_indexing_documents_and_unknown_owners() -> None:
    assert make_plan([make_file()], [make_document(state="indexing")]).needs_recheck
    assert make_plan([make_file(subject="unknown")], []).needs_recheck
    assert not make_plan([make_file()], [make_document()]).needs_recheck


class TestQuota:
    def test_the_oldest_files_get_the_remaining_quota(self) -> None:
        files = [make_file(f"f{number}", created_at=10 - number) for number in range(4)]
        plan = make_plan(files, [ListedDocument("by-name", "hr", "a", 5, "ready")], quota={"documents": 3})
        stored = [action.document_id for action in plan.actions]
        assert stored == ["owui-f3", "owui-f2"]
        assert plan.reports["f0"].reason == (
            "The tenant has reached its limit of documents: 3 are stored, 3 are allowed. "
            "Delete documents, or ask your administrator for a higher limit."
        )

    def test_bytes_count_for_the_quota(self) -> None:
        files = [
            make_file("f1", size=60),
            make_file("f2", size=60, created_at=2),
            make_file("f3", size=40, created_at=3),
        ]
        plan = make_plan(files, [], quota={"storage": "100"})
        assert [action.document_id for action in plan.actions] == ["owui-f1", "owui-f3"]
        assert plan.reports["f2"].reason == (
            "This document of 60 bytes does not fit: the tenant uses 60 bytes of its limit of 100 bytes. "
            "Delete documents, or ask your administrator for a higher limit."
        )

    def test_a_full_tenant_may_move_its_documents(self) -> None:
        plan = make_plan(
            [make_file("f1", make_knowledge_link("hr"))],
            [make_document()],
            quota={"documents": 1, "storage": "10"},
        )
        assert [action.type for action in plan.actions] == [ActionType.STORE]

    def test_changed_content_needs_quota_only_for_the_difference(self) -> None:
        quota = {"documents": 1, "storage": "12"}
        assert make_plan([make_file(size=12)], [make_document()], quota=quota).actions
        assert not make_plan([make_file(size=13)], [make_document()], quota=quota).actions


class TestMassDeletion:
    @pytest.mark.parametrize("gone", [1, 21, 30])
    def test_each_deletion_carries_the_size_of_its_batch(self, gone: int) -> None:
        documents = [make_document(f"f{number}") for number in range(gone + 5)]
        plan = make_plan([make_file(f"f{number}") for number in range(5)], documents)
        deletions = [action for action in plan.actions if action.type is ActionType.DELETE]
        assert [action.batch for action in deletions] == [gone] * gone

    def test_documents_from_the_gateway_do_not_count_for_the_deletion_batch(self) -> None:
        others = [ListedDocument(f"n{number}", "hr", "a", 1, "ready") for number in range(100)]
        plan = make_plan([], [make_document(f"f{number}") for number in range(30)] + others)
        assert {action.batch for action in plan.actions} == {30}


@pytest.mark.parametrize(("since", "actions"), [(1764547199, []), (1764547200, [ActionType.STORE])])
def test_files_sent_before_the_tenant_was_created_are_not_stored(
    since: int, actions: list[ActionType]
) -> None:
    """A persona's model has the same id in every Tenant of a name; 1764547200 is 2025-12-01."""
    tenant = make_tenant_with_workspace()
    created = tenant.metadata.model_copy(update={"creation_timestamp": datetime(2025, 12, 1, tzinfo=UTC)})
    tenant = tenant.model_copy(update={"metadata": created})
    plan = build_plan(
        tenant,
        [make_file("f1", make_chat_link("hr", since=since))],
        [],
        personas=PersonaIndex([tenant]),
        owners=OWNERS,
        usage=StorageUsage.from_documents([]),
        config=CONFIG,
    )
    assert [action.type for action in plan.actions] == actions
