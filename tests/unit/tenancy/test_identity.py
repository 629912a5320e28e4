"""Tests of token verification and of the tenant that a token proves."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from tenancy.directory import Directory
from tenancy.errors import NoTenant, TenantConflict, TenantSuspended, TokenRefused
from tenancy.identity import LEEWAY_SECONDS, MAX_TOKEN_CHARACTERS, Claims, TokenVerifier, resolve
from tenancy.jwks import RemoteKeys
from tenancy.model import Metadata

from tests.support.security.forgery import (
    change_claims,
    remove_signature,
    sign_with_other_key,
    sign_with_public_key,
)
from tests.support.tenants.manifests import make_tenant, make_uid

ISSUER = "https://login.test/realms/tenantry"
AUDIENCE = "tenantry-gateway"
KEY = RSAKey.generate_key(2048, {"kid": "rsa"})
EC_KEY = ECKey.generate_key("P-256", {"kid": "ec"})
SECRET = OctKey.import_key("a-secret-of-at-least-thirty-two-characters", {"kid": "secret"})


@pytest.fixture
async def verifier() -> AsyncIterator[TokenVerifier]:
    """A verifier of a realm with an RSA, an EC and (by mistake) a published symmetric key."""
    jwks = {"keys": [key.as_dict(private=False, use="sig") for key in (KEY, EC_KEY)]}
    jwks["keys"].append(SECRET.as_dict(use="sig"))
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=jwks))
    async with httpx.AsyncClient(transport=transport) as http:
        keys = RemoteKeys(f"{ISSUER}/certs", http)
        yield TokenVerifier(ISSUER, AUDIENCE, keys)
        await keys.close()


def sign(header: dict[str, Any] | None = None, key: Any = KEY, **claims: Any) -> str:
    """Return a token of the realm with changed claims; ``None`` removes a claim."""
    now = int(time.time())
    usual = {
        "iss": ISSUER,
        "aud": [AUDIENCE, "account"],
        "sub": "diana",
        "typ": "Bearer",
        "iat": now,
        "exp": now + 300,
        "email": "diana.tenantb@gmail.com",
        "email_verified": True,
        "groups": ["/tenants/tenant-tenantb"],
        "tenant_uids": ["uid-tenantb"],
    }
    content = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    header = {"alg": "RS256", "kid": "rsa", **(header or {})}
    return jwt.encode(header, content, key, algorithms=[header["alg"]])


async def test_a_token_of_the_realm_is_accepted(verifier: TokenVerifier) -> None:
    claims = await verifier.verify(sign())
    assert claims.subject == "diana"
    assert claims.email == "diana.tenantb@gmail.com"
    assert claims.email_verified
    assert claims.groups == {"/tenants/tenant-tenantb"}
    assert claims.tenant_uids == {"uid-tenantb"}
    assert time.time() - 60 < claims.issued_at <= time.time()


async def test_a_token_signed_with_an_ec_key_is_accepted(verifier: TokenVerifier) -> None:
    assert (await verifier.verify(sign({"alg": "ES256", "kid": "ec"}, EC_KEY))).subject == "diana"


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE]])
async def test_the_audience_may_be_a_string_or_a_list(audience: Any, verifier: TokenVerifier) -> None:
    assert (await verifier.verify(sign(aud=audience))).subject == "diana"


WRONG_CLAIMS = {
    "expired": {"exp": int(time.time()) - 60},
    "without an expiry": {"exp": None},
    "without the time of its issue": {"iat": None},
    "issued in the future": {"iat": int(time.time()) + 600},
    "not valid yet": {"nbf": int(time.time()) + 600},
    "of another issuer": {"iss": "https://login.test/realms/other"},
    "whose issuer only begins alike": {"iss": f"{ISSUER}-copy"},
    "without an issuer": {"iss": None},
    "for another audience": {"aud": ["account"]},
    "for an audience that only contains ours": {"aud": f"x{AUDIENCE}"},
    "without an audience": {"aud": None},
    "without a subject": {"sub": None},
    "an ID token": {"typ": "ID"},
    "a refresh token": {"typ": "Refresh"},
    "of no type": {"typ": None},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS.keys())
async def test_an_expired_or_foreign_token_is_refused(
    claims: dict[str, Any], verifier: TokenVerifier
) -> None:
    with pytest.raises(TokenRefused, match="is not valid"):
        await verifier.verify(sign(**claims))


FORGERIES = {
    "empty": lambda _: "",
    "no token": lambda _: "diana",
    "not base64": lambda _: "a.b.c",
    "with another content": lambda token: change_claims(token, groups=["/tenants/tenant-tenanta"]),
    "alg none": remove_signature,
    "alg None": lambda token: remove_signature(token, "None"),
    "signed by another key": sign_with_other_key,
    "signed by another key in its header": lambda token: sign_with_other_key(token, header={"jwk": ...}),
    "of an unknown key": lambda token: sign_with_other_key(token, header={"kid": "made-up"}),
    "HMAC with the public key": lambda token: sign_with_public_key(token, KEY.as_pem(private=False)),
    "without its signature": lambda token: token.rpartition(".")[0] + ".",
    "cut short": lambda token: token[:-4],
    "too long": lambda token: token + "A" * MAX_TOKEN_CHARACTERS,
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_token_is_refused(forge: Any, verifier: TokenVerifier) -> None:
    with pytest.raises(TokenRefused):
        await verifier.verify(forge(sign()))


@pytest.mark.parametrize("kid", ["rsa", "secret"], ids=["an RSA key's id", "the secret's own id"])
async def test_a_symmetric_signature_is_refused_by_any_key(kid: str, verifier: TokenVerifier) -> None:
    """The realm may even publish the secret: every reader could sign with it, so it proves nothing."""
    with pytest.raises(TokenRefused, match="is not valid"):
        await verifier.verify(sign({"alg": "HS256", "kid": kid}, SECRET))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
async def test_asymmetric_algorithms_are_accepted(algorithm: str, verifier: TokenVerifier) -> None:
    assert (await verifier.verify(sign({"alg": algorithm}))).subject == "diana"


async def test_a_clock_skew_of_a_few_seconds_is_accepted(verifier: TokenVerifier) -> None:
    ahead = int(time.time()) + LEEWAY_SECONDS
    assert (await verifier.verify(sign(iat=ahead, exp=ahead + 300))).subject == "diana"


async def test_a_refusal_states_the_reason(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenRefused) as refused:
        await verifier.verify(sign(exp=int(time.time()) - 60))
    assert str(refused.value) == "The access token is not valid: The token is expired. Log in again."
    with pytest.raises(TokenRefused, match="is not valid: bad_signature"):
        await verifier.verify(change_claims(sign(), sub="alice"))
    with pytest.raises(TokenRefused, match="longer than any"):
        await verifier.verify("x" * (MAX_TOKEN_CHARACTERS + 1))
    with pytest.raises(TokenRefused, match="is not valid"):
        await verifier.verify("x" * MAX_TOKEN_CHARACTERS)


async def test_a_refusal_does_not_contain_claims(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenRefused) as refused:
        await verifier.verify(sign(iss="https://secret.example", email="hidden@example.com"))
    assert "secret" not in str(refused.value)
    assert "hidden" not in str(refused.value)


async def test_a_claim_of_the_wrong_type_is_ignored(verifier: TokenVerifier) -> None:
    claims = await verifier.verify(
        sign(groups="/tenants/tenant-tenantb", tenant_uids="uid-tenantb", email_verified="true", email=None)
    )
    assert claims == Claims(subject="diana", issued_at=claims.raw["iat"], raw=claims.raw)


TENANTA = make_tenant("tenanta", identity={"emails": ["*.tenanta@gmail.com"]})
TENANTB = make_tenant(
    "tenantb", identity={"emails": ["*.tenantb@gmail.com"], "admins": ["boss.tenantb@gmail.com"]}
)
TENANTS = Directory([TENANTA, TENANTB])
GROUP_A, GROUP_B = "/tenants/tenant-tenanta", "/tenants/tenant-tenantb"
DIANA, ALICE = "diana.tenantb@gmail.com", "alice.tenanta@gmail.com"
UIDS = frozenset({make_uid("tenanta"), make_uid("tenantb")})
CREATED = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)


def make_claims(
    *groups: str,
    email: str = "",
    verified: bool = True,
    uids: frozenset[str] = UIDS,
    issued: datetime = CREATED,
) -> Claims:
    """Return claims; by default their groups have the uids of both Tenants."""
    return Claims(
        subject="x",
        email=email,
        email_verified=verified,
        groups=frozenset(groups),
        tenant_uids=uids,
        issued_at=int(issued.timestamp()),
    )


@pytest.mark.parametrize(
    "proof",
    [
        make_claims(GROUP_B, email=DIANA),
        make_claims(GROUP_B, email=DIANA, uids=frozenset({make_uid("tenantb")})),
        make_claims(GROUP_B, "/offices/vienna", "/tenants/tenant-tenantb/admins", email=DIANA),
        make_claims(email=DIANA),
        make_claims(email=DIANA, uids=frozenset()),
        make_claims(email="Diana.TenantB@GMail.com"),
        make_claims("/staff", email=DIANA),
        # The other groups only resemble a tenant's group.
        make_claims("/tenants/tenant-tenanta/guests", email=DIANA),
        make_claims("/elsewhere/tenants/tenant-tenanta", email=DIANA),
        make_claims("/tenants/tenanta", email=DIANA),
    ],
)
def test_a_verified_matching_address_proves_the_tenant(proof: Claims) -> None:
    assert resolve(proof, TENANTS).tenant is TENANTB


def test_a_user_is_the_subject_of_the_token() -> None:
    """Documents and removals record the subject as their owner."""
    person = resolve(make_claims(GROUP_B, email=DIANA), TENANTS)
    assert (person.subject, person.email) == ("x", DIANA)


@pytest.mark.parametrize(
    ("proof", "why"),
    [
        (make_claims(), "no e-mail"),
        (make_claims(email=DIANA, verified=False), "not verified"),
        (make_claims(email="diana@elsewhere.example"), "No tenant claims"),
        (make_claims(email=f"{DIANA}@evil.example"), "No tenant claims"),
        (make_claims("/tenants/tenant-gone"), "does not exist"),
        # With a group of an unknown Tenant, the e-mail address is not considered.
        (make_claims("/tenants/tenant-gone", email=DIANA), "does not exist"),
        # A group without a matching address is a membership that the Tenant does not grant.
        (make_claims(GROUP_B), "no e-mail"),
        (make_claims(f"{GROUP_B}/admins"), "no e-mail"),
        (make_claims(GROUP_B, email=DIANA, verified=False), "not verified"),
        (make_claims(GROUP_B, email="diana@elsewhere.example"), "tenantb does not claim"),
    ],
)
def test_without_a_tenant_the_refusal_has_the_reason(proof: Claims, why: str) -> None:
    with pytest.raises(NoTenant, match=why):
        resolve(proof, TENANTS)


@pytest.mark.parametrize(
    "proof",
    [
        make_claims(GROUP_A, GROUP_B, email=DIANA),
        make_claims(GROUP_A, f"{GROUP_B}/admins", email=DIANA),
        make_claims(GROUP_A, email=DIANA),
    ],
)
def test_claims_of_two_tenants_are_refused(proof: Claims) -> None:
    with pytest.raises(TenantConflict) as conflict:
        resolve(proof, TENANTS)
    assert "tenanta" in str(conflict.value)
    assert "tenantb" in str(conflict.value)


@pytest.mark.parametrize("groups", [(GROUP_B,), (f"{GROUP_B}/admins",), (GROUP_B, f"{GROUP_B}/admins")])
@pytest.mark.parametrize(
    "uids",
    [(), ("uid-an-earlier-life",), (make_uid("tenanta"),), ("",), ("UID-TENANTB",)],
    ids=["none", "an earlier life's", "another tenant's", "an empty one", "in capitals"],
)
def test_a_groups_name_without_its_tenants_uid_is_refused(
    groups: tuple[str, ...], uids: tuple[str, ...]
) -> None:
    """The token is for an earlier Tenant, for a group of the same name, or older than the realm's mapper."""
    with pytest.raises(TokenRefused, match="Log in again"):
        resolve(make_claims(*groups, email=DIANA, uids=frozenset(uids)), TENANTS)


def test_a_tenant_without_a_uid_is_refused() -> None:
    nameless = TENANTB.model_copy(update={"metadata": Metadata(name="tenantb")})
    with pytest.raises(TokenRefused):
        resolve(make_claims(GROUP_B, email=DIANA, uids=frozenset({""})), Directory([nameless]))


AGED = TENANTB.model_copy(
    update={"metadata": TENANTB.metadata.model_copy(update={"creation_timestamp": CREATED})}
)


@pytest.mark.parametrize("groups", [(), (GROUP_B,)], ids=["by address", "by group"])
def test_a_token_issued_before_the_tenant_is_refused(groups: tuple[str, ...]) -> None:
    old = make_claims(*groups, email=DIANA, issued=CREATED - timedelta(seconds=1))
    with pytest.raises(TokenRefused, match=r"older than the tenant\. Log in again"):
        resolve(old, Directory([AGED]))
    assert resolve(make_claims(*groups, email=DIANA, issued=CREATED), Directory([AGED])).tenant is AGED


def test_a_removed_pattern_takes_effect_on_the_next_request() -> None:
    member = make_claims(GROUP_B, f"{GROUP_B}/admins", email=DIANA)
    tenants = Directory([TENANTA, TENANTB])
    assert resolve(member, tenants).tenant is TENANTB
    tenants.put(make_tenant("tenantb", identity={"emails": ["boss.tenantb@gmail.com"]}))
    with pytest.raises(NoTenant, match="does not claim"):
        resolve(member, tenants)


def test_an_address_that_two_tenants_claim_is_refused() -> None:
    twin = make_tenant("twin", identity={"emails": ["diana*@gmail.com"]})
    with pytest.raises(TenantConflict, match="tenantb and twin"):
        resolve(make_claims(email=DIANA), Directory([*TENANTS.list_tenants(), twin]))


def test_a_group_decides_between_two_tenants_that_claim_the_address() -> None:
    twin = make_tenant("twin", identity={"emails": ["diana*@gmail.com"]})
    assert (
        resolve(make_claims(GROUP_B, email=DIANA), Directory([*TENANTS.list_tenants(), twin])).tenant
        is TENANTB
    )


@pytest.mark.parametrize(
    ("proof", "admin"),
    [
        (make_claims(GROUP_B, email=DIANA), False),
        (make_claims(GROUP_B, f"{GROUP_B}/admins", email=DIANA), False),
        (make_claims(GROUP_B, email="boss.tenantb@gmail.com"), True),
        (make_claims(email="boss.tenantb@gmail.com"), True),
    ],
)
def test_the_current_tenant_decides_who_is_an_administrator(proof: Claims, admin: bool) -> None:
    assert resolve(proof, TENANTS).admin is admin


@pytest.mark.parametrize(
    ("tenant", "word"),
    [
        (make_tenant("tenantb", suspended=True), "suspended"),
        (make_tenant("tenantb", deleting=True), "deleted"),
    ],
)
def test_a_suspended_or_deleted_tenant_is_refused(tenant: Any, word: str) -> None:
    with pytest.raises(TenantSuspended, match=word):
        resolve(make_claims(GROUP_B, email="person@tenantb.example"), Directory([tenant]))
