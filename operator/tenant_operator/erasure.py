"""Proof of erasure: every store is counted before and after a Tenant's data is deleted.

The counts before are kept in a draft of the receipt before anything is deleted. So a run that was killed is
completed by the next one, and the receipt still says what there was.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tenancy.model import Tenant
from tenancy.names import erasure_receipt_key
from tenancy.receipts import (
    ErasureReceipt,
    NotScanned,
    ReceiptInvalid,
    Store,
    TenantIdentity,
    parse,
    read_signed,
    sign,
)

from .conditions import Failure, failure_of
from .part import Leftovers, Part

__all__ = ["Erasure", "ReceiptStore"]

NOT_SCANNED = (
    NotScanned(
        store="n8n",
        reason="it keeps an execution for some seconds, and for 70 minutes at most (docs/workflows.md)",
    ),
    NotScanned(
        store="backups, logs and metrics",
        reason="they go when they are as old as their retention says (docs/security.md)",
    ),
)
"""Places that the operator cannot reach, and the rule by which a tenant's data goes there."""


class ReceiptStore(Protocol):
    """A durable place for receipts, outside every tenant's data."""

    async def read(self, key: str) -> bytes | None:
        """Return what was written under a key, or ``None``."""
        ...

    async def write(self, key: str, body: bytes) -> None:
        """Write what can no longer be lost."""
        ...


class Erasure:
    """Counts what is left of a tenant, and writes the receipt.

    Parameters
    ----------
    parts
        Every external system's share.
    store
        Where receipts are kept.
    key
        The key that signs them; without one, everything is counted and nothing is written.
    now
        Returns the time as RFC 3339 in seconds.
    """

    def __init__(
        self,
        parts: Sequence[Part[Any]],
        store: ReceiptStore,
        key: Ed25519PrivateKey | None,
        now: Callable[[], str],
    ) -> None:
        self._parts = parts
        self._store = store
        self._key = key
        self._now = now
        self._log = structlog.get_logger("tenant_operator.erasure")

    async def begin(self, tenant: Tenant) -> ErasureReceipt | dict[str, Failure]:
        """Return the draft with the counts before anything was deleted, or why a part cannot be counted.

        Raises
        ------
        RemoteError
            The draft can neither be read nor written, so nothing may be deleted yet.
        """
        known = await self._read(tenant)
        if known:
            return known
        counts, failures = await self._count(tenant)
        if failures:
            return failures
        counted = self._now()
        requested = tenant.metadata.deletion_timestamp
        draft = ErasureReceipt(
            tenant=TenantIdentity(id=tenant.id, key=tenant.key, uid=tenant.metadata.uid),
            deletion_requested=requested.isoformat().replace("+00:00", "Z") if requested else counted,
            stores=[
                Store(store=name, before=left.counts, counted_before=counted)
                for name, left in counts.items()
                if not left.not_scanned
            ],
            not_scanned=[
                *(
                    NotScanned(store=name, reason=left.not_scanned)
                    for name, left in counts.items()
                    if left.not_scanned
                ),
                *NOT_SCANNED,
            ],
        )
        await self._write(tenant, draft)
        return draft

    async def finish(self, tenant: Tenant, draft: ErasureReceipt) -> ErasureReceipt | dict[str, Failure]:
        """Count again; write and return the receipt, or say which parts still hold something.

        Raises
        ------
        RemoteError
            The receipt cannot be written.
        """
        counts, failures = await self._count(tenant)
        failures |= {name: failure for name, left in counts.items() if (failure := _remaining(left))}
        if failures:
            return failures
        finished = self._now()
        stores = [
            store.model_copy(update={"after": counts[store.store].counts, "counted_after": finished})
            for store in draft.stores
            if store.store in counts
        ]
        receipt = draft.model_copy(update={"stores": stores, "finished": finished})
        await self._write(tenant, receipt)
        return receipt

    def summary(self, receipt: ErasureReceipt) -> str:
        """Return a sentence about a finished receipt."""
        counted = sum(sum(store.before.values()) for store in receipt.stores)
        key = erasure_receipt_key(receipt.tenant.id, receipt.tenant.uid)
        where = f"the receipt is {key}" if self._key else "no key signs receipts"
        return f"{counted} things were found before, and none after; {where}"

    async def _count(self, tenant: Tenant) -> tuple[dict[str, Leftovers], dict[str, Failure]]:
        results = await asyncio.gather(*(part.count(tenant) for part in self._parts), return_exceptions=True)
        counts: dict[str, Leftovers] = {}
        failures: dict[str, Failure] = {}
        for part, result in zip(self._parts, results, strict=True):
            if isinstance(result, Leftovers):
                counts[part.name] = result
            elif isinstance(result, Exception):
                failures[part.name] = failure_of(result)
                unforeseen = result if failures[part.name].reason == "InternalError" else None
                self._log.warning(
                    "Cannot count what is left", tenant=tenant.id, part=part.name, error=str(result),
                    exc_info=unforeseen,
                )  # fmt: skip
            else:
                raise result
        return counts, failures

    async def _read(self, tenant: Tenant) -> ErasureReceipt | None:
        if self._key is None:
            return None
        body = await self._store.read(_key(tenant))
        try:
            return read_signed(parse(body), self._key.public_key()) if body else None
        except ReceiptInvalid as exc:
            # Of a key that was replaced meanwhile, or not ours: its counts would prove nothing.
            self._log.warning("A draft of a receipt does not hold", tenant=tenant.id, error=str(exc))
            return None

    async def _write(self, tenant: Tenant, receipt: ErasureReceipt) -> None:
        if self._key is not None:
            body: Mapping[str, Any] = sign(receipt, self._key)
            await self._store.write(_key(tenant), json.dumps(body, indent=2, sort_keys=True).encode())


def _key(tenant: Tenant) -> str:
    return erasure_receipt_key(tenant.id, tenant.metadata.uid)


def _remaining(left: Leftovers) -> Failure | None:
    told = ", ".join(f"{count} {what}" for what, count in left.counts.items() if count)
    return Failure("DataRemaining", f"still there: {told}", permanent=False) if told else None
