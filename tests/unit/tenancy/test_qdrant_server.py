"""Tests of the check of Qdrant's version: versions, responses of other programs, and the monitor."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from servicekit.errors import BackendError, BackendRefused, BackendUnavailable
from tenancy.errors import UnsupportedQdrant
from tenancy.qdrant_server import (
    PASSES_AFTER_REFUSAL,
    PROBE_COLLECTION,
    QdrantMonitor,
    QdrantServer,
    is_supported_version,
)

URL = "http://qdrant.test"
PROBE = f"/collections/{PROBE_COLLECTION}"


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("1.19.0", True),
        ("v1.19.1-unprivileged", True),
        ("1.20.0-dev", True),
        ("2.0.0", True),
        ("1.18.99", False),
        ("v1.2.0", False),
        ("0.99.1", False),
        ("", False),
        ("latest", False),
    ],
)
def test_versions_from_1_19_on_are_supported(version: str, supported: bool) -> None:
    assert is_supported_version(version) is supported


@pytest.fixture
def qdrant() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        router.get("/").respond(json={"version": "1.20.0"})
        router.get("/cluster/telemetry").respond(404)
        router.post(f"{PROBE}/points/query").mock(side_effect=_score(0.3, 1.9))
        yield router


def _score(*scores: float) -> list[httpx.Response]:
    return [httpx.Response(200, json={"result": {"points": [{"id": 1, "score": score}]}}) for score in scores]


def _report_peers(*versions: str | None) -> dict[str, Any]:
    details = [version and {"version": version} for version in versions]
    peers = {str(number): {"details": detail} for number, detail in enumerate(details)}
    return {"result": {"cluster": {"peers": peers}}}


async def find_obstacle(*, creates_probe: bool = False) -> str | None:
    return await QdrantServer(URL, lambda _: {}, creates_probe=creates_probe).find_obstacle()


async def test_a_new_server_is_supported(qdrant: respx.MockRouter) -> None:
    assert await find_obstacle() is None


async def test_a_peer_that_does_not_respond_is_no_obstacle(qdrant: respx.MockRouter) -> None:
    qdrant.get("/cluster/telemetry").respond(json=_report_peers("1.19.1", None))
    assert await find_obstacle() is None
    qdrant.get("/cluster/telemetry").mock(side_effect=httpx.ReadTimeout("too slow"))
    qdrant.post(f"{PROBE}/points/query").mock(side_effect=_score(0.3, 1.9))
    assert await find_obstacle() is None


async def test_an_old_peer_is_an_obstacle(qdrant: respx.MockRouter) -> None:
    qdrant.get("/cluster/telemetry").respond(json=_report_peers("1.19.1", "1.18.2"))
    assert "1.18.2" in (await find_obstacle() or "")


async def test_equal_scores_are_an_obstacle(qdrant: respx.MockRouter) -> None:
    qdrant.post(f"{PROBE}/points/query").mock(side_effect=_score(1.9, 1.9))
    assert "ignores idf.corpus" in (await find_obstacle() or "")


async def test_without_a_probe_the_version_decides(qdrant: respx.MockRouter) -> None:
    qdrant.post(f"{PROBE}/points/query").respond(404)
    assert await find_obstacle() is None


async def test_a_probe_that_another_operator_creates_concurrently_is_completed(
    qdrant: respx.MockRouter,
) -> None:
    missing, empty = httpx.Response(404), httpx.Response(200, json={"result": {"points": []}})
    for first in (missing, empty):
        qdrant.post(f"{PROBE}/points/query").mock(side_effect=[first, *_score(1.9, 1.9)])
        qdrant.put(PROBE).respond(409)
        written = qdrant.put(f"{PROBE}/points").respond(json={"result": {}})
        assert await find_obstacle(creates_probe=True)
        assert written.called


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(403, text="Forbidden"), BackendRefused),
        (httpx.Response(502, text="bad gateway"), BackendUnavailable),
        (httpx.Response(200, text="<html>"), BackendUnavailable),
        (httpx.Response(200, json=[]), BackendUnavailable),
        (httpx.Response(200, json={"status": "ok"}), BackendUnavailable),
        (httpx.ConnectError("refused"), BackendUnavailable),
    ],
)
async def test_what_is_no_qdrant_is_no_version(
    qdrant: respx.MockRouter, response: Any, error: type[BackendError]
) -> None:
    qdrant.get("/").mock(side_effect=[response])
    with pytest.raises(error):
        await find_obstacle()


class FakeQdrantServer:
    """Server whose next results are given."""

    def __init__(self, *results: str | BackendError | None) -> None:
        self.results = list(results)
        self.changes = 0

    async def find_obstacle(self) -> str | None:
        result = self.results.pop(0)
        if isinstance(result, BackendError):
            raise result
        return result

    def record_change(self) -> None:
        self.changes += 1


DOWN = BackendUnavailable("qdrant", "check-server", "refused")


def open_monitor(*results: str | BackendError | None) -> tuple[FakeQdrantServer, QdrantMonitor]:
    server = FakeQdrantServer(*results)
    return server, QdrantMonitor(server.find_obstacle, server.record_change)


async def test_the_first_requirement_checks_until_qdrant_answers() -> None:
    server, monitor = open_monitor(DOWN, None)
    with pytest.raises(BackendUnavailable):
        await monitor.require_supported()
    await monitor.require_supported()
    await monitor.require_supported()
    assert (server.results, server.changes) == ([], 0)


async def test_a_refusal_ends_after_several_checks_in_a_row() -> None:
    passes = [None] * PASSES_AFTER_REFUSAL
    server, monitor = open_monitor(None, "old", None, "older", *passes)
    await monitor.require_supported()
    for _ in range(2 + PASSES_AFTER_REFUSAL):
        await monitor._check()
        with pytest.raises(UnsupportedQdrant):
            await monitor.require_supported()
    await monitor._check()
    await monitor.require_supported()
    assert server.changes == 2, "once for the refusal, once for its end"


async def test_an_outage_keeps_the_last_result() -> None:
    _, monitor = open_monitor(None, DOWN)
    await monitor.require_supported()
    with pytest.raises(BackendUnavailable):
        await monitor._check()
    await monitor.require_supported()
