"""Tests that gateway and operator accept a Qdrant certificate only from the configured private CA."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import stamina
from gateway.vectors import Vectors
from pydantic import SecretStr
from servicekit.errors import BackendUnavailable
from servicekit.tls import create_ssl_context
from tenancy.model import Tenant
from tenant_operator.parts.vectors import DIMENSIONS, VectorsPart, connect
from tenantry_local.standins.qdrant.app import make_app
from tenantry_local.standins.qdrant.engine import Engine

from tests.support.backends.qdrant import accept_any_version
from tests.support.programs.gateway import serve_app
from tests.support.security.certificates import Certificates, make_certificates
from tests.support.tenants.manifests import make_tenant

ADDRESS = "127.0.0.1"
KEY = "a key that may do everything"
TENANT = make_tenant("tenanta")


@asynccontextmanager
async def serve_qdrant(folder: Path, shown: Certificates) -> AsyncIterator[str]:
    """Serve Qdrant's API with a certificate until the block ends; yield its URL."""
    engine = Engine(folder / "data")
    try:
        async with serve_app(make_app(engine, KEY), shown) as url:
            yield url
    finally:
        engine.close()


@asynccontextmanager
async def skip_write_fence(_: Tenant) -> AsyncIterator[None]:
    """Do nothing around a change."""
    yield


async def create_collection(url: str, authority: Path | None) -> None:
    """Create the tenant's collection as the operator does."""
    client = connect(url, KEY, verify=create_ssl_context(authority))
    try:
        part = VectorsPart(client, accept_any_version)
        await part.ensure(TENANT, await part.observe(TENANT))
    finally:
        await client.close()


async def query_document(url: str, authority: Path | None) -> None:
    """Query a document as the gateway does; this fails without the collection."""
    vectors = Vectors(
        url=url,
        api_key=SecretStr(KEY),
        verify=create_ssl_context(authority),
        dimension=DIMENSIONS,
        write_fence=skip_write_fence,
        require_supported=accept_any_version,
    )
    try:
        assert await vectors.get_indexed(TENANT, ["a-document"]) == {}
    finally:
        await vectors.close()


async def test_both_connect_with_the_right_ca(tmp_path: Path) -> None:
    own = make_certificates(tmp_path / "own", ADDRESS)
    async with serve_qdrant(tmp_path, own) as url:
        await create_collection(url, own.authority)
        await query_document(url, own.authority)


@pytest.mark.parametrize("call", [create_collection, query_document])
async def test_an_untrusted_certificate_is_refused(
    tmp_path: Path, call: Callable[[str, Path | None], Awaitable[None]]
) -> None:
    own, another = (make_certificates(tmp_path / name, ADDRESS) for name in ("own", "another"))
    elsewhere = make_certificates(tmp_path / "elsewhere", "192.0.2.1")  # trusted, but for another address
    cases = [(own, None), (own, another.authority), (elsewhere, elsewhere.authority)]
    with stamina.set_testing(True, attempts=1):
        for number, (shown, known) in enumerate(cases):
            (folder := tmp_path / str(number)).mkdir()
            async with serve_qdrant(folder, shown) as url:
                with pytest.raises(BackendUnavailable, match=r"(?i)certificate"):
                    await call(url, known)
