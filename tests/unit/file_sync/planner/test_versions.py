"""Tests of the versions of documents."""

from dataclasses import replace

from file_sync.models import ListedDocument
from file_sync.planner.versions import TOP_FOLDER, LinkedFile, set_predecessors

from tests.support.file_sync.files import make_document, make_file

UPLOAD = ListedDocument("by-name", "finance", "plan.pdf", 10, "ready", stored_at=2)


def make_linked_file(file_id: str, created_at: int, *, has_document: bool = True) -> LinkedFile:
    copies = [make_document(file_id)] if has_document else []
    return LinkedFile(make_file(file_id, created_at=created_at), "finance", TOP_FOLDER, copies)


def list_predecessors(files: list[LinkedFile], upload: ListedDocument | None = None) -> list[str | None]:
    set_predecessors(files, upload)
    return [each.predecessor.id if each.predecessor else None for each in files]


def test_the_predecessor_is_the_newest_older_document() -> None:
    files = [
        make_linked_file("f1", 1),
        make_linked_file("f2", 2),
        make_linked_file("f3", 3, has_document=False),
        make_linked_file("f4", 4),
    ]
    assert list_predecessors(files) == [None, "owui-f1", "owui-f2", "owui-f2"]


def test_files_of_one_second_have_the_same_predecessor() -> None:
    files = [
        make_linked_file("f1", 1),
        make_linked_file("f2", 2),
        make_linked_file("f3", 2),
        make_linked_file("f4", 3),
    ]
    assert list_predecessors(files) == [None, "owui-f1", "owui-f1", "owui-f3"]


def test_an_upload_is_the_predecessor_of_newer_files_without_an_older_document() -> None:
    files = [
        make_linked_file("f1", 1, has_document=False),
        make_linked_file("f2", 2, has_document=False),
        make_linked_file("f3", 3),
    ]
    assert list_predecessors(files, UPLOAD) == [None, None, "by-name"]


def test_a_file_is_ready_if_its_only_copy_is_ready_and_has_the_same_content() -> None:
    ready = make_linked_file("f1", 1)
    assert ready.is_ready
    assert not make_linked_file("f1", 1, has_document=False).is_ready
    for values in ({"state": "indexing"}, {"persona_id": "hr"}, {"filename": "old.pdf"}, {"size": 11}):
        assert not replace(ready, copies=[make_document("f1", **values)]).is_ready
    assert not replace(ready, copies=[make_document("f1"), make_document("f1", persona_id="hr")]).is_ready


def test_a_name_is_a_persona_a_directory_and_a_clean_file_name() -> None:
    file = make_file("f1", filename="a/b.txt")
    assert LinkedFile(file, "finance", "d1", []).document_path == ("finance", "d1", "a_b.txt")
