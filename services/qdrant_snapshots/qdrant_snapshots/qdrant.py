"""Client of Qdrant's REST API for snapshots, limited to the calls that the jobs need.

A snapshot holds the shards of one peer, so each peer is called at its own address. The client fits Qdrant
1.19.
"""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina

from .errors import IncompleteSnapshot, SnapshotsFailed
from .streams import IteratorReader, Readable

__all__ = ["RETRY", "Peer", "QdrantCluster", "SnapshotDescription", "is_transient", "open_qdrant"]

CONNECT_TIMEOUT_SECONDS = 5.0

READ_TIMEOUT_SECONDS = 60.0
"""Longest pause between two pieces of a response."""

WRITE_SNAPSHOT_TIMEOUT_SECONDS = 3600.0
"""Longest time in which a peer creates or recovers a snapshot; it answers only at the end."""

SCROLL_LIMIT = 1000
"""Points that one call returns, without vectors and text: less than 1 MB."""


@dataclass(frozen=True)
class Peer:
    """A peer of the cluster: its host, which is its name in backups, and the URL of its REST API."""

    host: str
    url: str


@dataclass(frozen=True)
class SnapshotDescription:
    """A snapshot on a peer's volume; ``sha256`` is empty if the peer states none."""

    name: str
    size: int
    created_at: datetime
    sha256: str


def is_transient(exc: Exception) -> bool:
    """Return True if a repetition of the call can succeed."""
    match exc:
        case httpx.HTTPStatusError():
            status = exc.response.status_code
            return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
        case httpx.TransportError() | IncompleteSnapshot():
            return True
        case _:
            return False


RETRY = stamina.RetryingCaller(attempts=4, timeout=None, wait_initial=1, wait_max=20).on(is_transient)
"""Repeats a function while that can succeed, at most four times."""


@contextmanager
def open_qdrant(url: str, api_key: str, *, verify: ssl.SSLContext | bool) -> "Iterator[QdrantCluster]":
    """Open a client for the cluster at a URL."""
    timeout = httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    headers = {"api-key": api_key} if api_key else {}
    with httpx.Client(verify=verify, headers=headers, timeout=timeout) as http:
        yield QdrantCluster(url, http)


class QdrantCluster:
    """Calls to a cluster and its peers.

    Parameters
    ----------
    url
        URL of the REST API of any peer.
    http
        Client with the API key; the caller closes it.
    """

    def __init__(self, url: str, http: httpx.Client) -> None:
        self._url = url
        self._http = http

    def get_version(self) -> str:
        """Return the version of the server."""
        return str(self._get(f"{self._url}/")["version"])

    def list_peers(self) -> list[Peer]:
        """Return all peers, ordered by host; without cluster mode, the server itself."""
        own = urlsplit(self._url)
        cluster = self._get(f"{self._url}/cluster")["result"]
        if cluster["status"] == "disabled":
            return [Peer(own.hostname or "", self._url)]
        hosts = sorted(urlsplit(peer["uri"]).hostname or "" for peer in cluster["peers"].values())
        port = f":{own.port}" if own.port else ""
        return [Peer(host, f"{own.scheme}://{host}{port}") for host in hosts]

    def list_collections(self) -> list[str]:
        """Return the names of all collections."""
        collections = self._get(f"{self._url}/collections")["result"]["collections"]
        return sorted(collection["name"] for collection in collections)

    def count_points(self, collection: str) -> int:
        """Return the number of points in a collection; 0 if it does not exist."""
        try:
            body = self._send("POST", f"{self._url}/collections/{collection}/points/count", {"exact": True})
        except httpx.HTTPStatusError as exc:
            if exc.response.status_code == HTTPStatus.NOT_FOUND:
                return 0
            raise
        return int(body["result"]["count"])

    def create_snapshot(self, peer: Peer, collection: str) -> SnapshotDescription:
        """Create a snapshot on a peer's volume. It is not repeated, because each call creates another one."""
        response = self._http.post(
            _build_snapshots_url(peer, collection),
            params={"wait": "true"},
            timeout=WRITE_SNAPSHOT_TIMEOUT_SECONDS,
        )
        response.raise_for_status()
        return _parse_description(response.json()["result"])

    def list_snapshots(self, peer: Peer, collection: str) -> list[SnapshotDescription]:
        """Return the snapshots of a collection on a peer's volume; empty if there is no such collection."""
        try:
            body = self._get(_build_snapshots_url(peer, collection))
        except httpx.HTTPStatusError as exc:
            if exc.response.status_code == HTTPStatus.NOT_FOUND:
                return []
            raise
        return [_parse_description(each) for each in body["result"]]

    @contextmanager
    def open_snapshot(self, peer: Peer, collection: str, name: str) -> Iterator[Readable]:
        """Open the content of a snapshot."""
        with self._http.stream("GET", f"{_build_snapshots_url(peer, collection)}/{name}") as response:
            response.raise_for_status()
            yield IteratorReader(response.iter_raw())

    def delete_snapshot(self, peer: Peer, collection: str, name: str) -> None:
        """Delete a snapshot from a peer's volume, if it exists."""
        try:
            self._send("DELETE", f"{_build_snapshots_url(peer, collection)}/{name}")
        except httpx.HTTPStatusError as exc:
            if exc.response.status_code != HTTPStatus.NOT_FOUND:
                raise

    def restore_snapshot(self, peer: Peer, collection: str, content: Readable, sha256: str) -> None:
        """Upload a snapshot to a peer, which verifies it and takes its shards from it."""
        response = self._http.post(
            f"{_build_snapshots_url(peer, collection)}/upload",
            params={"wait": "true", "priority": "snapshot", "checksum": sha256},
            files={"snapshot": (f"{collection}.snapshot", content)},  # type: ignore[dict-item] # only read() is called
            timeout=httpx.Timeout(WRITE_SNAPSHOT_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
        )
        if response.status_code == HTTPStatus.BAD_REQUEST:
            raise SnapshotsFailed(
                f"{peer.host} refuses the snapshot of {collection}: {_get_reason(response)}"
            )
        response.raise_for_status()

    def delete_collection(self, collection: str) -> None:
        """Delete a collection, if it exists."""
        self._send("DELETE", f"{self._url}/collections/{collection}")

    def scroll_payloads(self, collection: str, fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Yield some fields of the payload of every point."""
        offset = None
        while True:
            body = {
                "limit": SCROLL_LIMIT,
                "offset": offset,
                "with_payload": list(fields),
                "with_vector": False,
            }
            page = self._send("POST", f"{self._url}/collections/{collection}/points/scroll", body)["result"]
            for point in page["points"]:
                yield point.get("payload") or {}
            offset = page.get("next_page_offset")
            if offset is None:
                return

    def delete_points(self, collection: str, condition: Mapping[str, Any]) -> None:
        """Delete the points that match a filter."""
        url = f"{self._url}/collections/{collection}/points/delete?wait=true"
        self._send("POST", url, {"filter": condition})

    def _get(self, url: str) -> Any:
        return self._send("GET", url)

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the body of a response; repeat the call, which must be idempotent, while it can succeed."""

        def send() -> Any:
            response = self._http.request(method, url, json=body)
            response.raise_for_status()
            return response.json()

        return RETRY(send)


def _build_snapshots_url(peer: Peer, collection: str) -> str:
    return f"{peer.url}/collections/{collection}/snapshots"


def _parse_description(described: Mapping[str, Any]) -> SnapshotDescription:
    created = described.get("creation_time")
    moment = datetime.fromisoformat(created) if created else datetime.min  # noqa: DTZ901 (gets a zone below)
    return SnapshotDescription(
        described["name"], described["size"], moment.replace(tzinfo=UTC), described.get("checksum") or ""
    )


def _get_reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["status"]["error"])
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase
