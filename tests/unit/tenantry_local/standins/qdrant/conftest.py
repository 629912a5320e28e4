from collections.abc import AsyncIterator, Iterator

import pytest
from qdrant_client import AsyncQdrantClient

from tests.support.programs.standins import Standin, make_qdrant_client, run_qdrant


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """Run one stand-in for all tests that do not stop it; each uses separate collections."""
    with run_qdrant(tmp_path_factory.mktemp("qdrant")) as standin:
        yield standin


@pytest.fixture(scope="session")
async def client(standin: Standin) -> AsyncIterator[AsyncQdrantClient]:
    client = make_qdrant_client(standin)
    yield client
    await client.close()
