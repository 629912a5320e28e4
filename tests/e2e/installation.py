"""Installation of the chart: with its kind profile, and stand-ins for AWS in the cluster.

Pods use the same roles as on EKS: each pod has the credentials of a session of its role.
"""

import asyncio
import base64
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tenantry_local.context import Context
from tenantry_local.demo_users import get_access_token
from tenantry_local.parts.aws import ROLE_SERVICES, Aws

from tests.support.backends.cluster import Cluster, wait_until_true
from tests.support.backends.keycloak_users import LONG_LIVED_CLIENT, People
from tools import dev_secrets
from tools.chart_schema import CHART

from .images import STANDIN_IMAGE, list_image_options
from .pod_scripts import CALL
from .roles import assume_role
from .routes import Route

__all__ = ["Installation", "get_client_pod_name"]

FOLDER = Path(__file__).parent

STANDINS = ("aws", "bedrock")

SESSION_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
}
FILES_VARIABLES = {"S3_ACCESS_KEY_ID": "AccessKeyId", "S3_SECRET_ACCESS_KEY": "SecretAccessKey"}
"""Environment variables, and the key of each in the Secret with the credentials."""

CLIENT_PODS = ("n8n-worker", "n8n-install", "foreign")
"""Pods from which the tests send requests. They have the labels of these workloads, so network policies allow
the first to call the gateway, the second n8n's webhooks and the third nothing. No Service selects them."""


@dataclass(frozen=True)
class Installation:
    """A release of the chart.

    Parameters
    ----------
    cluster
        The cluster.
    release
        Name of the release.
    images
        References of images, by their names in :mod:`tests.e2e.images`. All others are the chart's defaults.
    """

    cluster: Cluster
    release: str
    images: Mapping[str, str]

    def prepare(self) -> None:
        """Create the chart's prerequisites (namespace, Secrets, AWS) and the client pods."""
        namespace = self.cluster.namespace
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        )
        self.prepare_surroundings()
        self._make_secrets()
        self.cluster.apply(*[self._make_client_pod(name) for name in CLIENT_PODS])
        pods = [f"pod/{get_client_pod_name(name)}" for name in CLIENT_PODS]
        self.cluster.run_kubectl("wait", "--for=condition=Ready", *pods, "--timeout=120s")

    def upgrade(self, *options: str) -> None:
        """Install or upgrade the chart with helm options and wait until all pods are ready."""
        files = [f"--values={file}" for file in self.list_values_files()]
        self.cluster.run_helm(
            "upgrade", "--install", self.release, str(CHART), "--wait", "--timeout=14m",
            *files, "--values=-", *list_image_options(self.images), *self._list_addresses(), *options,
            stdin=json.dumps(self.make_values()),
        )  # fmt: skip

    def prepare_surroundings(self) -> None:
        """Install the stand-ins, and create the roles and their credentials."""
        image = f"--set-string=image={self.images[STANDIN_IMAGE.name]}"
        self.cluster.run_helm("upgrade", "--install", "standins", str(FOLDER / "standins"), "--wait", image)
        with self.cluster.forward_port("aws", 4566) as port, _make_state() as state:
            aws = Aws(_make_context({"aws": port}, {}, state))
            wait_until_true(aws.is_healthy, "AWS is healthy", seconds=60)
            aws.provision()
            for service in ROLE_SERVICES:
                self.apply_secret(f"aws-{service}", assume_role(aws, service))
            key, secret = aws.get_key_pair("open-webui")
            self.apply_secret("aws-open-webui", {"AccessKeyId": key, "SecretAccessKey": secret})

    def list_values_files(self) -> list[Path]:
        """Return the files with the chart's values."""
        return [CHART / "values-kind.yaml", FOLDER / "values.yaml"]

    def make_values(self) -> dict[str, Any]:
        """Return values with the stand-ins' endpoints and credentials.

        The endpoints are IP addresses, because boto3 would prepend the bucket to a host name.
        """
        url = {
            name: f"http://{self.cluster.get('service', name)['spec']['clusterIP']}:4566" for name in STANDINS
        }
        urls = {"AWS_ENDPOINT_URL": url["aws"], "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url["bedrock"]}
        services = {
            service: _make_variables(f"aws-{service}", urls, SESSION_VARIABLES) for service in ROLE_SERVICES
        }
        files = {"S3_ENDPOINT_URL": url["aws"], "S3_ADDRESSING_STYLE": "path"}
        services["open-webui"] = _make_variables("aws-open-webui", files, FILES_VARIABLES)
        values: dict[str, Any] = {service: {"extraEnv": variables} for service, variables in services.items()}
        values["qdrant"] = {"snapshots": values.pop("qdrant-snapshots")}
        values["smokeTest"] = values["gateway"]
        return values

    def generate_secrets(self) -> Mapping[str, Mapping[str, str]]:
        """Return the data of the chart's Secrets, by their names."""
        return dev_secrets.generate_secrets(self.release)

    @contextmanager
    def open_keycloak(self) -> Iterator[Context]:
        """Yield a context with the port of Keycloak, and the passwords ``people`` and ``keycloak-admin``."""
        secret = self.read_secret("tenantry-keycloak")
        passwords = {"people": secret["people-password"], "keycloak-admin": secret["admin-password"]}
        with self.cluster.forward_port(self.get_workload_name("keycloak"), 8080) as port:
            yield _make_context({"keycloak": port}, passwords)

    @property
    def chat_url(self) -> str:
        """Return the URL of Open WebUI for browsers."""
        return f"http://{self.get_workload_name('open-webui')}:8080"

    @contextmanager
    def open_browser_routes(self) -> Iterator[dict[str, Route]]:
        """Yield the routes of a browser: to Open WebUI and to Keycloak."""
        names = [self.get_workload_name(name) for name in ("open-webui", "keycloak")]
        with ExitStack() as stack:
            yield {
                name: Route(f"http://127.0.0.1:{stack.enter_context(self.cluster.forward_port(name, 8080))}")
                for name in names
            }

    @property
    def worker_counts(self) -> tuple[int, int]:
        """Return the minimum and the initial number of n8n's workers in the values."""
        return 1, 2

    @property
    def installed(self) -> bool:
        """Return True if the release is installed."""
        return self.release in json.loads(
            self.cluster.run_helm("list", "--deployed", "--output=json", "--short")
        )

    def get_workload_name(self, workload: str) -> str:
        """Return the name of a workload in the cluster."""
        return f"{self.release}-{workload}"

    def list_workloads(self) -> list[str]:
        """Return all Deployments and StatefulSets: ``deployment/NAME``, ``statefulset/NAME``."""
        workloads = self.cluster.list(
            "deployments,statefulsets", "-l", f"app.kubernetes.io/instance={self.release}"
        )
        return [f"{item['kind'].lower()}/{item['metadata']['name']}" for item in workloads]

    @property
    def password(self) -> str:
        """Return the password of all demo users."""
        with self.open_keycloak() as context:
            return context.secrets["people"]

    def fetch_token(self, email: str) -> str:
        """Return an access token of a demo user."""
        with self.open_keycloak() as context:
            return get_access_token(context, email, LONG_LIVED_CLIENT)

    def create_token_client(self) -> None:
        """Create a Keycloak client whose tokens outlive the tests."""
        with self.open_keycloak() as context:
            asyncio.run(
                _create_token_client(context.build_url("keycloak"), context.secrets["keycloak-admin"])
            )

    def call(
        self, requests: Iterable[Mapping[str, Any]], *, as_: str = "n8n-worker"
    ) -> list[tuple[int, str]]:
        """Send requests from a pod to Services and return each status and body."""
        output = self.cluster.run(get_client_pod_name(as_), CALL, stdin=json.dumps(list(requests)))
        return [(status, body) for status, body in json.loads(output)]

    def build_gateway_request(self, method: str, path: str, token: str, **arguments: Any) -> dict[str, Any]:
        """Return a request to the gateway for :meth:`call`."""
        url = f"http://{self.get_workload_name('gateway')}:8080{path}"
        return {"method": method, "url": url, "headers": {"Authorization": f"Bearer {token}"}, **arguments}

    def get_api_service(self) -> tuple[str, int]:
        """Return address and port of the API server's Service."""
        spec = json.loads(
            self.cluster.run_kubectl("get", "service", "kubernetes", "--namespace=default", "-o", "json")
        )["spec"]
        return spec["clusterIP"], spec["ports"][0]["port"]

    def _list_addresses(self) -> Iterator[str]:
        """Yield helm options with the addresses of this cluster's API server and of its Service."""
        (found,) = self.cluster.list(
            "endpointslices", "--namespace=default", "-l", "kubernetes.io/service-name=kubernetes"
        )
        network = "global.network.kubernetes"
        yield f"--set={network}.port={found['ports'][0]['port']}"
        for number, address in enumerate(found["endpoints"][0]["addresses"]):
            yield f"--set={network}.cidrs[{number}]={address}/32"
        address = self.get_api_service()[0]
        yield f"--set={network}.serviceCidrs[0]={address}/32"

    def _make_secrets(self) -> None:
        existing = {item["metadata"]["name"] for item in self.cluster.list("secrets")}
        for name, values in self.generate_secrets().items():
            if name not in existing:
                self.apply_secret(name, values)

    def apply_secret(self, name: str, values: Mapping[str, str]) -> None:
        """Create or update a Secret."""
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(values)}
        )

    def read_secret(self, name: str) -> dict[str, str]:
        """Return the data of a Secret."""
        data = self.cluster.get("secret", name)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def _make_client_pod(self, name: str) -> dict[str, Any]:
        own = {} if name == "foreign" else {"app.kubernetes.io/instance": self.release}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": get_client_pod_name(name),
                "labels": {"app.kubernetes.io/name": name, **own},
            },
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "python",
                        "image": self.images["gateway"],
                        "command": ["sleep", "infinity"],
                        # The autoscaler of the workload with these labels needs requests of every pod.
                        "resources": {
                            "requests": {"cpu": "10m", "memory": "64Mi"},
                            "limits": {"memory": "256Mi"},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        }


async def _create_token_client(url: str, admin_password: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        await People(http, admin_password).add_client(
            LONG_LIVED_CLIENT, attributes={"access.token.lifespan": "7200"}
        )


def get_client_pod_name(name: str) -> str:
    """Return the name of a client pod."""
    return f"client-{name}"


def _make_context(ports: Mapping[str, int], secrets: Mapping[str, str], state: Path = Path()) -> Context:
    """Return a context with only the forwarded ports."""
    return Context(state, ports, secrets, ephemeral=True, all_parts=True, report=lambda _, __: None)


@contextmanager
def _make_state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tenantry-e2e-") as folder:
        yield Path(folder)


def _make_variables(secret: str, plain: Mapping[str, str], keys: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        *({"name": name, "value": value} for name, value in plain.items()),
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
            for name, key in keys.items()
        ),
    ]
