"""Tests of versions: an older server ignores ``params.idf``, and the cluster's telemetry lists the peers."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from tenancy.qdrant_server import PROBE_COLLECTION, QdrantServer

from tests.support.programs.standins import QDRANT_KEY, Standin, run_qdrant, sign_qdrant_token

OLD = "1.18.3"
OWN = {"must": [{"key": "corpus", "match": {"value": "own"}}]}


@pytest.mark.parametrize("version", ["1.19.0", "1.20.0"])
def test_the_version_is_reported(tmp_path: Path, version: str) -> None:
    with run_qdrant(tmp_path, QDRANT_KEY, "--server-version", version) as standin:
        assert httpx.get(standin.url).json()["version"] == version


async def test_only_a_newer_server_computes_idf_over_a_corpus(tmp_path: Path) -> None:
    """The probe is created by a newer server, because Tenantry creates nothing on an older one."""
    with run_qdrant(tmp_path) as standin:
        await QdrantServer(standin.url, lambda _: {"api-key": QDRANT_KEY}, creates_probe=True).find_obstacle()
        assert _query(standin, nested=False) < 1 < _query(standin, nested=False, params={})
        assert _query(standin, nested=True) < 1 < _query(standin, nested=True, params={})
    with run_qdrant(tmp_path, QDRANT_KEY, "--server-version", OLD) as standin:
        assert _query(standin, nested=False) == _query(standin, nested=False, params={}) > 1
        assert _query(standin, nested=True) == _query(standin, nested=True, params={}) > 1


def test_the_telemetry_lists_all_peers_for_a_global_right(tmp_path: Path) -> None:
    with run_qdrant(tmp_path, QDRANT_KEY, "--peer-version", OLD) as standin:
        path = f"{standin.url}/cluster/telemetry"
        token = sign_qdrant_token(access="r")
        result = httpx.get(path, headers={"Authorization": f"Bearer {token}"}).json()["result"]
        versions = [peer["details"]["version"] for peer in result["cluster"]["peers"].values()]
        assert versions[1:] == [OLD]
        limited = sign_qdrant_token(access=[{"collection": "k", "access": "r"}])
        assert httpx.get(path, headers={"Authorization": f"Bearer {limited}"}).status_code == 403


def _query(standin: Standin, *, nested: bool, params: dict[str, Any] | None = None) -> float:
    """Return the score of the probe's query, directly or with a prefetch."""
    scope = {"idf": {"corpus": OWN}} if params is None else params
    query: dict[str, Any] = {
        "query": {"indices": [1], "values": [1.0]},
        "using": "bm25",
        "filter": OWN,
        "params": scope,
    }
    if nested:
        query = {"prefetch": [query], **query}
    response = httpx.post(
        f"{standin.url}/collections/{PROBE_COLLECTION}/points/query",
        json=query,
        headers={"api-key": QDRANT_KEY},
    )
    (point,) = response.raise_for_status().json()["result"]["points"]
    return float(point["score"])
