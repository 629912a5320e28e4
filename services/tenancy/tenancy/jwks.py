"""Keycloak's public keys, cached, and fetched again when they rotate.

A key id that nobody has seen makes us look again, but not more often than every few seconds: otherwise
anybody could make us hammer Keycloak with made-up key ids.
"""

import asyncio

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet
from servicekit.errors import RemoteError
from servicekit.remote import Fault, Remote

from .errors import IdentityUnavailable

__all__ = ["RemoteKeys"]

REFRESH_SECONDS = 240.0
"""Keys older than this are fetched again while those at hand go on being used: nobody waits for it."""

MAX_AGE_SECONDS = 300.0
"""A key that Keycloak has withdrawn is refused after this long at the latest, unless Keycloak is away."""

MIN_INTERVAL_SECONDS = 5.0
"""Shortest time between the beginnings of two fetches."""


class RemoteKeys:
    """The keys behind a JWKS URL.

    Parameters
    ----------
    url
        Where the key set is.
    http
        Client that fetches it; the caller closes it.
    """

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url = url
        self._http = http
        # No circuit breaker: a fetch begins every few seconds at the most, and nobody waits for it twice.
        self._remote = Remote(
            "keycloak", _classify, timeout=3.0, attempts=2, concurrency=1, circuit_breaker=False
        )
        self._keys: KeySet | None = None
        self._fetched = self._tried = float("-inf")
        self._away = False
        self._fetching: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("tenancy.jwks")

    async def wait_fetched(self) -> None:
        """Return when the keys have been fetched at least once; from then on Keycloak is not asked.

        Raises
        ------
        IdentityUnavailable
            They have never been fetched, and cannot be now.
        """
        if self._keys is None:
            await self.get("")  # no key has that id

    async def get(self, key_id: str) -> Key | None:
        """Return the signing key of that id, or ``None`` when Keycloak has no such key.

        While Keycloak is away the keys last seen go on being used.

        Raises
        ------
        IdentityUnavailable
            The keys have never been fetched, and cannot be now.
        """
        age = self._now() - self._fetched
        if age > REFRESH_SECONDS or not self._find(key_id):
            fetching = self._refresh()
            if not self._find(key_id) or (age > MAX_AGE_SECONDS and not self._away):
                # Shielded: whoever gives up waiting must not take the keys from those who wait too.
                await asyncio.shield(fetching)
        if self._keys is None:
            raise IdentityUnavailable(
                "The identity provider's keys cannot be fetched. Try again in a moment."
            )
        return self._find(key_id)

    async def close(self) -> None:
        """Give up a fetch that is under way."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        self._remote.close()

    def _find(self, key_id: str) -> Key | None:
        keys = self._keys.keys if self._keys else []
        return next((key for key in keys if key.kid == key_id and key.as_dict().get("use") != "enc"), None)

    def _refresh(self) -> asyncio.Task[None]:
        """Begin a fetch, unless one is under way or began a moment ago; return the newest."""
        pausing = self._now() - self._tried < MIN_INTERVAL_SECONDS
        if self._fetching is None or (self._fetching.done() and not pausing):
            self._tried = self._now()
            self._fetching = asyncio.create_task(self._update())
        return self._fetching

    async def _update(self) -> None:
        try:
            self._keys = await self._remote.call("jwks", self._fetch)
            self._fetched = self._now()
            self._away = False
        except (RemoteError, JoseError, ValueError, KeyError) as exc:
            self._away = True
            self._log.warning("Cannot fetch the identity provider's keys", error=str(exc))

    async def _fetch(self) -> KeySet:
        response = await self._http.get(self._url)
        response.raise_for_status()
        return KeySet.import_key_set(response.json())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _classify(exc: Exception) -> Fault | None:
    match exc:
        case httpx.HTTPStatusError(response=response) if response.status_code < 500:
            return Fault.PERMANENT
        case httpx.HTTPError():
            return Fault.TRANSIENT
        case _:
            return None
