"""Tests of the check that every key belongs to the tenant and its present Tenant resource.

tests/integration/gateway/limits covers the real Redis.
"""

import pytest
from gateway.redis import TenantRedis
from pydantic import SecretStr

from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("a")


@pytest.mark.parametrize(
    "key",
    [
        "tenant-ab:uid-a:rate",
        "tenant-b:uid-a:rate",
        "tenant-a:rate",
        "tenant-a:uid-an-earlier-one:rate",
        "tenant-a",
        "rate",
        "xtenant-a:uid-a:rate",
    ],
)
async def test_a_key_that_is_not_the_tenants_own_is_refused(key: str) -> None:
    redis = TenantRedis(SecretStr("redis://127.0.0.1:9"))
    with pytest.raises(ValueError, match="not a key of tenant-a"):
        await redis.register_script("s", "return 1").run(TENANT, ["tenant-a:uid-a:rate", key])
    with pytest.raises(ValueError, match="not a key of tenant-a"):
        await redis.execute(TENANT, "e", ("GET", "tenant-a:uid-a:rate"), ("GET", key))
    await redis.close()
