"""Minimal identity provider, for tests that need many people and no feature of Keycloak."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import RSAKey
from tenancy.names import TENANT_UIDS_CLAIM

from tests.support.programs.gateway import serve_app

__all__ = ["Issuer", "open_issuer"]


class Issuer:
    """Signs access tokens like those of Keycloak.

    Parameters
    ----------
    url
        URL of the issuer, below which its keys are served.
    key
        Private key with a key id.
    """

    def __init__(self, url: str, key: RSAKey) -> None:
        self.url = url
        self._key = key

    def issue_token(self, tenant_id: str, uid: str, *, audience: str = "tenantry-gateway") -> str:
        """Return an access token of someone in the group of the Tenant with this uid."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": [audience, "account"],
            "typ": "Bearer",
            "sub": f"person-of-{tenant_id}",
            "iat": now,
            "exp": now + 3600,
            "email": f"person@{tenant_id}.example",
            "email_verified": True,
            "groups": [f"/tenants/tenant-{tenant_id}"],
            TENANT_UIDS_CLAIM: [uid],
        }
        return jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key)


@asynccontextmanager
async def open_issuer() -> AsyncIterator[Issuer]:
    """Serve an issuer's keys at the path that Keycloak uses."""
    key = RSAKey.generate_key(2048, auto_kid=True)
    app = FastAPI()

    @app.get("/realms/test/protocol/openid-connect/certs")
    def _() -> object:
        return {"keys": [key.as_dict(private=False, use="sig")]}

    async with serve_app(app) as url:
        yield Issuer(f"{url}/realms/test", key)
