"""Tests of tombstones in Redis, which mark deleted Tenants."""

import pytest
from servicekit.errors import BackendError, BackendRefused, BackendUnavailable
from tenancy.errors import TenantSuspended
from tenancy.tombstones import REFUSAL, add_tombstone_check, raise_if_deleting


def test_a_tombstone_means_that_the_tenant_is_being_deleted() -> None:
    with pytest.raises(TenantSuspended, match="being deleted"):
        raise_if_deleting(BackendRefused("redis", "rate", f"ERR {REFUSAL} script: 1"))


@pytest.mark.parametrize(
    "failure",
    [
        BackendRefused("redis", "rate", "OOM command not allowed"),
        BackendUnavailable("redis", "rate", "connection reset"),
        # An unreachable Redis says nothing about a Tenant.
        BackendUnavailable("redis", "rate", REFUSAL),
    ],
)
def test_another_failure_does_not_mean_that_the_tenant_is_deleted(failure: BackendError) -> None:
    raise_if_deleting(failure)


def test_a_guarded_script_checks_the_tombstone_first() -> None:
    first, rest = add_tombstone_check("return redis.call('INCR', KEYS[1])").split("\n", 1)
    assert first == (
        f"if redis.call('EXISTS', KEYS[#KEYS]) == 1 then return redis.error_reply('{REFUSAL}') end"
    )
    assert rest == "return redis.call('INCR', KEYS[1])"
