"""Tests of the gateway's settings."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from gateway.prices import Price
from gateway.settings import GatewaySettings
from pydantic import ValidationError

REQUIRED = {
    "BUCKET": "documents",
    "TENANT_ROLE_ARN": "arn:aws:iam::000000000000:role/tenantry-tenant",
    "MODEL_ROLE_ARN": "arn:aws:iam::000000000000:role/tenantry-models",
    "QDRANT_URL": "http://qdrant:6333",
    "REDIS_URL": "redis://:the-password@redis:6379/0",
    "OIDC_ISSUER": "https://keycloak/realms/tenantry",
    "TICKET_JWKS": "/etc/tickets.json",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(f"GATEWAY_{name}", value)
    return monkeypatch


def test_settings_come_from_the_environment_or_have_defaults(environment: pytest.MonkeyPatch) -> None:
    settings = GatewaySettings()
    assert settings.ticket_jwks == Path("/etc/tickets.json")
    assert (settings.embedding_dimension, settings.oidc_audience) == (768, "tenantry-gateway")
    assert settings.document_bytes == 50 * 1024 * 1024
    assert settings.chunk_overlap_tokens / settings.chunk_tokens == pytest.approx(0.15)


def test_the_key_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GATEWAY_QDRANT_API_KEY", "the-key")
    assert "the-key" not in repr(GatewaySettings())
    assert "the-password" not in repr(GatewaySettings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QDRANT_URL", "qdrant:6333"),
        ("QDRANT_CA_FILE", "/nowhere/ca.crt"),
        ("OIDC_ISSUER", "https://keycloak/realms/tenantry/"),
        ("TENANT_ROLE_ARN", "tenantry-tenant"),
        ("MODEL_ROLE_ARN", "tenantry-models"),
        ("EMBEDDING_DIMENSION", "1536"),
        ("LOG_LEVEL", "LOUD"),
        ("REDIS_URL", "redis:6379"),
        ("PRICES", '{"a-model": {"input": -1}}'),
        ("PRICES", '{"a-model": {"input": 1, "outputs": 2}}'),
        ("DOCUMENT_BYTES", "0"),
    ],
)
def test_a_wrong_value_stops_the_start_and_names_the_field(
    environment: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    environment.setenv(f"GATEWAY_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        GatewaySettings()


def test_an_overlap_as_long_as_a_chunk_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GATEWAY_CHUNK_TOKENS", "50")
    with pytest.raises(ValidationError, match="chunk_overlap_tokens must be smaller"):
        GatewaySettings()


def test_prices_are_read_to_the_cent(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GATEWAY_PRICES", '{"a-model": {"input": 0.1, "output": 0.7}}')
    assert GatewaySettings().prices == {"a-model": Price(input=Decimal("0.1"), output=Decimal("0.7"))}


def test_a_wrong_redis_url_is_refused_without_showing_it(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GATEWAY_REDIS_URL", "http://:the-password@redis:6379")
    with pytest.raises(ValidationError) as refused:
        GatewaySettings()
    assert "the-password" not in str(refused.value)
