"""Keycloak's public keys, cached, and fetched again when they rotate.

A key id that nobody has seen makes us look again, but not more often than every few seconds: otherwise
anybody could make us hammer Keycloak with made-up key ids.
"""

import asyncio

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from .errors import IdentityUnavailable, RemoteError
from .remote import Fault, Remote

__all__ = ["RemoteKeys"]

MAX_AGE_SECONDS = 300.0
"""A key that Keycloak has withdrawn is refused after this long at the latest."""

MIN_INTERVAL_SECONDS = 5.0
"""Shortest time between two fetches that unknown key ids cause."""


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
        self._remote = Remote("keycloak", _classify, timeout=3.0, attempts=2, concurrency=1)
        self._keys: KeySet | None = None
        self._tried = float("-inf")
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()
        self._log = structlog.get_logger("tenancy.jwks")

    async def get(self, key_id: str) -> Key | None:
        """Return the signing key of that id, or ``None`` when Keycloak has no such key.

        While Keycloak is away the keys last seen go on being used.

        Raises
        ------
        IdentityUnavailable
            The keys have never been fetched, and cannot be now.
        """
        if self._now() - self._fetched > MAX_AGE_SECONDS or not self._find(key_id):
            await self._refresh()
        if self._keys is None:
            raise IdentityUnavailable(
                "The identity provider's keys cannot be fetched. Try again in a moment."
            )
        return self._find(key_id)

    def _find(self, key_id: str) -> Key | None:
        keys = self._keys.keys if self._keys else []
        return next((key for key in keys if key.kid == key_id and key.as_dict().get("use") != "enc"), None)

    async def _refresh(self) -> None:
        asked = self._now()
        async with self._fetching:
            # Whoever waited here while another fetched has what it needs.
            if self._tried >= asked or self._now() - self._tried < MIN_INTERVAL_SECONDS:
                return
            self._tried = self._now()
            try:
                self._keys = await self._remote.call("jwks", self._fetch)
                self._fetched = self._now()
            except (RemoteError, JoseError, ValueError, KeyError) as exc:
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
