"""Tests of the fault tests' comparison with the ground truth: it detects each kind of loss and duplicate."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from tests.support.documents.ground_truth import StoredState, find_errors

LINES = [f"Line {number}." for number in range(4)]
CONTENT = "\n\n".join(LINES).encode()
DOCUMENTS = "tenant-a/finance/documents"
EXPECTED = {"a": {"f1": ("plan.txt", CONTENT)}, "b": {"f2": ("plan.txt", b"Ebb.")}}

Objects = dict[str, str]
Points = list[dict[str, Any]]


def make_stored() -> tuple[Objects, Points]:
    """Return the expected objects and points."""
    objects, points = {}, []
    for tenant_id, files in EXPECTED.items():
        for file_id, (filename, content) in files.items():
            digest = sha256(content).hexdigest()
            objects[f"tenant-{tenant_id}/finance/documents/owui-{file_id}/{filename}"] = digest
            texts = content.decode().split("\n\n")
            for number, text in enumerate(texts):
                points.append(
                    {
                        "tenantId": f"tenant-{tenant_id}",
                        "personaId": "finance",
                        "documentId": f"owui-{file_id}",
                        "sha256": digest,
                        "version": "1",
                        "chunk": number,
                        "chunks": len(texts),
                        "text": text,
                    }
                )
    return objects, points


def test_complete_data_has_no_error() -> None:
    assert find_errors(EXPECTED, StoredState(*make_stored())) == []


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda objects, _: objects.pop(next(iter(objects))), "is not in S3"),
        (lambda objects, _: objects.update(dict.fromkeys(objects, "0")), "has another content"),
        (lambda objects, _: objects.update({f"{DOCUMENTS}/owui-f1/copy.txt": "0"}), "should not be"),
        (lambda objects, _: objects.update({f"{DOCUMENTS}/owui-f2/plan.txt": "0"}), "should not be"),
        (lambda _, points: points.clear(), "it is not there"),
        (lambda _, points: points.append(points[1]), "missing or doubled"),
        (lambda _, points: points.pop(1), "missing or doubled"),
        (lambda _, points: points.append(points[0] | {"version": "2"}), "several versions"),
        (lambda _, points: points[0].update(tenantId="tenant-b"), "another tenant"),
        (lambda _, points: points.append(points[0] | {"documentId": "owui-f3"}), "should not be"),
        (lambda _, points: points[0].update(sha256="0"), "another content"),
        (lambda _, points: points[1].update(text="Line 0."), "lines are missing"),
    ],
    ids=[
        "not stored", "stored with other content", "stored twice", "stored for another tenant", "not indexed",
        "a duplicate chunk", "a missing chunk", "a stale version", "indexed for another tenant",
        "an extra document",
        "other content indexed", "a missing line",
    ],
)  # fmt: skip
def test_each_damage_is_detected(harm: Callable[[Objects, Points], object], error: str) -> None:
    objects, points = make_stored()
    harm(objects, points)
    assert any(error in found_error for found_error in find_errors(EXPECTED, StoredState(objects, points)))
