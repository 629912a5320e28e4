"""Tests of file-sync's settings: required values, and errors that name the variable."""

from typing import Any

import pytest
from file_sync.settings import FileSyncSettings
from pydantic import ValidationError

VALUES: dict[str, Any] = {
    "database_url": "postgresql://db.test/openwebui",
    "files_bucket": "files",
    "bucket": "documents",
    "tenant_role_arn": "arn:aws:iam::0:role/x",
    "gateway_url": "http://gateway.test",
    "upload_url": "http://n8n.test/webhook",
    "ticket_key": "/run/key.json",
    "keycloak_url": "http://keycloak.test",
    "keycloak_client_secret": "secret",
    "oidc_issuer": "http://keycloak.test/realms/tenantry",
    "hint_secret": "a-secret-of-sixteen",
}


def test_the_required_settings_suffice() -> None:
    settings = FileSyncSettings(**VALUES)
    assert settings.full_sync_interval_seconds == 900
    assert settings.document_bytes == 50 * 1024 * 1024


@pytest.mark.parametrize("url", ["postgresql://db.test/owui", "postgres://db.test/owui"])
def test_a_database_url_names_postgres(url: str) -> None:
    assert FileSyncSettings(**{**VALUES, "database_url": url}).database_url.get_secret_value() == url


@pytest.mark.parametrize("url", ["mysql://u:hunter2@db.test/owui", "postgresql://", "hunter2"])
def test_another_database_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValidationError, match="must begin with postgresql://") as caught:
        FileSyncSettings(**{**VALUES, "database_url": url})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hint_secret", "too-short"),
        ("oidc_issuer", "http://keycloak.test/realms/tenantry/"),
        ("put_concurrency", 0),
        ("ingest_concurrency", 0),
        ("poll_interval_seconds", 0),
        ("full_sync_interval_seconds", 0),
        ("tenant_role_arn", "role/x"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        FileSyncSettings(**{**VALUES, name: value})


@pytest.mark.parametrize("name", VALUES)
def test_a_missing_value_is_named(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        FileSyncSettings(**{each: value for each, value in VALUES.items() if each != name})
