"""Conditions and status of a Tenant, computed from the results of its parts. Pure: no clock, no I/O.

The conditions follow the Kubernetes API conventions. The three that summarize (``Ready``, ``Reconciling``,
``Stalled``) follow kstatus: ``Reconciling`` and ``Stalled`` are normally False. ``Ready`` is about the newest
spec only when ``observedGeneration`` is the object's generation.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from servicekit.errors import BackendError, BackendRefused
from tenancy.model import Tenant

__all__ = ["ConditionResult", "Failure", "PartResult", "build_condition_type", "build_status", "to_failure"]

READY, RECONCILING, STALLED = "Ready", "Reconciling", "Stalled"
SUMMARY = (READY, RECONCILING, STALLED)

_SPELLINGS = {"webui": "WebUI"}
"""Spelling of the words of system names that are not simply capitalized."""


@dataclass(frozen=True)
class Failure:
    """Reason why a part, or a whole Tenant, is not as declared.

    ``permanent``: a retry is useless until a person acts. ``retry_after``: seconds that the system asks for.
    """

    reason: str
    message: str
    permanent: bool
    retry_after: float | None = None


@dataclass(frozen=True)
class ConditionResult:
    """One condition without its time. A ``ConditionResult`` that a part returns does not affect ``Ready``."""

    status: bool
    reason: str
    message: str


PartResult = Failure | ConditionResult | None
"""Result of one part; ``None`` means that everything is as declared."""


def build_condition_type(part: str) -> str:
    """Return the type of a part's condition: ``StorageReady`` for ``storage``."""
    return f"{part.capitalize()}Ready"


def to_failure(exc: BaseException) -> Failure:
    """Convert a part's exception. An unexpected exception leads to a retry, because it may be temporary."""
    match exc:
        case BackendRefused():
            return Failure(f"{_format_system_name(exc)}Refused", str(exc), permanent=True)
        case BackendError():
            return Failure(
                f"{_format_system_name(exc)}Unavailable",
                str(exc),
                permanent=False,
                retry_after=getattr(exc, "retry_after", None),
            )
        case _:
            return Failure("InternalError", f"{type(exc).__name__}: see the operator's log", permanent=False)


def build_status(
    tenant: Tenant,
    results: Mapping[str, PartResult],
    sections: Mapping[str, dict[str, Any]],
    *,
    parts: Collection[str],
    overall: Failure | None,
    now: str,
) -> dict[str, Any]:
    """Return the whole new status of a Tenant.

    Parameters
    ----------
    tenant
        The Tenant as it was read. Conditions whose status does not change keep their time.
    results
        Results of the parts that ran, by name. A part that did not run keeps its condition.
    sections
        Sections of the status, by part. A section that is not in ``sections`` keeps its value.
    parts
        Names of all parts that the operator runs. The condition of any other part is removed.
    overall
        Failure of the Tenant as a whole; the summary names it instead of the failures of parts.
    now
        The time, RFC 3339 in seconds, for conditions that change.
    """
    new = {build_condition_type(name): _to_condition(result) for name, result in results.items()}
    new |= _summarize(tenant, results, overall)
    known = {*SUMMARY, *map(build_condition_type, parts)}
    old = {condition.type: condition for condition in tenant.status.conditions if condition.type in known}
    conditions = [c.model_dump(by_alias=True) for c in old.values() if c.type not in new]
    for type_, condition in new.items():
        status = "True" if condition.status else "False"
        before = old.get(type_)
        conditions.append(
            {
                "type": type_,
                "status": status,
                "reason": condition.reason,
                "message": condition.message[:32768],
                "lastTransitionTime": before.last_transition_time
                if before and before.status == status
                else now,
                "observedGeneration": tenant.metadata.generation,
            }
        )
    return {
        **tenant.status.model_dump(by_alias=True, exclude_none=True),
        **sections,
        "observedGeneration": tenant.metadata.generation,
        "personas": len(tenant.spec.personas),
        "conditions": sorted(conditions, key=lambda condition: str(condition["type"])),
    }


def _to_condition(result: PartResult) -> ConditionResult:
    if isinstance(result, Failure):
        return ConditionResult(status=False, reason=result.reason, message=result.message)
    return result or ConditionResult(status=True, reason="AsDeclared", message="")


def _summarize(
    tenant: Tenant, results: Mapping[str, PartResult], overall: Failure | None
) -> dict[str, ConditionResult]:
    failures = (
        [overall] if overall else [result for result in results.values() if isinstance(result, Failure)]
    )
    message = "; ".join(failure.message for failure in failures)
    permanent = next((failure for failure in failures if failure.permanent), None)
    transient = next((failure for failure in failures if not failure.permanent), None)
    if failures:
        ready = ConditionResult(status=False, reason=failures[0].reason, message=message)
    elif tenant.spec.suspended:
        ready = ConditionResult(
            status=True, reason="Suspended", message="everything exists; requests are refused"
        )
    else:
        ready = ConditionResult(status=True, reason="AsDeclared", message="")
    return {
        READY: ready,
        RECONCILING: ConditionResult(
            status=True, reason="Deleting" if tenant.deleting else "Retrying", message=transient.message
        )
        if transient
        else ConditionResult(status=False, reason="UpToDate", message=""),
        STALLED: ConditionResult(status=True, reason=permanent.reason, message=permanent.message)
        if permanent
        else ConditionResult(status=False, reason="NoObstacle", message=""),
    }


def _format_system_name(exc: BackendError) -> str:
    """Return the system's name as reasons spell it: ``OpenWebUI`` for ``open-webui``."""
    return "".join(_SPELLINGS.get(word, word.capitalize()) for word in exc.system.split("-"))
