"""Tests of the checks of one file and of its document."""

from typing import Any

import pytest
from file_sync.planner.checks import find_defect, may_differ, may_succeed_on_retry

from tests.support.file_sync.files import BUCKET, make_document, make_file
from tests.support.file_sync.plans import CONFIG


def test_a_file_of_any_allowed_size_has_no_defect() -> None:
    for size in (None, 1, CONFIG.document_bytes):
        assert find_defect(make_file(size=size), CONFIG) is None


@pytest.mark.parametrize(
    ("file_id", "values", "reason"),
    [
        ("../f1", {}, "Its id is not one of Open WebUI."),
        ("f" * 65, {}, "Its id is not one of Open WebUI."),
        ("f1", {"path": "/etc/passwd"}, "Its content is not where Open WebUI stores files."),
        ("f1", {"path": f"s3://{BUCKET}/f2_plan.pdf"}, "Its content is not where Open WebUI stores files."),
        ("f1", {"path": f"s3://{BUCKET}-2/f1.pdf"}, "Its content is not where Open WebUI stores files."),
        ("f1", {"size": 0}, "The file is empty."),
        ("f1", {"size": 101}, "The file has 101 bytes; the limit is 100."),
    ],
)
def test_a_defect_has_a_reason(file_id: str, values: dict[str, Any], reason: str) -> None:
    assert find_defect(make_file(file_id, **values), CONFIG) == reason


@pytest.mark.parametrize(
    ("file", "document", "differs"),
    [
        ({}, {}, False),
        ({"size": 11}, {}, True),
        ({"size": None}, {}, False),
        ({"digest": "b" * 64}, {}, True),
        ({"digest": ""}, {}, False),
        ({"digest": "b" * 63}, {}, False),
        ({"digest": "b" * 64}, {"sha256": None}, False),
    ],
)
def test_content_may_differ_by_size_or_hash(
    file: dict[str, Any], document: dict[str, Any], *, differs: bool
) -> None:
    assert may_differ(make_file(**file), make_document(**document)) is differs


@pytest.mark.parametrize(
    ("state", "slug", "may_succeed"),
    [
        ("failed", "indexing-failed", True),
        ("failed", None, True),
        ("failed", "document-empty", False),
        ("failed", "document-too-large", False),
        ("failed", "document-unreadable", False),
        ("failed", "document-unsupported", False),
        ("ready", None, False),
    ],
)
def test_a_retry_may_solve_only_transient_problems(
    state: str, slug: str | None, *, may_succeed: bool
) -> None:
    problem = (f"https://tenantry.io/problems/{slug}", "why") if slug else None
    assert may_succeed_on_retry(make_document(state=state, problem=problem)) is may_succeed
