"""Receipts of erasure: counts of every store before and after a Tenant's data is deleted.

The operator writes a draft of the receipt, with the first counts, before it deletes anything. So the run
after a crash completes the receipt with the counts of the first run.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tenancy.model import Tenant
from tenancy.names import build_erasure_receipt_key
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

from .conditions import Failure, to_failure
from .disabled_part import DisabledPart
from .part import Part

__all__ = ["Erasure", "ReceiptStore"]

NOT_SCANNED = (
    NotScanned(
        store="n8n",
        reason="it keeps an execution for some seconds, and for 70 minutes at most (docs/workflows.md)",
    ),
    NotScanned(
        store="backups, logs and metrics",
        reason="they expire with their retention (docs/security.md)",
    ),
)
"""Stores that the operator cannot reach, and the rule by which a tenant's data expires there."""


class ReceiptStore(Protocol):
    """Durable store of receipts, outside every tenant's data."""

    async def read(self, key: str) -> bytes | None:
        """Return the content of a key, or ``None``."""
        ...

    async def write(self, key: str, body: bytes) -> None:
        """Write the content of a key; when this returns, the content is durable."""
        ...


class Erasure:
    """Counts the data of a tenant, and writes the receipt.

    Parameters
    ----------
    parts
        Parts whose data is counted.
    disabled
        Parts that the operator does not run: the receipt names them as not scanned.
    store
        Store of the receipts.
    key
        Key that signs receipts; with ``None``, data is counted and no receipt is written.
    now
        Returns the time as RFC 3339 in seconds.
    """

    def __init__(
        self,
        parts: Sequence[Part[Any]],
        disabled: Iterable[DisabledPart],
        store: ReceiptStore,
        key: Ed25519PrivateKey | None,
        now: Callable[[], str],
    ) -> None:
        self._parts = parts
        self._disabled = [NotScanned(store=part.name, reason=part.reason) for part in disabled]
        self._store = store
        self._key = key
        self._now = now
        self._log = structlog.get_logger("tenant_operator.erasure")

    async def begin(self, tenant: Tenant) -> ErasureReceipt | dict[str, Failure]:
        """Count; return the draft of the receipt, or the failures of parts by name.

        Raises
        ------
        BackendError
            The draft can neither be read nor written, so nothing may be deleted yet.
        """
        existing_draft = await self._read(tenant)
        if existing_draft:
            return existing_draft
        counts, failures = await self._count(tenant)
        if failures:
            return failures
        counted = self._now()
        requested = tenant.metadata.deletion_timestamp
        draft = ErasureReceipt(
            tenant=TenantIdentity(id=tenant.id, key=tenant.key, uid=tenant.metadata.uid),
            deletion_requested=requested.isoformat().replace("+00:00", "Z") if requested else counted,
            stores=[
                Store(store=name, before=before, counted_before=counted) for name, before in counts.items()
            ],
            not_scanned=[*self._disabled, *NOT_SCANNED],
        )
        await self._write(tenant, draft)
        return draft

    async def finish(self, tenant: Tenant, draft: ErasureReceipt) -> ErasureReceipt | dict[str, Failure]:
        """Count again; write and return the receipt, or return the parts that still have data.

        Raises
        ------
        BackendError
            The receipt cannot be written.
        """
        counts, failures = await self._count(tenant)
        failures |= {name: failure for name, after in counts.items() if (failure := _find_remaining(after))}
        if failures:
            return failures
        finished = self._now()
        stores = [
            store.model_copy(update={"after": counts[store.store], "counted_after": finished})
            for store in draft.stores
            if store.store in counts
        ]
        receipt = draft.model_copy(update={"stores": stores, "finished": finished})
        await self._write(tenant, receipt)
        return receipt

    def summarize(self, receipt: ErasureReceipt) -> str:
        """Return one sentence about a finished receipt."""
        counted = sum(sum(store.before.values()) for store in receipt.stores)
        key = build_erasure_receipt_key(receipt.tenant.id, receipt.tenant.uid)
        receipt_text = f"the receipt is {key}" if self._key else "no key signs receipts"
        return f"{counted} things were found before, and none after; {receipt_text}"

    async def _count(self, tenant: Tenant) -> tuple[dict[str, dict[str, int]], dict[str, Failure]]:
        results = await asyncio.gather(*(part.count(tenant) for part in self._parts), return_exceptions=True)
        counts: dict[str, dict[str, int]] = {}
        failures: dict[str, Failure] = {}
        for part, result in zip(self._parts, results, strict=True):
            if isinstance(result, dict):
                counts[part.name] = result
            elif isinstance(result, Exception):
                failures[part.name] = to_failure(result)
                unexpected = result if failures[part.name].reason == "InternalError" else None
                self._log.warning(
                    "Cannot count a tenant's data", tenant=tenant.id, part=part.name, error=str(result),
                    exc_info=unexpected,
                )  # fmt: skip
            else:
                raise result
        return counts, failures

    async def _read(self, tenant: Tenant) -> ErasureReceipt | None:
        if self._key is None:
            return None
        body = await self._store.read(_get_object_key(tenant))
        try:
            return read_signed(parse(body), self._key.public_key()) if body else None
        except ReceiptInvalid as exc:
            # Signed by a former key or by another program: the draft's counts would prove nothing.
            self._log.warning("The signature of a draft receipt is invalid", tenant=tenant.id, error=str(exc))
            return None

    async def _write(self, tenant: Tenant, receipt: ErasureReceipt) -> None:
        if self._key is not None:
            body: Mapping[str, Any] = sign(receipt, self._key)
            await self._store.write(
                _get_object_key(tenant), json.dumps(body, indent=2, sort_keys=True).encode()
            )


def _get_object_key(tenant: Tenant) -> str:
    return build_erasure_receipt_key(tenant.id, tenant.metadata.uid)


def _find_remaining(counts: Mapping[str, int]) -> Failure | None:
    remaining = ", ".join(f"{count} {counter}" for counter, count in counts.items() if count)
    return Failure("DataRemaining", f"still there: {remaining}", permanent=False) if remaining else None
