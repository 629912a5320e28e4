"""How all files stand, as last compared, in numbers."""

from ..metrics import BRAKED, FILES, STRANGERS
from ..planner.plan import State
from .tenant_sync import Worked

__all__ = ["Tally"]


class Tally:
    """Adds up what came of each tenant's comparison."""

    def __init__(self) -> None:
        self._tenants: dict[str, tuple[dict[State, int], frozenset[str], int]] = {}

    def note(self, tenant_id: str, worked: Worked) -> None:
        """Put a tenant's newest numbers in the place of the last ones."""
        plan = worked.plan
        self._tenants[tenant_id] = dict(plan.counts), frozenset(worked.strangers), plan.withheld
        self._tell()

    def keep(self, tenant_ids: set[str]) -> None:
        """Forget all other tenants."""
        for tenant_id in self._tenants.keys() - tenant_ids:
            del self._tenants[tenant_id]
        self._tell()

    def _tell(self) -> None:
        noted = self._tenants.values()
        for state in State:
            if state is not State.NOT_SYNCED:
                FILES.labels(state).set(sum(counts.get(state, 0) for counts, _, _ in noted))
        STRANGERS.set(len(frozenset().union(*(strangers for _, strangers, _ in noted))))
        BRAKED.set(sum(withheld for _, _, withheld in noted))
