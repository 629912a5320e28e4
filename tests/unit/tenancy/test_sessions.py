"""Tests of S3 sessions per tenant: credentials, timeouts and failures."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import stamina
from servicekit.aws import build_client_config
from servicekit.breaker import MAX_FAILURES
from servicekit.errors import BackendRefused, BackendUnavailable
from tenancy.sessions import CONCURRENCY, READ_TIMEOUT_SECONDS, TenantSessions

from tests.support.fakes.aws_errors import make_client_error
from tests.support.fakes.sts import FakeStsSession
from tests.support.tenants.manifests import make_tenant

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TENANT = make_tenant("tenanta")


@pytest.fixture
def aws() -> FakeStsSession:
    return FakeStsSession()


@pytest.fixture
def sessions(aws: FakeStsSession) -> Iterator[TenantSessions]:
    with stamina.set_testing(True, attempts=1, cap=True):
        opened = TenantSessions(aws.open, bucket="documents", role_arn="arn:role", service="gateway")
        yield opened
        opened.close()


def read(client: "S3Client", key: str, *, version: str = "") -> str:
    return f"{key} {version}"


async def test_a_tenants_client_uses_the_tenants_session(
    sessions: TenantSessions, aws: FakeStsSession
) -> None:
    for tenant_id in ("tenanta", "tenantb"):
        await sessions.get_client(make_tenant(tenant_id))
    clients = [(service, {**arguments, "config": None}) for service, arguments in aws.clients]
    assert clients == [
        ("sts", {"config": None}),
        *(
            (
                "s3",
                {
                    "aws_access_key_id": f"key gateway-{key}",
                    "aws_secret_access_key": f"secret gateway-{key}",
                    "aws_session_token": f"token gateway-{key}",
                    "config": None,
                },
            )
            for key in ("tenant-tenanta", "tenant-tenantb")
        ),
    ]


async def test_every_client_has_timeouts(sessions: TenantSessions, aws: FakeStsSession) -> None:
    await sessions.get_client(TENANT)
    bounded = vars(build_client_config(read_seconds=READ_TIMEOUT_SECONDS, connections=CONCURRENCY))
    for service, arguments in aws.clients:
        config = vars(arguments["config"])
        for name in ("read_timeout", "connect_timeout", "max_pool_connections", "retries"):
            assert config[name] == bounded[name], (service, name)


async def test_arguments_are_passed_to_the_call(sessions: TenantSessions) -> None:
    assert await sessions.call(TENANT, "read", read, "a.md", version="1") == "a.md 1"


async def test_arguments_are_passed_again_after_a_session_was_replaced(sessions: TenantSessions) -> None:
    dead = [make_client_error("ExpiredToken", 403)]

    def read_late(client: "S3Client", key: str, *, version: str = "") -> str:
        if dead:
            raise dead.pop()
        return read(client, key, version=version)

    assert await sessions.call(TENANT, "read", read_late, "a.md", version="1") == "a.md 1"


async def test_a_failure_names_its_system_and_operation(
    sessions: TenantSessions, aws: FakeStsSession
) -> None:
    def refuse(client: "S3Client") -> None:
        raise make_client_error("AccessDenied", 403)

    with pytest.raises(BackendRefused) as refused:
        await sessions.call(TENANT, "read", refuse)
    assert (refused.value.system, refused.value.operation) == ("s3", "read")
    aws.sts_fails = True
    with pytest.raises(BackendUnavailable) as unavailable:
        await sessions.call(make_tenant("tenantb"), "read", read, "a.md")
    assert (unavailable.value.system, unavailable.value.operation) == ("s3", "assume-role")


async def test_an_existing_session_is_used_while_sts_fails(
    sessions: TenantSessions, aws: FakeStsSession
) -> None:
    await sessions.get_client(TENANT)
    aws.sts_fails = True
    for _ in range(MAX_FAILURES + 1):
        with pytest.raises(BackendUnavailable):
            await sessions.get_client(make_tenant("tenantb"))
    assert await sessions.call(TENANT, "read", read, "a.md") == "a.md "
