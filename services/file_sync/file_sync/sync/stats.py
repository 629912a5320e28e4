"""Gauges for the files of all tenants, summed from the last sync of each tenant."""

from ..metrics import FILES, HELD_DELETIONS, UNASSIGNED_OWNERS
from ..planner.models import FileState
from .tenant_sync import SyncResult

__all__ = ["SyncStats"]


class SyncStats:
    """Aggregates the results of all tenants into gauges."""

    def __init__(self) -> None:
        self._tenants: dict[str, tuple[dict[FileState, int], frozenset[str], int]] = {}

    def record(self, tenant_id: str, result: SyncResult) -> None:
        """Replace a tenant's numbers with the numbers of its last result."""
        plan = result.plan
        unassigned_owners = frozenset(result.unassigned_owners)
        self._tenants[tenant_id] = dict(plan.counts), unassigned_owners, plan.blocked_deletions
        self.publish()

    def prune(self, tenant_ids: set[str]) -> None:
        """Remove the numbers of tenants that are not in ``tenant_ids``."""
        for tenant_id in self._tenants.keys() - tenant_ids:
            del self._tenants[tenant_id]
        self.publish()

    def publish(self) -> None:
        """Set the gauges to the sums over all tenants."""
        recorded = self._tenants.values()
        for state in FileState:
            if state is not FileState.NOT_SYNCED:
                FILES.labels(state).set(sum(counts.get(state, 0) for counts, _, _ in recorded))
        UNASSIGNED_OWNERS.set(len(frozenset().union(*(owners for _, owners, _ in recorded))))
        HELD_DELETIONS.set(sum(held for _, _, held in recorded))
