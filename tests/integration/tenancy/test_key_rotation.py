"""Test of the rotation of Keycloak's keys: new tokens are accepted, tokens of a removed key are not."""

import httpx
import pytest
from tenancy import jwks
from tenancy.errors import TokenRefused
from tenancy.identity import TokenVerifier
from tenancy.jwks import RemoteKeys
from tenantry_local.parts.services import build_gateway_env
from tenantry_local.platform import Platform

from tests.support.backends.keycloak_users import open_people
from tests.support.security.forgery import read_header

PERSON = "rotated@keys.example"


async def test_new_keys_are_accepted_and_removed_ones_refused(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = build_gateway_env(platform.context)
    issuer = env["GATEWAY_OIDC_ISSUER"]
    async with open_people(platform) as people, httpx.AsyncClient() as http:
        keys = RemoteKeys(f"{issuer}/protocol/openid-connect/certs", http)
        verifier = TokenVerifier(issuer, "tenantry-gateway", keys)
        await people.add(PERSON)
        before = await people.fetch_token(PERSON)
        assert (await verifier.verify(before)).email == PERSON
        monkeypatch.setattr(jwks, "MIN_FETCH_INTERVAL_SECONDS", 0.0)
        async with people.rotate_signing_key():
            rotated = await people.fetch_token(PERSON)
            assert read_header(rotated)["kid"] != read_header(before)["kid"]
            for token in (rotated, before):
                assert (await verifier.verify(token)).email == PERSON
        monkeypatch.setattr(jwks, "MAX_AGE_SECONDS", 0.0)
        monkeypatch.setattr(jwks, "REFRESH_AGE_SECONDS", 0.0)
        with pytest.raises(TokenRefused, match="a key that the realm does not have"):
            await verifier.verify(rotated)
        assert (await verifier.verify(before)).email == PERSON
        await keys.close()
