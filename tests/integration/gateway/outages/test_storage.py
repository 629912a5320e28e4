"""Tests of outages of Redis and of S3."""

import pytest
from tenantry_local.platform import Platform

from tests.support.faults.load import TenantUser

from .conftest import NO_LIMITS, NO_WRITES, UNAVAILABLE, Outage, check_outage

PROBLEMS: dict[str, dict[str, set[str]]] = {
    "redis": {"answer": NO_LIMITS, "upload": NO_WRITES},
    "aws": {"upload": UNAVAILABLE, "list": UNAVAILABLE},
}
"""Problems during the outage of a part, by kind of request; other requests are ``ok``."""


@pytest.mark.parametrize("hangs", [False, True], ids=["ends", "hangs"])
@pytest.mark.parametrize("part", PROBLEMS)
async def test_an_outage_has_known_problems_and_nothing_is_lost_or_leaked(
    platform: Platform, tenant_users: list[TenantUser], part: str, hangs: bool
) -> None:
    await check_outage(platform, tenant_users, Outage(part, PROBLEMS[part], hangs=hangs))
