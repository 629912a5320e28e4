"""Tests of outages of Qdrant and of Bedrock."""

import pytest
from tenantry_local.platform import Platform

from tests.support.faults.load import TenantUser

from .conftest import UNAVAILABLE, Outage, check_outage

PROBLEMS: dict[str, dict[str, set[str]]] = {
    "qdrant": {"search": UNAVAILABLE, "answer": UNAVAILABLE, "upload": UNAVAILABLE, "list": UNAVAILABLE},
    "bedrock": {"search": UNAVAILABLE, "answer": UNAVAILABLE, "upload": UNAVAILABLE},
}
"""Problems during the outage of a part, by kind of request; other requests are ``ok``."""


@pytest.mark.parametrize("hangs", [False, True], ids=["ends", "hangs"])
@pytest.mark.parametrize("part", PROBLEMS)
async def test_an_outage_has_known_problems_and_nothing_is_lost_or_leaked(
    platform: Platform, tenant_users: list[TenantUser], part: str, hangs: bool
) -> None:
    await check_outage(platform, tenant_users, Outage(part, PROBLEMS[part], hangs=hangs))
