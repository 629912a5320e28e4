"""Tenantry's services: operator, gateway and file-sync, with local URLs and credentials."""

from abc import abstractmethod
from importlib.metadata import version
from typing import ClassVar

from typing_extensions import override

from .. import receipts
from ..context import Context
from ..part import Command, PlatformPart, find_program, is_http_ok
from ..redis_users import GATEWAY, OPERATOR
from ..tickets import ensure_key_set, ensure_private_key
from .aws import ACCOUNT, BUCKET, FILES_BUCKET, REGION, Aws
from .keycloak import REALM
from .kubernetes import get_kubeconfig
from .open_webui import FILE_SYNC_ROLE, get_open_webui_admin
from .postgres import Postgres
from .qdrant import Qdrant
from .redis import SERVICES_DATABASE, Redis

__all__ = [
    "FileSync",
    "Gateway",
    "Operator",
    "build_file_sync_env",
    "build_gateway_env",
    "build_operator_env",
    "build_snapshots_env",
]


def build_operator_env(context: Context) -> dict[str, str]:
    """Return the operator's environment variables for this platform."""
    return {
        **_build_common_env(context, "operator"),
        **(_build_open_webui_env(context) if context.all_parts else {}),
        "OPERATOR_BUCKET": BUCKET,
        "OPERATOR_KEYCLOAK_URL": context.build_url("keycloak"),
        "OPERATOR_KEYCLOAK_REALM": REALM,
        "OPERATOR_KEYCLOAK_CLIENT_ID": "tenantry-operator",
        "OPERATOR_KEYCLOAK_CLIENT_SECRET": context.secrets["keycloak-operator"],
        "OPERATOR_QDRANT_URL": Qdrant(context).url,
        "OPERATOR_QDRANT_API_KEY": Qdrant(context).api_key,
        "OPERATOR_REDIS_URL": Redis(context).build_url(SERVICES_DATABASE, OPERATOR),
        "OPERATOR_RECEIPT_KEY_FILE": str(receipts.ensure_private_key(context.state)),
        "OPERATOR_PROBES_PORT": str(context.ports["operator"]),
        "OPERATOR_METRICS_PORT": str(context.ports["operator-metrics"]),
    }


def build_gateway_env(context: Context) -> dict[str, str]:
    """Return the gateway's environment variables for this platform."""
    return {
        **_build_common_env(context, "gateway"),
        "GATEWAY_PORT": str(context.ports["gateway"]),
        "GATEWAY_METRICS_PORT": str(context.ports["gateway-metrics"]),
        "GATEWAY_BUCKET": BUCKET,
        "GATEWAY_TENANT_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/tenantry-tenant",
        "GATEWAY_MODEL_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/tenantry-models",
        "GATEWAY_QDRANT_URL": Qdrant(context).url,
        "GATEWAY_QDRANT_API_KEY": Qdrant(context).api_key,
        "GATEWAY_REDIS_URL": Redis(context).build_url(SERVICES_DATABASE, GATEWAY),
        "GATEWAY_OIDC_ISSUER": f"{context.build_url('keycloak')}/realms/{REALM}",
        "GATEWAY_TICKET_JWKS": str(ensure_key_set(context.state)),
        # The stand-in has no quotas.
        "GATEWAY_EMBEDDINGS_PER_MINUTE": "1000000",
        "GATEWAY_EMBEDDING_TOKENS_PER_MINUTE": "1000000000",
    }


def build_file_sync_env(context: Context) -> dict[str, str]:
    """Return file-sync's environment variables for this platform."""
    return {
        **_build_common_env(context, "file-sync"),
        "FILE_SYNC_PORT": str(context.ports["file-sync"]),
        "FILE_SYNC_METRICS_PORT": str(context.ports["file-sync-metrics"]),
        "FILE_SYNC_DATABASE_URL": Postgres(context).build_dsn(
            "openwebui", FILE_SYNC_ROLE, "postgres-file-sync"
        ),
        "FILE_SYNC_FILES_BUCKET": FILES_BUCKET,
        "FILE_SYNC_BUCKET": BUCKET,
        "FILE_SYNC_TENANT_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/tenantry-tenant",
        "FILE_SYNC_GATEWAY_URL": context.build_url("gateway"),
        "FILE_SYNC_UPLOAD_URL": f"{context.build_url('n8n-webhook')}/webhook/tenantry/upload",
        "FILE_SYNC_TICKET_KEY": str(ensure_private_key(context.state)),
        "FILE_SYNC_KEYCLOAK_URL": context.build_url("keycloak"),
        "FILE_SYNC_KEYCLOAK_REALM": REALM,
        "FILE_SYNC_KEYCLOAK_CLIENT_SECRET": context.secrets["keycloak-file-sync"],
        "FILE_SYNC_OIDC_ISSUER": f"{context.build_url('keycloak')}/realms/{REALM}",
        "FILE_SYNC_HINT_SECRET": context.secrets["file-sync-hints"],
    }


def build_snapshots_env(context: Context) -> dict[str, str]:
    """Return the environment variables of the jobs that save and restore Qdrant's collections."""
    return {
        **_build_common_env(context, "qdrant-snapshots"),
        "QDRANT_SNAPSHOTS_QDRANT_URL": Qdrant(context).url,
        "QDRANT_SNAPSHOTS_QDRANT_API_KEY": Qdrant(context).api_key,
        "QDRANT_SNAPSHOTS_BUCKET": BUCKET,
    }


class _Service(PlatformPart):
    """One of Tenantry's services, started as a Python module."""

    module: ClassVar[str]
    distribution: ClassVar[str]

    @property
    @override
    def version(self) -> str:
        return version(self.distribution)

    @override
    def build_command(self) -> Command:
        return Command([find_program("python"), "-m", self.module], self._build_env())

    @override
    def is_healthy(self) -> bool:
        return is_http_ok(f"{self.url}/readyz")

    @abstractmethod
    def _build_env(self) -> dict[str, str]:
        """Return the environment variables of the service."""


class Operator(_Service):
    """Operator, which reconciles Tenants."""

    name = "operator"
    summary = "reconciles Tenants"
    module = "tenant_operator"
    distribution = "tenantry-operator"
    depends_on = ("kubernetes", "controller-manager", "keycloak", "aws", "qdrant", "redis")
    ports = ("operator", "operator-metrics")

    @override
    def _build_env(self) -> dict[str, str]:
        return build_operator_env(self.context)


class Gateway(_Service):
    """Gateway, the only service that searches vectors and calls models."""

    name = "gateway"
    summary = "documents, answers"
    module = "gateway"
    distribution = "tenantry-gateway"
    depends_on = ("kubernetes", "keycloak", "aws", "qdrant", "bedrock", "redis")
    ports = ("gateway", "gateway-metrics")

    @override
    def _build_env(self) -> dict[str, str]:
        return build_gateway_env(self.context)


class FileSync(_Service):
    """File-sync, which ingests files from Open WebUI as documents."""

    name = "file-sync"
    summary = "files to documents"
    module = "file_sync"
    distribution = "tenantry-file-sync"
    depends_on = ("kubernetes", "keycloak", "aws", "open-webui")
    ports = ("file-sync", "file-sync-metrics")

    @override
    def _build_env(self) -> dict[str, str]:
        return build_file_sync_env(self.context)


def _build_open_webui_env(context: Context) -> dict[str, str]:
    email, password = get_open_webui_admin(context)
    return {
        "OPERATOR_OPEN_WEBUI_URL": context.build_url("open-webui"),
        "OPERATOR_OPEN_WEBUI_EMAIL": email,
        "OPERATOR_OPEN_WEBUI_PASSWORD": password,
    }


def _build_common_env(context: Context, service: str) -> dict[str, str]:
    aws = Aws(context).config_file
    return {
        "KUBECONFIG": str(get_kubeconfig(context, service)),
        "AWS_CONFIG_FILE": str(aws),
        "AWS_SHARED_CREDENTIALS_FILE": str(aws.with_name("credentials")),
        "AWS_PROFILE": service,
        "AWS_DEFAULT_REGION": REGION,
    }
