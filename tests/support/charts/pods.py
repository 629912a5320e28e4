"""Runs Tenantry's services as processes with the variables, files and accounts of the chart's pods.

Only host names, ports and AWS credentials differ, because a cluster would provide them.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tenantry_local import receipts
from tenantry_local.context import write_private
from tenantry_local.parts.aws import ACCOUNT, BUCKET, FILES_BUCKET
from tenantry_local.parts.keycloak import REALM
from tenantry_local.parts.kubernetes import get_kubeconfig, run_kubectl
from tenantry_local.parts.qdrant import Qdrant
from tenantry_local.parts.redis import SERVICES_DATABASE, Redis
from tenantry_local.parts.services import build_file_sync_env, build_gateway_env, build_operator_env
from tenantry_local.platform import Platform
from tenantry_local.redis_users import GATEWAY, OPERATOR
from tenantry_local.tickets import ensure_key_set, ensure_private_key

from tests.support.backends.api_server import apply
from tests.support.charts.rendering import RELEASE, Release, render
from tests.support.programs.ports import find_free_port
from tests.support.timing.waiting import wait_until

__all__ = ["ChartPods"]

SERVICES = {
    "operator": ("tenant_operator", "OPERATOR_PROBES", build_operator_env),
    "gateway": ("gateway", "GATEWAY", build_gateway_env),
    "file-sync": ("file_sync", "FILE_SYNC", build_file_sync_env),
}
"""By service: its module, the prefix of its host and port, and the function for its local variables."""

PARTS = {"keycloak": "keycloak.example:443", "qdrant": "qdrant.example:443"}
"""Hosts of external parts, which the platform's addresses replace. The chart refuses loopback addresses."""

INHERITED = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "COVERAGE_PROCESS_CONFIG")
"""Variables that every container has, and variables that coverage needs."""


@dataclass
class ChartPods:
    """The pods of a release in a namespace of the platform.

    Parameters
    ----------
    platform
        Platform with the backends.
    namespace
        Namespace of the release's accounts.
    database_url
        URL of Open WebUI's database, for file-sync.
    """

    platform: Platform
    namespace: str
    database_url: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """URL of each Service of the release, by the Service's name without the release's name."""
    metrics_urls: dict[str, str] = field(default_factory=dict)
    """URL of the metrics of each service that was started."""

    def __post_init__(self) -> None:
        self.release = self._render_release()
        rights = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")
        apply(self.platform, self.release.list_objects(*rights))

    @asynccontextmanager
    async def run_service(self, service: str) -> AsyncIterator[httpx.AsyncClient]:
        """Run a service inside the block; yield a client when it is ready."""
        module, prefix, _ = SERVICES[service]
        port = find_free_port()
        env = self.build_environment(service) | {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(port)}
        # Pods have separate addresses; these processes share one.
        metrics_port = find_free_port()
        env[f"{prefix.partition('_PROBES')[0]}_METRICS_PORT"] = str(metrics_port)
        self.metrics_urls[service] = f"http://127.0.0.1:{metrics_port}"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", module),
            env=env,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:

                async def is_ready() -> bool:
                    assert process.returncode is None, f"{service} exited"
                    try:
                        return (await http.get("/readyz")).is_success
                    except httpx.TransportError:
                        return False

                await wait_until(is_ready, seconds=60, every=0.1)
                yield http
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    def build_environment(self, service: str) -> dict[str, str]:
        """Return the environment of a service's process."""
        spec = self.release.get("Deployment", service)["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        given = {entry["name"]: self._read_value(entry) for entry in container["env"]}
        files = dict(self._list_files(spec, container))
        own = {name: files.get(value, self._resolve_names(value)) for name, value in given.items()}
        _, _, identity = SERVICES[service]
        at_aws = {
            name: value
            for name, value in identity(self.platform.context).items()
            if name.startswith("AWS_") and name not in own
        }
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        account = {"KUBECONFIG": str(self._create_kubeconfig(spec["serviceAccountName"]))}
        return inherited | at_aws | account | own

    def _render_release(self) -> Release:
        values = {
            "aws.documentsBucket": BUCKET,
            "aws.filesBucket": FILES_BUCKET,
            "aws.tenantRoleArn": f"arn:aws:iam::{ACCOUNT}:role/tenantry-tenant",
            "keycloak.realm": REALM,
            **{f"{part}.url": f"http://{host}" for part, host in PARTS.items()},
        }
        options = ",".join(f"global.{path}={value}" for path, value in values.items())
        options += f",gateway.modelRoleArn=arn:aws:iam::{ACCOUNT}:role/tenantry-models"
        # Qdrant is external; Open WebUI has only a database.
        options += ",qdrant.enabled=false,global.network.qdrant.cidrs={127.0.0.1/32}"
        options += ",global.postgres.tls.enabled=false,global.redis.tls.enabled=false"
        options += ",open-webui.enabled=false,global.openWebui.adminEmail=,ingress.enabled=false"
        return render("values-eks-prod.yaml", "--set", options, namespace=self.namespace)

    def _read_secrets(self) -> Mapping[str, Mapping[str, str]]:
        context = self.platform.context
        redis, qdrant = Redis(context), Qdrant(context).api_key
        return {
            "tenantry-operator": {
                "keycloak-client-secret": context.secrets["keycloak-operator"],
                "qdrant-api-key": qdrant,
                "redis-url": redis.build_url(SERVICES_DATABASE, OPERATOR),
            },
            "tenantry-gateway": {
                "qdrant-api-key": qdrant,
                "redis-url": redis.build_url(SERVICES_DATABASE, GATEWAY),
            },
            "tenantry-file-sync": {
                "database-url": self.database_url,
                "keycloak-client-secret": context.secrets["keycloak-file-sync"],
                "hint-secret": context.secrets["file-sync-hints"],
            },
        }

    def _read_value(self, entry: dict[str, Any]) -> str:
        if "value" in entry:
            return str(entry["value"])
        reference = entry["valueFrom"]["secretKeyRef"]
        return self._read_secrets()[reference["name"]][reference["key"]]

    def _list_files(self, spec: dict[str, Any], container: dict[str, Any]) -> list[tuple[str, str]]:
        """Return the path of each Secret's file in the container, with its local path."""
        state = self.platform.context.state
        local = {
            ("tenantry-ticket-keys", "jwks.json"): str(ensure_key_set(state)),
            ("tenantry-ticket-key", "key.json"): str(ensure_private_key(state)),
            ("tenantry-receipt-key", "key.pem"): str(receipts.ensure_private_key(state)),
        }
        secrets = {volume["name"]: volume["secret"] for volume in spec["volumes"] if "secret" in volume}
        return [
            (f"{mount['mountPath']}/{item['path']}", local[secrets[mount["name"]]["secretName"], item["key"]])
            for mount in container["volumeMounts"]
            if mount["name"] in secrets
            for item in secrets[mount["name"]]["items"]
        ]

    def _resolve_names(self, value: str) -> str:
        for name, address in self.names.items():
            value = re.sub(rf"http://{RELEASE}-{name}:[0-9]+", address, value)
        context = self.platform.context
        urls = {"keycloak": context.build_url("keycloak"), "qdrant": Qdrant(context).url}
        for part, host in PARTS.items():
            value = value.replace(f"http://{host}", urls[part])
        return value

    def _create_kubeconfig(self, name: str) -> Path:
        """Return a kubeconfig with a token of the ServiceAccount."""
        token = run_kubectl(self.platform.context, "create", "token", name, "-n", self.namespace).strip()
        config = json.loads(get_kubeconfig(self.platform.context, "admin").read_text())
        for user in config["users"]:
            user["user"] = {"token": token}
        path = self.platform.context.state / "kube" / f"{self.namespace}-{name}.kubeconfig"
        return write_private(path, json.dumps(config))
