"""Generator of the Secrets for the kind profile.

    python -m tools.dev_secrets | kubectl create -n tenantry -f -

All values are random; two Secrets with the same credential have the same value. Use ``create`` instead of
``apply``, because a second run generates passwords that differ from those in Postgres. Do not use these
Secrets in production.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Mapping
from typing import Any

import bcrypt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey
from tenantry_local import redis_users

__all__ = ["Secrets", "build_manifest", "generate_secrets", "make_list"]

TENANTRY_DATABASE, OPEN_WEBUI_DATABASE = 0, 1
"""Numbers of the Redis databases; n8n's number is in the chart's values."""


Secrets = dict[str, dict[str, str]]


def generate_secrets(
    release: str,
    *,
    postgres: str = "",
    redis_server: str = "",
    redis_passwords: Mapping[str, str] | None = None,
) -> Secrets:
    """Return the data of a release's Secrets, by the name of the Secret.

    Parameters
    ----------
    release
        Name of the release.
    postgres, redis_server
        Host and port of Postgres, and Redis' URL without a user; by default, those of the release.
    redis_passwords
        Passwords of Redis' users; by default, new ones.
    """
    database = {
        name: _generate_password() for name in ("postgres", "keycloak", "n8n", "openwebui", "file-sync")
    }
    client = {name: _generate_password() for name in ("operator", "file-sync", "open-webui")}
    redis = redis_passwords or {user: _generate_password() for user in redis_users.USERS}
    qdrant, owner, admin, hints = (_generate_password() for _ in range(4))
    key = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)

    def build_redis_url(user: str, database: int) -> str:
        scheme, _, server = (redis_server or f"redis://{release}-redis:6379").partition("://")
        return f"{scheme}://{user}:{redis[user]}@{server}/{database}"

    openwebui = f"{postgres or f'{release}-postgres:5432'}/openwebui"
    return {
        "tenantry-postgres": {f"{name}-password": password for name, password in database.items()},
        "tenantry-redis": {"users.acl": redis_users.build_acl_file(redis)},
        "tenantry-qdrant": {"api-key": qdrant, "read-only-api-key": _generate_password()},
        "tenantry-keycloak": {
            "admin-password": _generate_password(),
            "people-password": _generate_password(),
            "postgres-password": database["keycloak"],
            **{f"{name}-secret": secret for name, secret in client.items()},
        },
        "tenantry-operator": {
            "keycloak-client-secret": client["operator"],
            "qdrant-api-key": qdrant,
            "open-webui-password": admin,
            "redis-url": build_redis_url(redis_users.OPERATOR, TENANTRY_DATABASE),
        },
        "tenantry-receipt-key": {"key.pem": _generate_receipt_key()},
        "tenantry-gateway": {
            "qdrant-api-key": qdrant,
            "redis-url": build_redis_url(redis_users.GATEWAY, TENANTRY_DATABASE),
        },
        "tenantry-ticket-key": {"key.json": json.dumps(key.as_dict(private=True))},
        "tenantry-ticket-keys": {"jwks.json": json.dumps({"keys": [key.as_dict(private=False)]})},
        "tenantry-file-sync": {
            "database-url": f"postgresql://tenantry_file_sync:{database['file-sync']}@{openwebui}",
            "hint-secret": hints,
            "keycloak-client-secret": client["file-sync"],
        },
        "tenantry-open-webui": {
            "admin-password": admin,
            "database-url": f"postgresql://openwebui:{database['openwebui']}@{openwebui}",
            "hint-secret": hints,
            "oauth-client-secret": client["open-webui"],
            "redis-url": build_redis_url(redis_users.OPEN_WEBUI, OPEN_WEBUI_DATABASE),
            "secret-key": _generate_password(),
        },
        "tenantry-n8n": {
            "encryption-key": _generate_password(),
            "owner-password": owner,
            "owner-password-hash": bcrypt.hashpw(owner.encode(), bcrypt.gensalt()).decode(),
            "postgres-password": database["n8n"],
            "redis-password": redis[redis_users.N8N],
        },
    }


def build_manifest(release: str) -> dict[str, Any]:
    """Return the Secrets of a release as one list for kubectl."""
    return make_list(generate_secrets(release))


def make_list(data: Secrets) -> dict[str, Any]:
    """Return Secrets as one list for kubectl."""
    items = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": each}
        for name, each in data.items()
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _generate_receipt_key() -> str:
    """Return a new Ed25519 private key in PEM."""
    encoding, format_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return (
        Ed25519PrivateKey.generate().private_bytes(encoding, format_, serialization.NoEncryption()).decode()
    )


def _generate_password() -> str:
    return secrets.token_hex(24)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the Secrets for the kind profile.")
    parser.add_argument("--release", default="tenantry", help="name of the release (default: %(default)s)")
    json.dump(build_manifest(parser.parse_args().release), sys.stdout, indent=2)
