"""Fixtures: Postgres and Redis behind TLS, with a right and with wrong certificates."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.tls_front import TlsFront
from tests.support.security.certificates import make_certificates

HOST = "localhost"


@dataclass(frozen=True)
class Stores:
    """Postgres and Redis behind one certificate, and the authority that a program trusts."""

    postgres: TlsFront
    redis: TlsFront
    authority: Path

    def move_url(self, url: str) -> str:
        """Return the URL of a plain server, with the address of its front."""
        front = self.redis if url.startswith("redis") else self.postgres
        head, _, tail = url.partition("@127.0.0.1:")
        return f"{head.replace('redis:', 'rediss:')}@{HOST}:{front.port}/{tail.partition('/')[2]}"


@pytest.fixture(scope="session")
def backends() -> Iterator[Platform]:
    """A platform on which only Postgres and Redis run."""
    with tempfile.TemporaryDirectory(prefix="tenantry-test-tls-") as folder:
        platform = Platform.open_ephemeral(Path(folder), all_parts=True)
        try:
            platform.start_parts(["postgres", "redis"])
            yield platform
        finally:
            platform.stop_all()


@pytest.fixture(scope="session")
async def all_stores(
    backends: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Stores]]:
    """The stores with the right certificate, of an unknown authority, and for another host."""
    folder, ports = tmp_path_factory.mktemp("certificates"), backends.context.ports
    own, another = (make_certificates(folder / name, HOST) for name in ("own", "another"))
    elsewhere = make_certificates(folder / "elsewhere", "elsewhere.example")
    cases = {
        "right": (own, own.authority),
        "another authority": (own, another.authority),
        "another host": (elsewhere, elsewhere.authority),
    }
    async with AsyncExitStack() as stack:
        made = {}
        for name, (shown, authority) in cases.items():
            postgres = await stack.enter_async_context(TlsFront(ports["postgres"], shown, negotiates=True))
            redis = await stack.enter_async_context(TlsFront(ports["redis"], shown))
            made[name] = Stores(postgres, redis, authority)
        yield made


@pytest.fixture
def stores(all_stores: dict[str, Stores]) -> Stores:
    """The stores with the right certificate."""
    return all_stores["right"]


@pytest.fixture(params=["another authority", "another host"])
def untrusted(request: pytest.FixtureRequest, all_stores: dict[str, Stores]) -> Stores:
    """The stores with a certificate that programs must refuse."""
    return all_stores[request.param]
