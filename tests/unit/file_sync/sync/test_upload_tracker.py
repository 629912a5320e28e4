"""Tests of the tracker of files that are not searchable yet."""

import time
from typing import Any

import pytest
import yaml
from file_sync.metrics import LATE_FILES, READY_LAG
from file_sync.models import File
from file_sync.planner.models import ActionType, FileReport, FileState, Plan, PlannedAction
from file_sync.sync import upload_tracker
from file_sync.sync.upload_tracker import TARGET_SECONDS, UploadTracker

from tests.support.file_sync.files import make_file, make_knowledge_link
from tools.chart_schema import CHART

FINISHED = [FileState.REFUSED, FileState.FAILED, FileState.REPLACED, FileState.KEPT, FileState.NO_TENANT]


def make_upload(file_id: str, *, age: float = 0, linked: float | None = None) -> File:
    """Return a file that was uploaded and given to a persona some seconds ago."""
    now = time.time()
    link = make_knowledge_link(since=int(now - (age if linked is None else linked)))
    return make_file(file_id, link, created_at=int(now - age), updated_at=int(now - age))


def make_state(state: FileState, *files: File) -> Plan:
    """Return a plan that reports one state of all files."""
    return Plan(reports={file.id: FileReport(state) for file in files})


class UploadCounts:
    """Late files and observed times since the beginning of a test."""

    def __init__(self) -> None:
        self._before = self._read()

    def __call__(self) -> tuple[int, int]:
        return tuple(now - before for now, before in zip(self._read(), self._before, strict=True))  # type: ignore[return-value]

    def _read(self) -> tuple[int, int]:
        observed = sum(bucket.get() for bucket in READY_LAG._buckets)
        return int(LATE_FILES._value.get()), int(observed)


@pytest.fixture
def counts() -> UploadCounts:
    return UploadCounts()


@pytest.fixture
def tracker() -> UploadTracker:
    return UploadTracker()


@pytest.mark.parametrize("state", [FileState.WAITING, FileState.RECEIVED, FileState.INDEXING])
def test_a_file_that_never_becomes_searchable_is_late_once(
    tracker: UploadTracker, counts: UploadCounts, state: FileState
) -> None:
    file = make_upload("f1", age=TARGET_SECONDS + 10)
    for _ in range(3):
        tracker.update("a", [file], make_state(state, file))
        tracker.count_late()
    assert counts() == (1, 0)


def test_a_file_is_late_without_another_plan(
    tracker: UploadTracker, counts: UploadCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During an outage of a backend there are no plans."""
    file = make_upload("f1")
    tracker.update("a", [file], make_state(FileState.WAITING, file))
    tracker.count_late()
    assert counts() == (0, 0)
    later = time.time() + TARGET_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    tracker.count_late()
    assert counts() == (1, 0)


@pytest.mark.parametrize(("age", "expected"), [(20, (0, 1)), (TARGET_SECONDS + 10, (1, 1))])
@pytest.mark.parametrize("seen_late", [True, False])
def test_a_searchable_file_has_a_time_and_is_late_at_most_once(
    tracker: UploadTracker, counts: UploadCounts, age: float, expected: tuple[int, int], seen_late: bool
) -> None:
    file = make_upload("f1", age=age)
    tracker.update("a", [file], make_state(FileState.RECEIVED, file))
    if seen_late:
        tracker.count_late()
    tracker.record_ready("a", file.document_id)
    tracker.record_ready("a", file.document_id)
    tracker.count_late()
    assert counts() == expected


def test_a_plan_shows_that_a_file_became_searchable(tracker: UploadTracker, counts: UploadCounts) -> None:
    """A call to n8n can end after its run."""
    file = make_upload("f1")
    tracker.update("a", [file], make_state(FileState.INDEXING, file))
    tracker.update("a", [file], make_state(FileState.READY, file))
    assert counts() == (0, 1)


@pytest.mark.parametrize("state", FINISHED)
def test_a_file_that_cannot_be_used_is_not_late(
    tracker: UploadTracker, counts: UploadCounts, state: FileState
) -> None:
    file = make_upload("f1", age=TARGET_SECONDS + 10)
    tracker.update("a", [file], make_state(FileState.WAITING, file))
    tracker.update("a", [file], make_state(state, file))
    tracker.count_late()
    assert counts() == (0, 0)


def test_a_deleted_file_is_not_late(tracker: UploadTracker, counts: UploadCounts) -> None:
    file = make_upload("f1", age=TARGET_SECONDS + 10)
    tracker.update("a", [file], make_state(FileState.WAITING, file))
    tracker.update("a", [], Plan())
    tracker.count_late()
    assert counts() == (0, 0)


def test_the_time_of_a_file_begins_when_it_is_given_to_a_persona(
    tracker: UploadTracker, counts: UploadCounts
) -> None:
    file = make_upload("f1", age=86400, linked=5)
    tracker.update("a", [file], make_state(FileState.WAITING, file))
    tracker.count_late()
    assert counts() == (0, 0)


def test_a_moved_document_is_not_tracked(tracker: UploadTracker, counts: UploadCounts) -> None:
    file = make_upload("f1", age=TARGET_SECONDS + 10)
    plan = make_state(FileState.WAITING, file)
    action = PlannedAction(ActionType.STORE, file.document_id, "hr", "plan.pdf", file, (("it", "plan.pdf"),))
    plan.actions.append(action)
    tracker.update("a", [file], plan)
    tracker.count_late()
    assert counts() == (0, 0)


def test_plans_of_other_tenants_change_nothing(tracker: UploadTracker, counts: UploadCounts) -> None:
    file = make_upload("f1", age=TARGET_SECONDS + 10)
    tracker.update("a", [file], make_state(FileState.WAITING, file))
    tracker.update("b", [], Plan())
    tracker.count_late()
    assert counts() == (1, 0)


def test_a_former_leader_counts_nothing(tracker: UploadTracker, counts: UploadCounts) -> None:
    file = make_upload("f1", age=TARGET_SECONDS + 10)
    tracker.update("a", [file], make_state(FileState.WAITING, file))
    tracker.clear()
    tracker.count_late()
    assert counts() == (0, 0)


def test_the_number_of_tracked_files_is_bounded(
    tracker: UploadTracker, counts: UploadCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_tracker, "MAX_TRACKED", 2)
    files = [make_upload(f"f{number}", age=TARGET_SECONDS + 10) for number in range(5)]
    tracker.update("a", files, make_state(FileState.WAITING, *files))
    tracker.count_late()
    assert counts() == (2, 0)


def test_the_time_is_that_of_the_objective() -> None:
    slos: list[dict[str, Any]] = yaml.safe_load((CHART / "files/monitoring/slos.yaml").read_text())
    (uploads,) = [slo for slo in slos if slo["name"] == "uploads"]
    assert f'le="{TARGET_SECONDS}"' in uploads["total"]
    assert "five minutes" in uploads["summary"]
    assert TARGET_SECONDS == 5 * 60
