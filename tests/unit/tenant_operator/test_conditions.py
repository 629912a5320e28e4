"""How a Tenant's conditions follow from its parts, as kstatus and `kubectl wait` read them."""

from typing import Any

import pytest
from servicekit.errors import RemoteRefused, RemoteUnavailable
from tenancy.model import Tenant, TenantStatus
from tenant_operator.conditions import Failure, Verdict, failure_of, to_status

from tests.support.tenants import make_tenant

NOW, LATER = "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"
PASSING = Failure("S3Unavailable", "s3 is away", permanent=False)
LASTING = Failure("KeycloakRefused", "denied", permanent=True)
ABSENT = Verdict(status=False, reason="NotConfigured", message="there is none")
CONFLICT = Failure("EmailConflict", "somebody else's", permanent=True)


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


@pytest.mark.parametrize(
    ("parts", "overall", "suspended", "expected"),
    [
        pytest.param(
            {"storage": None}, None, False,
            {"Ready": ("True", "AsDeclared"), "Reconciling": ("False", "UpToDate"),
             "Stalled": ("False", "NoObstacle"),
             "StorageReady": ("True", "AsDeclared")},
            id="all-well",
        ),
        pytest.param(
            {"storage": PASSING, "identity": None}, None, False,
            {"Ready": ("False", "S3Unavailable"), "Reconciling": ("True", "Retrying"),
             "Stalled": ("False", "NoObstacle"),
             "StorageReady": ("False", "S3Unavailable"), "IdentityReady": ("True", "AsDeclared")},
            id="a-passing-failure-is-reconciling",
        ),
        pytest.param(
            {"identity": LASTING}, None, False,
            {"Ready": ("False", "KeycloakRefused"), "Reconciling": ("False", "UpToDate"),
             "Stalled": ("True", "KeycloakRefused"), "IdentityReady": ("False", "KeycloakRefused")},
            id="a-lasting-failure-is-stalled",
        ),
        pytest.param(
            {"storage": PASSING, "identity": LASTING}, None, False,
            {"Ready": ("False", "S3Unavailable"), "Reconciling": ("True", "Retrying"),
             "Stalled": ("True", "KeycloakRefused"), "StorageReady": ("False", "S3Unavailable"),
             "IdentityReady": ("False", "KeycloakRefused")},
            id="both-at-once-show-both",
        ),
        pytest.param(
            {}, CONFLICT, False,
            {"Ready": ("False", "EmailConflict"), "Reconciling": ("False", "UpToDate"),
             "Stalled": ("True", "EmailConflict")},
            id="a-conflict-stalls-the-whole",
        ),
        pytest.param(
            {"storage": None}, None, True,
            {"Ready": ("True", "Suspended"), "Reconciling": ("False", "UpToDate"),
             "Stalled": ("False", "NoObstacle"),
             "StorageReady": ("True", "AsDeclared")},
            id="suspended-is-ready-and-says-so",
        ),
        pytest.param(
            {"storage": None, "workspace": ABSENT}, None, False,
            {"Ready": ("True", "AsDeclared"), "Reconciling": ("False", "UpToDate"),
             "Stalled": ("False", "NoObstacle"),
             "StorageReady": ("True", "AsDeclared"), "WorkspaceReady": ("False", "NotConfigured")},
            id="what-the-platform-does-without-holds-nothing-up",
        ),
        pytest.param(
            {"storage": PASSING, "workspace": ABSENT}, None, False,
            {"Ready": ("False", "S3Unavailable"), "Reconciling": ("True", "Retrying"),
             "Stalled": ("False", "NoObstacle"),
             "StorageReady": ("False", "S3Unavailable"), "WorkspaceReady": ("False", "NotConfigured")},
            id="nor-does-it-hide-what-failed",
        ),
    ],
)  # fmt: skip
def test_conditions_follow_from_the_parts(
    parts: dict[str, Failure | Verdict | None],
    overall: Failure | None,
    suspended: bool,
    expected: dict[str, Any],
) -> None:
    tenant = make_tenant("acme", suspended=suspended)
    assert conditions(to_status(tenant, parts, {}, overall=overall, now=NOW)) == expected


def test_a_condition_keeps_its_time_until_its_status_turns() -> None:
    first = to_status(make_tenant("acme"), {"storage": PASSING}, {}, overall=None, now=NOW)
    again = to_status(having(first), {"storage": LASTING}, {}, overall=None, now=LATER)
    healed = to_status(having(again), {"storage": None}, {}, overall=None, now=LATER)
    assert times(again)["StorageReady"] == NOW
    assert times(again)["Stalled"] == LATER
    assert times(healed)["StorageReady"] == LATER


def test_the_same_verdict_later_is_the_same_status() -> None:
    first = to_status(make_tenant("acme"), {"storage": None}, {"storage": STORAGE}, overall=None, now=NOW)
    later = to_status(having(first), {"storage": None}, {"storage": STORAGE}, overall=None, now=LATER)
    assert TenantStatus.model_validate(later) == having(first).status


def test_a_failed_part_keeps_its_section_and_a_part_that_did_not_run_its_condition() -> None:
    first = to_status(make_tenant("acme"), {"storage": None}, {"storage": STORAGE}, overall=None, now=NOW)
    second = to_status(having(first), {}, {}, overall=CONFLICT, now=LATER)
    assert second["storage"] == STORAGE
    assert conditions(second)["StorageReady"] == ("True", "AsDeclared")


def test_every_condition_names_the_generation_it_speaks_of() -> None:
    tenant = make_tenant("acme")
    tenant = tenant.model_copy(update={"metadata": tenant.metadata.model_copy(update={"generation": 7})})
    status = to_status(tenant, {"storage": None}, {}, overall=None, now=NOW)
    assert status["observedGeneration"] == 7
    assert {c["observedGeneration"] for c in status["conditions"]} == {7}


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (RemoteUnavailable("s3", "put", "slow down", 3.0),
         Failure("S3Unavailable", "s3 failed at put: slow down", permanent=False, retry_after=3.0)),
        (RemoteRefused("redis", "write", "no auth"),
         Failure("RedisRefused", "redis failed at write: no auth", permanent=True)),
        (RemoteUnavailable("open-webui", "get-group", "away"),
         Failure("OpenWebuiUnavailable", "open-webui failed at get-group: away", permanent=False)),
        (KeyError("secret"),
         Failure("InternalError", "KeyError: see the operator's log", permanent=False)),
    ],
    ids=["unavailable-passes", "refused-lasts", "of-two-words", "unforeseen-passes-without-its-words"],
)  # fmt: skip
def test_what_an_exception_means(exc: Exception, expected: Failure) -> None:
    assert failure_of(exc) == expected


STORAGE = {"bucket": "documents", "prefix": "tenant-acme/"}


def having(status: dict[str, Any]) -> Tenant:
    return make_tenant("acme").model_copy(update={"status": TenantStatus.model_validate(status)})


def times(status: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["lastTransitionTime"] for c in status["conditions"]}
