"""Installation of a profile for EKS, with the profile's file unchanged."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenantry_local import redis_users
from tenantry_local.context import Context
from tenantry_local.parts.redis import OPEN_WEBUI_DATABASE, SERVICES_DATABASE, get_secret_name
from typing_extensions import override

from tests.support.backends.cluster import Cluster
from tests.support.charts.third_party import make_definitions
from tools import dev_secrets
from tools.chart_schema import CHART

from ..installation import Installation
from ..routes import Route
from .dns import add_host_names
from .endpoints import ADDRESSES
from .servers import MASTER_USER, Servers

__all__ = ["OVERLAYS", "EksInstallation"]

OVERLAYS = sorted((Path(__file__).parent / "overlays").glob("*.yaml"))
"""Changes of the profiles' values that the local node needs, one file for each need."""


@dataclass(frozen=True)
class EksInstallation(Installation):
    """A release of the chart with a profile for EKS.

    Parameters
    ----------
    servers
        Servers outside the cluster, which another process runs.
    """

    servers: Servers

    @override
    def prepare_surroundings(self) -> None:
        """Create what a cluster on EKS has: definitions, classes and names of hosts; and the authorities."""
        self.cluster.apply(*make_definitions(), *_make_classes())
        add_host_names(Cluster("kube-system"), self.servers.hosts.addresses)
        files = self.servers.authorities
        for name, authorities in {
            "tenantry-postgres-ca": [files["postgres"]],
            "tenantry-redis-ca": [files["redis"]],
            "authorities": [files["keycloak"], files["aws"], files["bedrock"]],
        }.items():
            self._apply_authorities(name, authorities)

    @override
    def list_values_files(self) -> list[Path]:
        return [CHART / f"values-{self.servers.profile}.yaml", *OVERLAYS]

    @property
    @override
    def worker_counts(self) -> tuple[int, int]:
        return 2, 3

    @override
    def make_values(self) -> dict[str, Any]:
        return {}

    @override
    def generate_secrets(self) -> Mapping[str, Mapping[str, str]]:
        secrets, hosts = self.servers.context.secrets, self.servers.hosts

        def build_redis_url(user: str, database: int) -> str:
            return f"rediss://{user}:{secrets[get_secret_name(user)]}@{hosts.redis}:6379/{database}"

        made = dev_secrets.generate_secrets(self.release)
        for name in ("tenantry-postgres", "tenantry-redis", "tenantry-keycloak"):
            del made[name]  # only for servers of the release
        for service in ("file-sync", "open-webui"):
            values = made[f"tenantry-{service}"]
            values["database-url"] = values["database-url"].replace(
                f"@{self.release}-postgres:", f"@{hosts.postgres}:"
            )
        made["tenantry-operator"] |= {
            "keycloak-client-secret": secrets["keycloak-operator"],
            "redis-url": build_redis_url(redis_users.OPERATOR, SERVICES_DATABASE),
        }
        made["tenantry-gateway"]["redis-url"] = build_redis_url(redis_users.GATEWAY, SERVICES_DATABASE)
        made["tenantry-file-sync"]["keycloak-client-secret"] = secrets["keycloak-file-sync"]
        made["tenantry-open-webui"] |= {
            "oauth-client-secret": secrets["keycloak-open-webui"],
            "redis-url": build_redis_url(redis_users.OPEN_WEBUI, OPEN_WEBUI_DATABASE),
        }
        made["tenantry-n8n"]["redis-password"] = secrets[get_secret_name(redis_users.N8N)]
        made["tenantry-databases"] = {"username": MASTER_USER, "password": secrets["postgres"]}
        return made

    @override
    @contextmanager
    def open_keycloak(self) -> Iterator[Context]:
        yield self.servers.context

    @property
    @override
    def chat_url(self) -> str:
        return f"https://{self.servers.hosts.chat}"

    @override
    @contextmanager
    def open_browser_routes(self) -> Iterator[dict[str, Route]]:
        authority = ssl.create_default_context(cafile=self.servers.authorities["keycloak"])
        login = Route(f"https://{ADDRESSES['keycloak']}", authority)
        # No load balancer: Open WebUI gets the requests that it would forward.
        with self.cluster.forward_port(self.get_workload_name("open-webui"), 8080) as port:
            yield {
                self.servers.hosts.chat: Route(f"http://127.0.0.1:{port}"),
                self.servers.hosts.login: login,
            }

    def _apply_authorities(self, name: str, files: list[Path]) -> None:
        data = {"ca.crt": "".join(file.read_text() for file in files)}
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        )


def _make_classes() -> list[dict[str, Any]]:
    """Return the classes that the profiles name. The class of volumes has the node's provisioner."""
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "gp3"},
            "provisioner": "rancher.io/local-path",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "alb"},
            "spec": {"controller": "ingress.k8s.aws/alb"},
        },
    ]
