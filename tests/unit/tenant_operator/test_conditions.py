"""Tests of conditions and status, as kstatus and `kubectl wait` read them."""

from typing import Any

import pytest
from servicekit.errors import BackendRefused, BackendUnavailable
from tenancy.model import Tenant, TenantStatus
from tenant_operator.conditions import ConditionResult, Failure, build_status, to_failure

from tests.support.tenants.manifests import make_tenant

PARTS = ("storage", "identity", "workspace")
NOW, LATER = "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"
TRANSIENT = Failure("S3Unavailable", "s3 is unavailable", permanent=False)
PERMANENT = Failure("KeycloakRefused", "denied", permanent=True)
PARTIAL = ConditionResult(status=False, reason="Partial", message="some are missing")
CONFLICT = Failure("EmailConflict", "claimed by another Tenant", permanent=True)


def get_conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


@pytest.mark.parametrize(
    ("parts", "overall", "suspended", "expected"),
    [
        pytest.param(
            {"storage": None}, None, False,
            {"Ready": ("True", "AsDeclared"), "Reconciling": ("False", "UpToDate"),
             "Stalled": ("False", "NoObstacle"),
             "StorageReady": ("True", "AsDeclared")},
            id="as-declared",
        ),
        pytest.param(
            {"storage": TRANSIENT, "identity": None}, None, False,
            {"Ready": ("False", "S3Unavailable"), "Reconciling": ("True", "Retrying"),
             "Stalled": ("False", "NoObstacle"),
             "StorageReady": ("False", "S3Unavailable"), "IdentityReady": ("True", "AsDeclared")},
            id="a-transient-failure-is-reconciling",
        ),
        pytest.param(
            {"identity": PERMANENT}, None, False,
            {"Ready": ("False", "KeycloakRefused"), "Reconciling": ("False", "UpToDate"),
             "Stalled": ("True", "KeycloakRefused"), "IdentityReady": ("False", "KeycloakRefused")},
            id="a-permanent-failure-is-stalled",
        ),
        pytest.param(
            {"storage": TRANSIENT, "identity": PERMANENT}, None, False,
            {"Ready": ("False", "S3Unavailable"), "Reconciling": ("True", "Retrying"),
             "Stalled": ("True", "KeycloakRefused"), "StorageReady": ("False", "S3Unavailable"),
             "IdentityReady": ("False", "KeycloakRefused")},
            id="both-failures-set-both",
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
            id="suspended-is-ready-with-a-reason",
        ),
        pytest.param(
            {"storage": None, "workspace": PARTIAL}, None, False,
            {"Ready": ("True", "AsDeclared"), "Reconciling": ("False", "UpToDate"),
             "Stalled": ("False", "NoObstacle"),
             "StorageReady": ("True", "AsDeclared"), "WorkspaceReady": ("False", "Partial")},
            id="a-condition-of-a-part-does-not-affect-ready",
        ),
        pytest.param(
            {"storage": TRANSIENT, "workspace": PARTIAL}, None, False,
            {"Ready": ("False", "S3Unavailable"), "Reconciling": ("True", "Retrying"),
             "Stalled": ("False", "NoObstacle"),
             "StorageReady": ("False", "S3Unavailable"), "WorkspaceReady": ("False", "Partial")},
            id="nor-does-it-hide-a-failure",
        ),
    ],
)  # fmt: skip
def test_conditions_are_computed_from_the_results_of_parts(
    parts: dict[str, Failure | ConditionResult | None],
    overall: Failure | None,
    suspended: bool,
    expected: dict[str, Any],
) -> None:
    tenant = make_tenant("acme", suspended=suspended)
    assert get_conditions(build_status(tenant, parts, {}, parts=PARTS, overall=overall, now=NOW)) == expected


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = build_status(make_tenant("acme"), {"storage": TRANSIENT}, {}, parts=PARTS, overall=None, now=NOW)
    again = build_status(
        make_tenant_with_status(first), {"storage": PERMANENT}, {}, parts=PARTS, overall=None, now=LATER
    )
    recovered = build_status(
        make_tenant_with_status(again), {"storage": None}, {}, parts=PARTS, overall=None, now=LATER
    )
    assert get_times(again)["StorageReady"] == NOW
    assert get_times(again)["Stalled"] == LATER
    assert get_times(recovered)["StorageReady"] == LATER


def test_unchanged_results_leave_the_status_unchanged() -> None:
    first = build_status(
        make_tenant("acme"), {"storage": None}, {"storage": STORAGE}, parts=PARTS, overall=None, now=NOW
    )
    later = build_status(
        make_tenant_with_status(first),
        {"storage": None},
        {"storage": STORAGE},
        parts=PARTS,
        overall=None,
        now=LATER,
    )
    assert TenantStatus.model_validate(later) == make_tenant_with_status(first).status


def test_a_failed_part_keeps_its_section_and_a_part_that_did_not_run_keeps_its_condition() -> None:
    first = build_status(
        make_tenant("acme"), {"storage": None}, {"storage": STORAGE}, parts=PARTS, overall=None, now=NOW
    )
    second = build_status(make_tenant_with_status(first), {}, {}, parts=PARTS, overall=CONFLICT, now=LATER)
    assert second["storage"] == STORAGE
    assert get_conditions(second)["StorageReady"] == ("True", "AsDeclared")


def test_the_condition_of_a_part_that_the_operator_no_longer_runs_is_removed() -> None:
    first = build_status(make_tenant("acme"), {"storage": None}, {}, parts=PARTS, overall=None, now=NOW)
    second = build_status(
        make_tenant_with_status(first), {}, {}, parts=("identity",), overall=CONFLICT, now=LATER
    )
    assert get_conditions(second).keys() == {"Ready", "Reconciling", "Stalled"}


def test_a_section_without_a_field_in_the_model_is_kept() -> None:
    first = build_status(make_tenant("acme"), {}, {"extra": {"id": "1"}}, parts=PARTS, overall=None, now=NOW)
    second = build_status(make_tenant_with_status(first), {}, {}, parts=PARTS, overall=CONFLICT, now=LATER)
    assert second["extra"] == {"id": "1"}
    assert make_tenant_with_status(second).status.has_sections


def test_every_condition_has_the_observed_generation() -> None:
    tenant = make_tenant("acme")
    tenant = tenant.model_copy(update={"metadata": tenant.metadata.model_copy(update={"generation": 7})})
    status = build_status(tenant, {"storage": None}, {}, parts=PARTS, overall=None, now=NOW)
    assert status["observedGeneration"] == 7
    assert {c["observedGeneration"] for c in status["conditions"]} == {7}


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (BackendUnavailable("s3", "put", "slow down", 3.0),
         Failure("S3Unavailable", "s3 failed at put: slow down", permanent=False, retry_after=3.0)),
        (BackendRefused("redis", "write", "no auth"),
         Failure("RedisRefused", "redis failed at write: no auth", permanent=True)),
        (BackendUnavailable("open-webui", "get-group", "unavailable"),
         Failure("OpenWebUIUnavailable", "open-webui failed at get-group: unavailable", permanent=False)),
        (KeyError("secret"),
         Failure("InternalError", "KeyError: see the operator's log", permanent=False)),
    ],
    ids=["unavailable", "refused", "of-two-words", "unexpected-without-its-message"],
)  # fmt: skip
def test_an_exception_is_converted_to_a_failure(exc: Exception, expected: Failure) -> None:
    assert to_failure(exc) == expected


STORAGE = {"bucket": "documents", "prefix": "tenant-acme/"}


def make_tenant_with_status(status: dict[str, Any]) -> Tenant:
    return make_tenant("acme").model_copy(update={"status": TenantStatus.model_validate(status)})


def get_times(status: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["lastTransitionTime"] for c in status["conditions"]}
