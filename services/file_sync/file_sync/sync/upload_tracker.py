"""Tracker of files that are not searchable yet: it measures the time of each, and counts late files."""

import time
from collections.abc import Iterable

from ..metrics import LATE_FILES, READY_LAG
from ..models import File
from ..planner.models import FileState, Plan

__all__ = ["TARGET_SECONDS", "UploadTracker"]

TARGET_SECONDS = 300.0
"""Time within which a file is searchable, by the objective of charts/tenantry/files/monitoring/slos.yaml."""

MAX_TRACKED = 100_000
"""Limit of the tracked files, to limit memory; further files are not measured."""

_IN_PROGRESS = (FileState.WAITING, FileState.RECEIVED, FileState.INDEXING)


class UploadTracker:
    """Files of all tenants that are not searchable yet, from the plan that found them.

    A file is late if it is not searchable in time, even if it never becomes searchable. It counts once.
    """

    def __init__(self) -> None:
        self._started: dict[tuple[str, str], float] = {}
        """Time at which each file was given to a persona, by tenant id and document id."""
        self._late: set[tuple[str, str]] = set()

    def update(self, tenant_id: str, files: Iterable[File], plan: Plan) -> None:
        """Track a tenant's files that the plan shows in progress, and no others.

        A document that only moves is searchable under its former name, so it is not tracked.
        """
        moved = {action.document_id for action in plan.actions if action.former}
        states = {
            file.document_id: (file, plan.reports[file.id].state) for file in files if file.id in plan.reports
        }
        for key in [key for key in self._started if key[0] == tenant_id]:
            _, state = states.get(key[1], (None, None))
            if state is FileState.READY:
                self.record_ready(*key)
            elif state not in _IN_PROGRESS:
                self._remove(key)
        for document_id, (file, state) in states.items():
            if state in _IN_PROGRESS and document_id not in moved and len(self._started) < MAX_TRACKED:
                self._started.setdefault((tenant_id, document_id), file.given_at)

    def record_ready(self, tenant_id: str, document_id: str) -> None:
        """Observe the time until a tracked file became searchable."""
        key = tenant_id, document_id
        if (started := self._started.get(key)) is not None:
            seconds = max(time.time() - started, 0.0)
            READY_LAG.observe(seconds)
            if seconds > TARGET_SECONDS:
                self._count(key)
            self._remove(key)

    def count_late(self) -> None:
        """Count the files whose time has passed since the last call."""
        due = time.time() - TARGET_SECONDS
        for key, started in self._started.items():
            if started < due:
                self._count(key)

    def clear(self) -> None:
        """Track no files, because another replica continues."""
        self._started.clear()
        self._late.clear()

    def _count(self, key: tuple[str, str]) -> None:
        if key not in self._late:
            self._late.add(key)
            LATE_FILES.inc()

    def _remove(self, key: tuple[str, str]) -> None:
        del self._started[key]
        self._late.discard(key)
