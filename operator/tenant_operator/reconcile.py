"""One Tenant, from what it declares to what is there: the same function behind every trigger.

The order, and why:

1. Addresses that an older Tenant claims: nothing is made at all.
2. The finalizer, before anything outside: else a Tenant deleted now would leave orphans.
3. The parts, side by side, but for those that look at what another one makes (``after``). One that fails
   holds nobody up.
4. A Tenant that is being deleted: first every write for it ends, then the parts let go of it.
5. The status, once, and only when it differs; then an event, when readiness turned.

Killed between any two steps, the next run finds what is there and goes on. No I/O of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from servicekit.errors import RemoteError
from tenancy.model import DeletionPolicy, Tenant, TenantStatus

from .clients.cluster import FINALIZER
from .conditions import READY, Failure, Verdict, failure_of, to_status
from .erasure import Erasure
from .metrics import CHANGES
from .part import Ensured, Part

__all__ = ["Outcome", "Reconciler", "TenantWriter"]


class TenantWriter(Protocol):
    """What is written to a Tenant itself."""

    async def add_finalizer(self, tenant: Tenant) -> bool:
        """Hold the Tenant until it was taken down in order; false when it is gone already."""
        ...

    async def remove_finalizer(self, tenant: Tenant) -> None:
        """Let it go."""
        ...

    async def write_status(self, tenant: Tenant, status: dict[str, Any]) -> None:
        """Replace its status."""
        ...

    async def record_event(self, tenant: Tenant, *, warning: bool, reason: str, note: str) -> None:
        """Tell people what happened."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How a reconcile ended: well, or with the failure that decides about the next try."""

    failure: Failure | None = None

    @classmethod
    def unforeseen(cls) -> "Outcome":
        """Return the outcome of a reconcile that could not even write its status."""
        return cls(Failure("InternalError", "see the operator's log", permanent=False))

    @property
    def name(self) -> str:
        """Label for the metric."""
        if not self.failure:
            return "ready"
        return "stalled" if self.failure.permanent else "retrying"


class Reconciler:
    """Makes Tenants what they declare.

    Parameters
    ----------
    parts
        Every external system's share; one that goes ``after`` another stands behind it.
    writer
        Writes to the Tenant itself.
    finish_writes
        Returns when no service writes for a deleted Tenant any more; raises while one does.
    erasure
        Counts what is left of a tenant, and writes the receipt.
    conflict
        Says which older Tenant claims the same addresses, if one does.
    now
        Returns the time as RFC 3339 in seconds.
    note_taken_down
        Is called when all was done that a Tenant's deletion asks for, before its finalizer is removed.
    """

    def __init__(
        self,
        parts: Sequence[Part[Any]],
        writer: TenantWriter,
        finish_writes: Callable[[Tenant], Awaitable[None]],
        erasure: Erasure,
        conflict: Callable[[Tenant], str | None],
        now: Callable[[], str],
        note_taken_down: Callable[[Tenant], None],
    ) -> None:
        self._parts = parts
        self._writer = writer
        self._finish_writes = finish_writes
        self._erasure = erasure
        self._conflict = conflict
        self._now = now
        self._note_taken_down = note_taken_down
        self._log = structlog.get_logger("tenant_operator.reconcile")

    async def reconcile(self, tenant: Tenant) -> Outcome:
        """Bring one Tenant into the state that it declares, or as near to it as is possible now.

        Failures of parts are an outcome, not an exception. What escapes is a failure to write to the
        Tenant itself.
        """
        if tenant.deleting:
            return await self._take_down(tenant)
        conflict = self._conflict(tenant)
        if conflict:
            overall = Failure("EmailConflict", conflict, permanent=True)
            return await self._conclude(tenant, {}, {}, overall)
        held = FINALIZER in tenant.metadata.finalizers or await self._writer.add_finalizer(tenant)
        if not held:
            return Outcome()  # to make anything now would leave it behind
        results = await self._ensure_all(tenant)
        fared: dict[str, Failure | Verdict | None] = {}
        sections: dict[str, dict[str, Any]] = {}
        for part, result in zip(self._parts, results, strict=True):
            if isinstance(result, BaseException):
                fared[part.name] = self._failed(tenant, part, result)
                continue
            fared[part.name] = result.verdict
            if result.status:
                sections[part.name] = result.status
        return await self._conclude(tenant, fared, sections, None)

    async def clean_up(self, tenant: Tenant, successor: Tenant | None) -> Outcome:
        """Do for a Tenant that vanished without its finalizer what its deletion policy says.

        Nothing is touched once there is another Tenant of the name, for what is stored under a name may be
        that one's by now. It is named instead: in the log, and in an event of the successor.
        """
        if successor:
            note = (
                f"An earlier Tenant of this name (uid {tenant.metadata.uid}) was deleted without our "
                "finalizer. What it has left was not removed."
            )
            self._log.error("An earlier Tenant has left things behind", tenant=tenant.id, note=note)
            await self._record(successor, warning=True, reason="EarlierTenantLeft", note=note)
            return Outcome()
        try:
            await self._finish_writes(tenant)
        except RemoteError as exc:
            return Outcome(failure_of(exc))
        failures = [failure for failure in (await self._dispose(tenant)).values() if failure]
        if failures:
            return Outcome(failures[0])
        self._log.warning(
            "Cleaned up after a Tenant that was deleted without the finalizer",
            tenant=tenant.id, policy=tenant.spec.deletion_policy,
        )  # fmt: skip
        return Outcome()

    async def _ensure_all(self, tenant: Tenant) -> list[Ensured | BaseException]:
        under_way: dict[str, asyncio.Task[Ensured]] = {}
        for part in self._parts:
            ensuring = self._ensure(part, tenant, under_way.get(part.after))
            under_way[part.name] = asyncio.create_task(ensuring, name=part.name)
        return await asyncio.gather(*under_way.values(), return_exceptions=True)

    async def _ensure(self, part: Part[Any], tenant: Tenant, before: asyncio.Task[Ensured] | None) -> Ensured:
        if before:
            await asyncio.wait([before])
        ensured = await part.ensure(tenant, await part.observe(tenant))
        for change in ensured.changes:
            CHANGES.labels(part.name).inc()
            self._log.info("Changed an external system", tenant=tenant.id, part=part.name, change=change)
        return ensured

    async def _take_down(self, tenant: Tenant) -> Outcome:
        if FINALIZER not in tenant.metadata.finalizers and not tenant.status.has_sections:
            return Outcome()  # nothing was ever made for it
        try:
            await self._finish_writes(tenant)
        except RemoteError as exc:
            return await self._conclude(tenant, {}, {}, failure_of(exc))
        failures = await self._dispose(tenant)
        if any(failures.values()):
            return await self._conclude(tenant, failures, {}, None)
        self._log.info("The Tenant is gone", tenant=tenant.id, policy=tenant.spec.deletion_policy)
        self._note_taken_down(tenant)
        await self._writer.remove_finalizer(tenant)
        return Outcome()

    async def _dispose(self, tenant: Tenant) -> dict[str, Failure | None]:
        """Do what the deletion policy says; return the failures by part."""
        if tenant.spec.deletion_policy is DeletionPolicy.RETAIN:
            return await self._let_go(tenant, removes=False)
        try:
            return await self._erase(tenant)
        except RemoteError as exc:  # of the receipt, which lies in the bucket of the documents
            return {"storage": failure_of(exc)}

    async def _erase(self, tenant: Tenant) -> dict[str, Failure | None]:
        """Delete everything, and prove it by counting before and after.

        Raises
        ------
        RemoteError
            The receipt cannot be written.
        """
        draft = await self._erasure.begin(tenant)
        if isinstance(draft, dict):
            return dict(draft)
        failures = await self._let_go(tenant, removes=True)
        if any(failures.values()):
            return failures
        receipt = await self._erasure.finish(tenant, draft)
        if isinstance(receipt, dict):
            return failures | receipt
        await self._record(tenant, warning=False, reason="Erased", note=self._erasure.summary(receipt))
        return failures

    async def _let_go(self, tenant: Tenant, *, removes: bool) -> dict[str, Failure | None]:
        results = await asyncio.gather(
            *(part.remove(tenant) if removes else part.forget(tenant) for part in self._parts),
            return_exceptions=True,
        )
        return {
            part.name: self._failed(tenant, part, result) if isinstance(result, BaseException) else None
            for part, result in zip(self._parts, results, strict=True)
        }

    def _failed(self, tenant: Tenant, part: Part[Any], exc: BaseException) -> Failure:
        if not isinstance(exc, Exception):
            raise exc
        failure = failure_of(exc)
        unforeseen = exc if failure.reason == "InternalError" else None
        self._log.warning(
            "A part is not as declared", tenant=tenant.id, part=part.name, reason=failure.reason,
            error=failure.message, exc_info=unforeseen,
        )  # fmt: skip
        return failure

    async def _conclude(
        self,
        tenant: Tenant,
        parts: Mapping[str, Failure | Verdict | None],
        sections: dict[str, dict[str, Any]],
        overall: Failure | None,
    ) -> Outcome:
        status = to_status(tenant, parts, sections, overall=overall, now=self._now())
        if TenantStatus.model_validate(status) != tenant.status:
            await self._writer.write_status(tenant, status)
        await self._tell(tenant, status)
        failures = [overall] if overall else [each for each in parts.values() if isinstance(each, Failure)]
        # What may pass by itself decides about the retry: the rest of it can then be Ready sooner.
        failures.sort(key=lambda failure: failure.permanent)
        return Outcome(failures[0] if failures else None)

    async def _tell(self, tenant: Tenant, status: dict[str, Any]) -> None:
        """Record an event when readiness, or what stands in its way, is another than before."""
        ready = next(condition for condition in status["conditions"] if condition["type"] == READY)
        before = tenant.status.condition(READY)
        if before and (before.status, before.reason) == (ready["status"], ready["reason"]):
            return
        is_ready = ready["status"] == "True"
        reason = "Ready" if is_ready and ready["reason"] == "AsDeclared" else ready["reason"]
        note = ready["message"] or "Everything is as declared"
        await self._record(tenant, warning=not is_ready, reason=reason, note=note)

    async def _record(self, tenant: Tenant, *, warning: bool, reason: str, note: str) -> None:
        try:
            await self._writer.record_event(tenant, warning=warning, reason=reason, note=note)
        except RemoteError as exc:
            # The status says the same; an event that is lost is no reason to do everything again.
            self._log.warning("Cannot record an event", tenant=tenant.id, error=str(exc))
