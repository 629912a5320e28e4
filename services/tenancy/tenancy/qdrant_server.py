"""Check that Qdrant is new enough to keep the words of one tenant out of another tenant's ranking.

Every lexical search asks Qdrant to compute IDF from the tenant's points only (``params.idf.corpus``). Qdrant
knows this field since 1.19, and an older server ignores it without an error. So the version is checked, and
the field itself by a probe: a collection whose points have another score when the field is ignored.

The operator creates the probe's collection and never deletes it, so each later check only reads. It holds
no tenant's data.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import structlog
from servicekit.errors import BackendError, BackendRefused, BackendUnavailable

from .errors import UnsupportedQdrant
from .names import LEXICAL_VECTOR

__all__ = ["MIN_VERSION", "PROBE_COLLECTION", "QdrantMonitor", "QdrantServer", "is_supported_version"]

MIN_VERSION = (1, 19)
"""First version of Qdrant with ``params.idf.corpus``."""

PROBE_COLLECTION = "tenantry_idf_probe"
"""Collection of the probe. Its points are constant, so any number of programs may write them."""

CHECK_INTERVAL_SECONDS = 15.0
"""Pause between two checks of a supported server: a server can be replaced at any time."""

RETRY_INTERVAL_SECONDS = 3.0
"""Pause between two checks of a server that is refused, or that has not answered yet."""

PASSES_AFTER_REFUSAL = 3
"""Successful checks in a row that end a refusal: a Service leads to peers of both versions for a while."""

CONNECTIONS = 3
"""New connections in each check. A Service can lead each of them to another peer."""

CALL_TIMEOUT_SECONDS = 5.0
PEER_TIMEOUT_SECONDS = 2
SCORE_TOLERANCE = 1e-6

_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_OWN, _OTHER = "own", "other"
_TERM = 1
_OWN_POINTS: dict[str, Any] = {"must": [{"key": "corpus", "match": {"value": _OWN}}]}
_PROBE_SCHEMA = {
    "vectors": {},
    "sparse_vectors": {LEXICAL_VECTOR: {"modifier": "idf"}},
    "shard_number": 1,  # Qdrant computes IDF for each shard
}
_PROBE_POINTS = [
    {
        "id": number,
        "vector": {LEXICAL_VECTOR: {"indices": [term], "values": [1.0]}},
        "payload": {"corpus": corpus},
    }
    for number, (corpus, term) in enumerate([(_OWN, _TERM), *[(_OTHER, _TERM + 1)] * 9], 1)
]
_REASON = (
    "Tenantry needs 1.19 or later: an older version ignores idf.corpus, and then the words of one tenant "
    "change the ranking of another"
)


def is_supported_version(version: str) -> bool:
    """Return True if a version such as ``1.19.1`` or ``v1.19.1-unprivileged`` is new enough."""
    match = _VERSION.match(version)
    return match is not None and (int(match[1]), int(match[2])) >= MIN_VERSION


class QdrantServer:
    """Checks one Qdrant server or cluster, each time on new connections.

    Parameters
    ----------
    url
        Qdrant's REST address.
    authorize
        Returns the headers of a request that reads a collection, or with ``None`` the peers' versions.
    verify
        Verification of Qdrant's certificate, as in httpx.
    creates_probe
        True to create the probe's collection if it is missing; the headers must allow this.
    """

    def __init__(
        self,
        url: str,
        authorize: Callable[[str | None], Mapping[str, str]],
        *,
        verify: ssl.SSLContext | bool = True,
        creates_probe: bool = False,
    ) -> None:
        self._url = url
        self._authorize = authorize
        self._verify = verify
        self._creates_probe = creates_probe

    async def find_obstacle(self) -> str | None:
        """Return why no tenant may be served from this Qdrant, as a sentence; ``None`` if it is supported.

        Raises
        ------
        BackendUnavailable, BackendRefused
            Qdrant did not answer, or refused the key.
        """
        try:
            old = [version for version in await self._list_versions() if not is_supported_version(version)]
            if old:
                return f"Qdrant, or one of its peers, has version {old[0]}. {_REASON}. Upgrade every peer."
            async with self._connect() as http:
                is_ignored = await self._is_corpus_ignored(http)
        except httpx.HTTPStatusError as exc:
            kind = BackendRefused if exc.response.is_client_error else BackendUnavailable
            raise kind("qdrant", "check-server", str(exc)) from exc
        except (httpx.HTTPError, OSError, ValueError, LookupError, TypeError, AttributeError) as exc:
            # A response of another form is a proxy's, because Qdrant is unavailable behind it.
            raise BackendUnavailable("qdrant", "check-server", str(exc) or type(exc).__name__) from exc
        return f"Qdrant ignores idf.corpus. {_REASON}. Upgrade every peer." if is_ignored else None

    def _connect(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._url, verify=self._verify, timeout=CALL_TIMEOUT_SECONDS)

    async def _list_versions(self) -> list[str]:
        """Return the versions of the servers that some connections reach, and of all peers that respond."""
        versions: list[str] = []
        for _ in range(CONNECTIONS):
            async with self._connect() as http:
                versions.append(str(_read(await http.get("/"))["version"]))
        return versions + await self._list_peer_versions()

    async def _list_peer_versions(self) -> list[str]:
        """Return the versions of the peers that respond; empty if the server cannot list them."""
        try:
            async with self._connect() as http:
                response = await http.get(
                    f"/cluster/telemetry?timeout={PEER_TIMEOUT_SECONDS}", headers=self._authorize(None)
                )
            peers = (_read(response)["result"].get("cluster") or {}).get("peers") or {}
        except httpx.HTTPError:  # the server is no cluster, or is older than this route
            return []
        return [str(peer["details"]["version"]) for peer in peers.values() if peer.get("details")]

    async def _is_corpus_ignored(self, http: httpx.AsyncClient) -> bool:
        """Return True if the probe has the same score with and without a corpus; False without a probe."""
        scores = await self._query_scores(http)
        if scores is None and self._creates_probe:
            await self._create_probe(http)
            scores = await self._query_scores(http)
        return scores is not None and abs(scores[0] - scores[1]) < SCORE_TOLERANCE

    async def _query_scores(self, http: httpx.AsyncClient) -> tuple[float, float] | None:
        """Return the probe's scores with and without a corpus; ``None`` while the probe is incomplete."""
        query = {
            "query": {"indices": [_TERM], "values": [1.0]},
            "using": LEXICAL_VECTOR,
            "filter": _OWN_POINTS,
            "limit": 1,
        }
        scores = []
        for scope in ({"params": {"idf": {"corpus": _OWN_POINTS}}}, {}):
            response = await http.post(
                f"/collections/{PROBE_COLLECTION}/points/query",
                json=query | scope,
                headers=self._authorize(PROBE_COLLECTION),
            )
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            points = _read(response)["result"]["points"]
            if not points:
                return None
            scores.append(float(points[0]["score"]))
        return scores[0], scores[1]

    async def _create_probe(self, http: httpx.AsyncClient) -> None:
        """Create the probe, or complete it. Several programs may do so concurrently."""
        path, headers = f"/collections/{PROBE_COLLECTION}", self._authorize(PROBE_COLLECTION)
        created = await http.put(path, json=_PROBE_SCHEMA, headers=headers)
        if created.status_code != httpx.codes.CONFLICT:
            created.raise_for_status()
        points = {"points": _PROBE_POINTS}
        (await http.put(f"{path}/points?wait=true", json=points, headers=headers)).raise_for_status()


class QdrantMonitor:
    """Last known result of a check of Qdrant, and the task that repeats the check.

    Parameters
    ----------
    find_obstacle
        Returns why Qdrant is not supported, or ``None``; raises ``BackendError``.
    changed
        Called after Qdrant was refused, and after a refusal ended.
    """

    def __init__(
        self,
        find_obstacle: Callable[[], Awaitable[str | None]],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._find_obstacle = find_obstacle
        self._changed = changed
        self._obstacle: str | None = None
        self._is_checked = False
        self._passes = 0
        self._checking = asyncio.Lock()
        self._log = structlog.get_logger("tenancy.qdrant_server")

    @property
    def obstacle(self) -> str | None:
        """Sentence with the reason of a refusal; ``None`` while Qdrant is not refused."""
        return self._obstacle

    async def require_supported(self) -> None:
        """Raise unless the last check that Qdrant answered has passed; check now if there was none.

        Raises
        ------
        UnsupportedQdrant
            Qdrant is too old.
        BackendUnavailable, BackendRefused
            Qdrant has never answered, or refuses the key.
        """
        if not self._is_checked:
            async with self._checking:
                if not self._is_checked:
                    await self._check()
        if self._obstacle:
            raise UnsupportedQdrant(self._obstacle)

    async def run(self) -> None:
        """Check periodically until cancelled. An outage changes nothing, because then no search succeeds."""
        while True:
            is_supported = self._is_checked and not self._obstacle
            await asyncio.sleep(CHECK_INTERVAL_SECONDS if is_supported else RETRY_INTERVAL_SECONDS)
            try:
                async with self._checking:
                    await self._check()
            except BackendError as exc:
                self._log.warning("Cannot check the version of Qdrant", error=str(exc))

    async def _check(self) -> None:
        obstacle = await self._find_obstacle()
        self._is_checked = True
        self._passes = 0 if obstacle else self._passes + 1
        if not obstacle and self._passes < PASSES_AFTER_REFUSAL:
            return
        before, self._obstacle = self._obstacle, obstacle
        if obstacle and not before:
            self._log.error("Qdrant is refused", reason=obstacle)
        if before and not obstacle:
            self._log.info("Qdrant is supported again")
        if bool(before) != bool(obstacle):
            self._changed()


def _read(response: httpx.Response) -> Any:
    return response.raise_for_status().json()
