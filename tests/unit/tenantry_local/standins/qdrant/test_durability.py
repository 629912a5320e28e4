"""Tests of durability: acknowledged writes survive a killed process."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

from tests.support.programs.standins import make_qdrant_client, run_qdrant

POINTS = 300
MANY = 20_000


async def fill(client: AsyncQdrantClient) -> None:
    await client.create_collection(
        "k",
        vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE),
        hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
    )
    await client.create_payload_index(
        "k", "tenantId", models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    )
    await client.upsert(
        "k",
        [
            models.PointStruct(id=number, vector=[1, number, 0, 0], payload={"tenantId": f"t{number % 3}"})
            for number in range(POINTS)
        ],
        wait=True,
    )
    await client.delete("k", [0], wait=True)


async def test_a_kill_loses_no_acknowledged_write(tmp_path: Path) -> None:
    with run_qdrant(tmp_path) as front:
        client = make_qdrant_client(front)
        await fill(client)
        await client.close()
        front.kill()
    with run_qdrant(tmp_path) as front:
        client = make_qdrant_client(front)
        info = await client.get_collection("k")
        first = models.Filter(
            must=[models.FieldCondition(key="tenantId", match=models.MatchValue(value="t0"))]
        )
        response = await client.query_points("k", query=[1.0, 3.0, 0.0, 0.0], query_filter=first, limit=1)
        assert (await client.count("k", count_filter=first)).count == POINTS / 3 - 1
        await client.close()
    assert info.points_count == POINTS - 1
    assert info.config.hnsw_config.payload_m == 16
    assert info.payload_schema["tenantId"].points == POINTS - 1
    assert isinstance(info.payload_schema["tenantId"].params, models.KeywordIndexParams)
    assert info.payload_schema["tenantId"].params.is_tenant is True
    assert [point.id for point in response.points] == [3]


async def test_a_folder_can_be_opened_after_a_kill_during_a_write(tmp_path: Path) -> None:
    def count_written() -> int:
        return sum(file.stat().st_size for file in (tmp_path / "collection" / "k").glob("*.sqlite*"))

    with run_qdrant(tmp_path) as front:
        client = make_qdrant_client(front)
        await fill(client)
        many = [models.PointStruct(id=POINTS + n, vector=[0, 0, 1, 0], payload={}) for n in range(MANY)]
        before = count_written()
        writing = asyncio.create_task(client.upsert("k", many))
        while count_written() < before + 100_000:  # noqa: ASYNC110 (a file sends no event)
            await asyncio.sleep(0.005)
        front.kill()
        with pytest.raises(ResponseHandlingException):
            await writing
        await client.close()
    with run_qdrant(tmp_path) as front:
        client = make_qdrant_client(front)
        info = await client.get_collection("k")
        await client.close()
    assert info.payload_schema.keys() == {"tenantId"}
    assert info.points_count is not None
    assert POINTS - 1 < info.points_count < POINTS - 1 + MANY


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    with run_qdrant(tmp_path):
        second = subprocess.run(
            [sys.executable, "-m", "tenantry_local.standins.qdrant", "--path", str(tmp_path)],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert second.returncode == 1
    assert f"{tmp_path} is already accessed by another instance" in second.stderr
    assert "Traceback" not in second.stderr
