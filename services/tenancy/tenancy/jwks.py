"""Cache of Keycloak's public keys, refreshed when they rotate.

An unknown key id starts a fetch, at most one every few seconds. Otherwise callers with invented key ids could
overload Keycloak.
"""

import asyncio

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet
from servicekit.errors import BackendError
from servicekit.remote import FailureClass, Remote

from .errors import IdentityUnavailable

__all__ = ["RemoteKeys"]

REFRESH_AGE_SECONDS = 240.0
"""Keys older than this are refreshed in the background; callers use the cached keys meanwhile."""

MAX_AGE_SECONDS = 300.0
"""Longest time that a revoked key is accepted, unless Keycloak is unavailable."""

MIN_FETCH_INTERVAL_SECONDS = 5.0
"""Shortest time between the starts of two fetches."""


class RemoteKeys:
    """Cache of the public keys at a JWKS URL.

    Parameters
    ----------
    url
        URL of the key set.
    http
        HTTP client; the caller closes it.
    """

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url = url
        self._http = http
        # No circuit breaker: a fetch starts every few seconds at most, and callers share it.
        self._remote = Remote(
            "keycloak", _classify, timeout=3.0, attempts=2, concurrency=1, circuit_breaker=False
        )
        self._keys: KeySet | None = None
        self._fetched = self._tried = float("-inf")
        self._unavailable = False
        self._fetching: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("tenancy.jwks")

    async def wait_fetched(self) -> None:
        """Wait until the keys have been fetched once; later calls return without a request.

        Raises
        ------
        IdentityUnavailable
            The keys have never been fetched, and cannot be fetched now.
        """
        if self._keys is None:
            await self.get("")  # no key has that id

    async def get(self, key_id: str) -> Key | None:
        """Return the signing key with an id, or ``None`` if Keycloak has no such key.

        While Keycloak is unavailable the cached keys stay valid.

        Raises
        ------
        IdentityUnavailable
            The keys have never been fetched, and cannot be fetched now.
        """
        age = self._get_time() - self._fetched
        if age > REFRESH_AGE_SECONDS or not self._find(key_id):
            fetching = self._refresh()
            if not self._find(key_id) or (age > MAX_AGE_SECONDS and not self._unavailable):
                # Shielded: a caller that is cancelled must not cancel the fetch for the others.
                await asyncio.shield(fetching)
        if self._keys is None:
            raise IdentityUnavailable(
                "The identity provider's keys cannot be fetched. Try again in a moment."
            )
        return self._find(key_id)

    async def close(self) -> None:
        """Cancel a fetch in progress."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        self._remote.close()

    def _find(self, key_id: str) -> Key | None:
        keys = self._keys.keys if self._keys else []
        return next((key for key in keys if key.kid == key_id and key.as_dict().get("use") != "enc"), None)

    def _refresh(self) -> asyncio.Task[None]:
        """Return the latest fetch; start another unless it is in progress or began a moment ago."""
        is_too_soon = self._get_time() - self._tried < MIN_FETCH_INTERVAL_SECONDS
        if self._fetching is None or (self._fetching.done() and not is_too_soon):
            self._tried = self._get_time()
            self._fetching = asyncio.create_task(self._update())
        return self._fetching

    async def _update(self) -> None:
        try:
            self._keys = await self._remote.call("jwks", self._fetch)
            self._fetched = self._get_time()
            self._unavailable = False
        except (BackendError, JoseError, ValueError, KeyError) as exc:
            self._unavailable = True
            self._log.warning("Cannot fetch the identity provider's keys", error=str(exc))

    async def _fetch(self) -> KeySet:
        response = await self._http.get(self._url)
        response.raise_for_status()
        return KeySet.import_key_set(response.json())

    @staticmethod
    def _get_time() -> float:
        return asyncio.get_running_loop().time()


def _classify(exc: Exception) -> FailureClass | None:
    match exc:
        case httpx.HTTPStatusError(response=response) if response.status_code < 500:
            return FailureClass.PERMANENT
        case httpx.HTTPError():
            return FailureClass.TRANSIENT
        case _:
            return None
