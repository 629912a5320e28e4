"""A Tenant's conditions, computed from how its parts fared. Pure: no clock, no I/O.

Conventions: the Kubernetes API conventions for conditions, and kstatus for the three that sum up.
``Reconciling`` and ``Stalled`` are normally False; ``Ready`` speaks of the newest spec only when
``observedGeneration`` is the object's generation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servicekit.errors import RemoteError, RemoteRefused
from tenancy.model import Tenant

__all__ = ["Failure", "Verdict", "condition_type", "failure_of", "to_status"]

READY, RECONCILING, STALLED = "Ready", "Reconciling", "Stalled"


@dataclass(frozen=True)
class Failure:
    """Why a part, or a whole Tenant, is not as declared.

    ``permanent`` means that a retry is useless until a person acts.
    """

    reason: str
    message: str
    permanent: bool
    retry_after: float | None = None


@dataclass(frozen=True)
class Verdict:
    """One condition before it has a time. A part that gives one of its own holds nothing up by it."""

    status: bool
    reason: str
    message: str


def condition_type(part: str) -> str:
    """Return the type of a part's condition: ``StorageReady``."""
    return f"{part.capitalize()}Ready"


def failure_of(exc: BaseException) -> Failure:
    """Return what a part's exception means. What nobody foresaw is retried: it may be a bug or bad luck."""
    match exc:
        case RemoteRefused():
            return Failure(f"{_system(exc)}Refused", str(exc), permanent=True)
        case RemoteError():
            return Failure(
                f"{_system(exc)}Unavailable",
                str(exc),
                permanent=False,
                retry_after=getattr(exc, "retry_after", None),
            )
        case _:
            return Failure("InternalError", f"{type(exc).__name__}: see the operator's log", permanent=False)


def to_status(
    tenant: Tenant,
    parts: Mapping[str, Failure | Verdict | None],
    sections: Mapping[str, dict[str, Any]],
    *,
    overall: Failure | None,
    now: str,
) -> dict[str, Any]:
    """Return the Tenant's whole new status.

    Parameters
    ----------
    tenant
        The Tenant as it was read; conditions that stay as they are keep their time.
    parts
        How each part that ran fared: ``None`` for well, or in its own words. Conditions of parts that did not
        run are kept.
    sections
        The parts' sections of the status; sections of parts that failed are kept as they were.
    overall
        A failure of the Tenant as a whole, above its parts.
    now
        The time, RFC 3339 in seconds, for conditions that change.
    """
    verdicts = {condition_type(name): _part_verdict(fared) for name, fared in parts.items()}
    verdicts |= _summary(tenant, parts, overall)
    kept = {condition.type: condition for condition in tenant.status.conditions}
    conditions = [c.model_dump(by_alias=True) for c in kept.values() if c.type not in verdicts]
    for type_, verdict in verdicts.items():
        status = "True" if verdict.status else "False"
        before = kept.get(type_)
        conditions.append(
            {
                "type": type_,
                "status": status,
                "reason": verdict.reason,
                "message": verdict.message[:32768],
                "lastTransitionTime": before.last_transition_time
                if before and before.status == status
                else now,
                "observedGeneration": tenant.metadata.generation,
            }
        )
    old = tenant.status.model_dump(by_alias=True, exclude_none=True)
    return {
        **{
            name: section for name, section in old.items() if name not in ("conditions", "observedGeneration")
        },
        **sections,
        "observedGeneration": tenant.metadata.generation,
        "personas": len(tenant.spec.personas),
        "conditions": sorted(conditions, key=lambda condition: str(condition["type"])),
    }


def _part_verdict(fared: Failure | Verdict | None) -> Verdict:
    if isinstance(fared, Failure):
        return Verdict(status=False, reason=fared.reason, message=fared.message)
    return fared or Verdict(status=True, reason="AsDeclared", message="")


def _summary(
    tenant: Tenant, parts: Mapping[str, Failure | Verdict | None], overall: Failure | None
) -> dict[str, Verdict]:
    failures = [overall] if overall else [each for each in parts.values() if isinstance(each, Failure)]
    told = "; ".join(failure.message for failure in failures)
    lasting = next((failure for failure in failures if failure.permanent), None)
    passing = next((failure for failure in failures if not failure.permanent), None)
    if failures:
        ready = Verdict(status=False, reason=failures[0].reason, message=told)
    elif tenant.spec.suspended:
        ready = Verdict(status=True, reason="Suspended", message="everything is there; requests are refused")
    else:
        ready = Verdict(status=True, reason="AsDeclared", message="")
    return {
        READY: ready,
        RECONCILING: Verdict(
            status=True, reason="Deleting" if tenant.deleting else "Retrying", message=passing.message
        )
        if passing
        else Verdict(status=False, reason="UpToDate", message=""),
        STALLED: Verdict(status=True, reason=lasting.reason, message=lasting.message)
        if lasting
        else Verdict(status=False, reason="NoObstacle", message=""),
    }


def _system(exc: RemoteError) -> str:
    """Return the system as it stands in reasons: ``OpenWebui`` for ``open-webui``."""
    return "".join(word.capitalize() for word in exc.system.split("-"))
