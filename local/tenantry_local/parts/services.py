"""Our own services, as they run anywhere: only URLs and credentials are local."""

from abc import abstractmethod
from importlib.metadata import version
from typing import ClassVar

from typing_extensions import override

from ..context import Context
from ..part import Command, Part, answers, program
from ..tickets import key_set
from .aws import ACCOUNT, BUCKET, REGION, Aws
from .keycloak import REALM
from .kubernetes import kubeconfig
from .qdrant import Qdrant
from .redis import Redis

__all__ = ["Gateway", "Operator", "gateway_env", "operator_env"]


def operator_env(context: Context) -> dict[str, str]:
    """Return the environment in which the operator finds this platform."""
    return {
        **_common_env(context, "operator"),
        "OPERATOR_BUCKET": BUCKET,
        "OPERATOR_KEYCLOAK_URL": context.url("keycloak"),
        "OPERATOR_KEYCLOAK_REALM": REALM,
        "OPERATOR_KEYCLOAK_CLIENT_ID": "tenantry-operator",
        "OPERATOR_KEYCLOAK_CLIENT_SECRET": context.secrets["keycloak-operator"],
        "OPERATOR_QDRANT_URL": Qdrant(context).url,
        "OPERATOR_QDRANT_API_KEY": Qdrant(context).api_key,
        "OPERATOR_REDIS_URL": Redis(context).url_with_password,
        "OPERATOR_PROBES_PORT": str(context.ports["operator"]),
    }


def gateway_env(context: Context) -> dict[str, str]:
    """Return the environment in which the gateway finds this platform."""
    return {
        **_common_env(context, "gateway"),
        "GATEWAY_PORT": str(context.ports["gateway"]),
        "GATEWAY_BUCKET": BUCKET,
        "GATEWAY_TENANT_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/tenantry-tenant",
        "GATEWAY_QDRANT_URL": Qdrant(context).url,
        "GATEWAY_QDRANT_API_KEY": Qdrant(context).api_key,
        "GATEWAY_REDIS_URL": Redis(context).url_with_password,
        "GATEWAY_OIDC_ISSUER": f"{context.url('keycloak')}/realms/{REALM}",
        "GATEWAY_TICKET_JWKS": str(key_set(context.state)),
        # The stand-in has no quota that would have to be kept.
        "GATEWAY_EMBEDDINGS_PER_MINUTE": "1000000",
    }


class _Service(Part):
    """A service of our own, started as a module."""

    module: ClassVar[str]
    distribution: ClassVar[str]

    @property
    @override
    def version(self) -> str:
        return version(self.distribution)

    @override
    def command(self) -> Command:
        return Command([program("python"), "-m", self.module], self._env())

    @override
    def healthy(self) -> bool:
        return answers(f"{self.url}/readyz")

    @abstractmethod
    def _env(self) -> dict[str, str]:
        """Return where it finds this platform."""


class Operator(_Service):
    """The kopf operator."""

    name = "operator"
    what = "keeps Tenants"
    module = "tenant_operator"
    distribution = "tenantry-operator"
    needs = ("kubernetes", "controller-manager", "keycloak", "aws", "qdrant", "redis")
    ports = ("operator",)

    @override
    def _env(self) -> dict[str, str]:
        return operator_env(self.context)


class Gateway(_Service):
    """The one door."""

    name = "gateway"
    what = "documents, answers"
    module = "gateway"
    distribution = "tenantry-gateway"
    needs = ("kubernetes", "keycloak", "aws", "qdrant", "bedrock", "redis")
    ports = ("gateway",)

    @override
    def _env(self) -> dict[str, str]:
        return gateway_env(self.context)


def _common_env(context: Context, service: str) -> dict[str, str]:
    aws = Aws(context).config_file
    return {
        "KUBECONFIG": str(kubeconfig(context, service)),
        "AWS_CONFIG_FILE": str(aws),
        "AWS_SHARED_CREDENTIALS_FILE": str(aws.with_name("credentials")),
        "AWS_PROFILE": service,
        "AWS_REGION": REGION,
    }
