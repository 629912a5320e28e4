"""Tests of the gauges for the files of all tenants."""

from typing import Any

import pytest
from file_sync.metrics import FILES, HELD_DELETIONS, UNASSIGNED_OWNERS
from file_sync.planner.models import FileReport, FileState, Plan
from file_sync.sync.stats import SyncStats
from file_sync.sync.tenant_sync import SyncResult


def make_result(*states: FileState, owners: set[str] | None = None, held: int = 0) -> SyncResult:
    reports = {f"f{number}": FileReport(state) for number, state in enumerate(states)}
    return SyncResult(Plan(reports=reports, blocked_deletions=held), owners or set())


def read(gauge: Any) -> float:
    """Return the value of a gauge."""
    return float(gauge._value.get())


@pytest.fixture
def stats() -> SyncStats:
    stats = SyncStats()
    stats.publish()
    return stats


def test_the_gauges_are_sums_over_all_tenants(stats: SyncStats) -> None:
    stats.record("a", make_result(FileState.READY, FileState.READY, FileState.FAILED, held=2))
    stats.record("b", make_result(FileState.READY, held=3))
    assert read(FILES.labels(FileState.READY)) == 3
    assert read(FILES.labels(FileState.FAILED)) == 1
    assert read(HELD_DELETIONS) == 5


def test_a_later_result_of_a_tenant_replaces_the_earlier_result(stats: SyncStats) -> None:
    stats.record("a", make_result(FileState.WAITING, owners={"u1"}, held=2))
    stats.record("a", make_result(FileState.READY))
    assert read(FILES.labels(FileState.WAITING)) == 0
    assert read(FILES.labels(FileState.READY)) == 1
    assert read(UNASSIGNED_OWNERS) == 0
    assert read(HELD_DELETIONS) == 0


def test_an_owner_of_files_in_two_tenants_counts_once(stats: SyncStats) -> None:
    stats.record("a", make_result(owners={"u1", "u2"}))
    stats.record("b", make_result(owners={"u2", "u3"}))
    assert read(UNASSIGNED_OWNERS) == 3


def test_pruned_tenants_no_longer_count(stats: SyncStats) -> None:
    stats.record("a", make_result(FileState.READY, owners={"u1"}, held=1))
    stats.record("b", make_result(FileState.READY))
    stats.prune({"b"})
    assert read(FILES.labels(FileState.READY)) == 1
    assert read(UNASSIGNED_OWNERS) == read(HELD_DELETIONS) == 0
    stats.prune(set())
    assert read(FILES.labels(FileState.READY)) == 0


def test_every_state_but_not_synced_has_a_series(stats: SyncStats) -> None:
    published = {sample.labels["state"] for sample in next(iter(FILES.collect())).samples}
    assert published >= set(FileState) - {FileState.NOT_SYNCED}
    assert FileState.NOT_SYNCED not in published
