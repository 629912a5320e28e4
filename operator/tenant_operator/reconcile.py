"""Reconcile of one Tenant: one function, for every trigger, brings the systems to the declared state.

The steps, and the reason for their order:

1. An older Tenant claims the same addresses: nothing is created.
2. The finalizer, before any external write: a Tenant that is deleted without a finalizer leaves orphans.
3. The parts, concurrently; a part that reads the result of another one waits for it (``after``). A failure of
   one part does not stop the others.
4. A Tenant that is being deleted: every write for it ends first, then the parts remove or release its data.
5. The status, once, and only when it differs; then an event when readiness changed.

After a crash between any two steps, the next run observes the state and continues. All I/O goes through the
arguments.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from servicekit.errors import BackendError
from servicekit.series import create_series
from tenancy.model import DeletionPolicy, Tenant, TenantStatus

from .clients.cluster import FINALIZER
from .conditions import READY, Failure, PartResult, build_status, to_failure
from .erasure import Erasure
from .metrics import CHANGES
from .part import EnsureResult, Part

__all__ = ["Outcome", "Reconciler", "TenantWriter"]


class TenantWriter(Protocol):
    """Writes to the Tenant object."""

    async def add_finalizer(self, tenant: Tenant) -> bool:
        """Add the finalizer; return False when the Tenant no longer exists."""
        ...

    async def remove_finalizer(self, tenant: Tenant) -> None:
        """Remove the finalizer."""
        ...

    async def write_status(self, tenant: Tenant, status: dict[str, Any]) -> None:
        """Replace the status."""
        ...

    async def record_event(self, tenant: Tenant, *, warning: bool, reason: str, note: str) -> None:
        """Record a Kubernetes event about the Tenant."""
        ...


@dataclass(frozen=True)
class Outcome:
    """Result of a reconcile; ``failure`` decides about the next retry."""

    failure: Failure | None = None

    @classmethod
    def build_unexpected(cls) -> "Outcome":
        """Return the outcome of a reconcile that could not even write its status."""
        return cls(Failure("InternalError", "see the operator's log", permanent=False))

    @property
    def name(self) -> str:
        """Value of the metric's label."""
        if not self.failure:
            return "ready"
        return "stalled" if self.failure.permanent else "retrying"


class Reconciler:
    """Brings Tenants to their declared state.

    Parameters
    ----------
    parts
        Parts in order: a part with an ``after`` comes after the part that ``after`` names.
    writer
        Writes to the Tenant object.
    finish_writes
        Returns when no service writes for a deleted Tenant any more; raises while a service still writes.
    erasure
        Counts the data of a tenant, and writes the receipt.
    conflict
        Returns a message when an older Tenant claims the same addresses.
    now
        Returns the time as RFC 3339 in seconds.
    mark_finalized
        Records that a deleted Tenant has no data left; called before its finalizer is removed.
    """

    def __init__(
        self,
        parts: Sequence[Part[Any]],
        writer: TenantWriter,
        finish_writes: Callable[[Tenant], Awaitable[None]],
        erasure: Erasure,
        conflict: Callable[[Tenant], str | None],
        now: Callable[[], str],
        mark_finalized: Callable[[Tenant], None],
    ) -> None:
        self._parts = parts
        self._writer = writer
        self._finish_writes = finish_writes
        self._erasure = erasure
        self._conflict = conflict
        self._now = now
        self._mark_finalized = mark_finalized
        create_series(CHANGES, [*(part.name for part in parts), "memberships"])
        self._log = structlog.get_logger("tenant_operator.reconcile")

    async def reconcile(self, tenant: Tenant) -> Outcome:
        """Reconcile one Tenant, as far as its external systems allow now.

        A part's failure is in the outcome; it is not raised.

        Raises
        ------
        BackendError
            The Tenant object cannot be written.
        """
        if tenant.deleting:
            return await self._finalize(tenant)
        conflict = self._conflict(tenant)
        if conflict:
            return await self._write_result(
                tenant, {}, {}, Failure("EmailConflict", conflict, permanent=True)
            )
        held = FINALIZER in tenant.metadata.finalizers or await self._writer.add_finalizer(tenant)
        if not held:
            return Outcome()  # anything created now would be an orphan
        results: dict[str, PartResult] = {}
        sections: dict[str, dict[str, Any]] = {}
        for part, ensured in zip(self._parts, await self._ensure_all(tenant), strict=True):
            if isinstance(ensured, BaseException):
                results[part.name] = self._log_failure(tenant, part, ensured)
                continue
            results[part.name] = ensured.condition
            if ensured.status:
                sections[part.name] = ensured.status
        return await self._write_result(tenant, results, sections, None)

    async def finalize_orphan(self, tenant: Tenant, successor: Tenant | None) -> Outcome:
        """Apply the deletion policy of a Tenant that was deleted without its finalizer.

        With a successor of the same name nothing is removed, because data under that name may be the
        successor's. The log and an event of the successor report the remaining data instead.
        """
        if successor:
            note = (
                f"An earlier Tenant of this name (uid {tenant.metadata.uid}) was deleted without the "
                "operator's finalizer. Its data was not removed."
            )
            self._log.error("Data of an earlier Tenant was not removed", tenant=tenant.id, note=note)
            await self._record(successor, warning=True, reason="EarlierTenantLeft", note=note)
            return Outcome()
        try:
            await self._finish_writes(tenant)
        except BackendError as exc:
            return Outcome(to_failure(exc))
        failures = [failure for failure in (await self._apply_deletion_policy(tenant)).values() if failure]
        if failures:
            return Outcome(failures[0])
        self._log.warning(
            "Cleaned up after a Tenant that was deleted without the finalizer",
            tenant=tenant.id, policy=tenant.spec.deletion_policy,
        )  # fmt: skip
        return Outcome()

    async def _ensure_all(self, tenant: Tenant) -> list[EnsureResult | BaseException]:
        tasks: dict[str, asyncio.Task[EnsureResult]] = {}
        for part in self._parts:
            ensuring = self._ensure(part, tenant, tasks.get(part.after))
            tasks[part.name] = asyncio.create_task(ensuring, name=part.name)
        return await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _ensure(
        self, part: Part[Any], tenant: Tenant, before: asyncio.Task[EnsureResult] | None
    ) -> EnsureResult:
        if before:
            await asyncio.wait([before])
        ensured = await part.ensure(tenant, await part.observe(tenant))
        for change in ensured.changes:
            CHANGES.labels(part.name).inc()
            self._log.info("Changed an external system", tenant=tenant.id, part=part.name, change=change)
        return ensured

    async def _finalize(self, tenant: Tenant) -> Outcome:
        if FINALIZER not in tenant.metadata.finalizers and not tenant.status.has_sections:
            return Outcome()  # the operator never created anything for this Tenant
        try:
            await self._finish_writes(tenant)
        except BackendError as exc:
            return await self._write_result(tenant, {}, {}, to_failure(exc))
        failures = await self._apply_deletion_policy(tenant)
        if any(failures.values()):
            return await self._write_result(tenant, failures, {}, None)
        self._log.info("Finalized a Tenant", tenant=tenant.id, policy=tenant.spec.deletion_policy)
        self._mark_finalized(tenant)
        await self._writer.remove_finalizer(tenant)
        return Outcome()

    async def _apply_deletion_policy(self, tenant: Tenant) -> dict[str, Failure | None]:
        """Remove or release the tenant's data; return the failures by part."""
        if tenant.spec.deletion_policy is DeletionPolicy.RETAIN:
            return await self._clean_up(tenant, remove=False)
        try:
            return await self._erase(tenant)
        except BackendError as exc:  # writing the receipt failed; receipts are in the documents bucket
            return {"storage": to_failure(exc)}

    async def _erase(self, tenant: Tenant) -> dict[str, Failure | None]:
        """Remove all data of the tenant, and prove the removal by counts before and after.

        Raises
        ------
        BackendError
            The receipt cannot be written.
        """
        draft = await self._erasure.begin(tenant)
        if isinstance(draft, dict):
            return dict(draft)
        failures = await self._clean_up(tenant, remove=True)
        if any(failures.values()):
            return failures
        receipt = await self._erasure.finish(tenant, draft)
        if isinstance(receipt, dict):
            return failures | receipt
        await self._record(tenant, warning=False, reason="Erased", note=self._erasure.summarize(receipt))
        return failures

    async def _clean_up(self, tenant: Tenant, *, remove: bool) -> dict[str, Failure | None]:
        results = await asyncio.gather(
            *(part.remove(tenant) if remove else part.release(tenant) for part in self._parts),
            return_exceptions=True,
        )
        return {
            part.name: self._log_failure(tenant, part, result) if isinstance(result, BaseException) else None
            for part, result in zip(self._parts, results, strict=True)
        }

    def _log_failure(self, tenant: Tenant, part: Part[Any], exc: BaseException) -> Failure:
        if not isinstance(exc, Exception):
            raise exc
        failure = to_failure(exc)
        unexpected = exc if failure.reason == "InternalError" else None
        self._log.warning(
            "A part is not as declared", tenant=tenant.id, part=part.name, reason=failure.reason,
            error=failure.message, exc_info=unexpected,
        )  # fmt: skip
        return failure

    async def _write_result(
        self,
        tenant: Tenant,
        results: Mapping[str, PartResult],
        sections: dict[str, dict[str, Any]],
        overall: Failure | None,
    ) -> Outcome:
        names = [part.name for part in self._parts]
        status = build_status(tenant, results, sections, parts=names, overall=overall, now=self._now())
        if TenantStatus.model_validate(status) != tenant.status:
            await self._writer.write_status(tenant, status)
        await self._record_readiness(tenant, status)
        failures = (
            [overall] if overall else [result for result in results.values() if isinstance(result, Failure)]
        )
        # A temporary failure decides about the retry, even next to a permanent failure: its part recovers
        # without delay.
        failures.sort(key=lambda failure: failure.permanent)
        return Outcome(failures[0] if failures else None)

    async def _record_readiness(self, tenant: Tenant, status: dict[str, Any]) -> None:
        """Record an event when ``Ready`` or its reason changed."""
        ready = next(condition for condition in status["conditions"] if condition["type"] == READY)
        before = tenant.status.get_condition(READY)
        if before and (before.status, before.reason) == (ready["status"], ready["reason"]):
            return
        is_ready = ready["status"] == "True"
        reason = "Ready" if is_ready and ready["reason"] == "AsDeclared" else ready["reason"]
        note = ready["message"] or "Everything is as declared"
        await self._record(tenant, warning=not is_ready, reason=reason, note=note)

    async def _record(self, tenant: Tenant, *, warning: bool, reason: str, note: str) -> None:
        try:
            await self._writer.record_event(tenant, warning=warning, reason=reason, note=note)
        except BackendError as exc:
            # The status has the same information; a lost event is no reason to repeat the reconcile.
            self._log.warning("Cannot record an event", tenant=tenant.id, error=str(exc))
