"""The chart, installed with its kind profile; AWS' part is played by the stand-ins beside it.

Pods act as the same roles as on EKS: each is given a session of its own role.
"""

import asyncio
import base64
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
from tenantry_local.context import Context
from tenantry_local.demo_users import access_token
from tenantry_local.parts.aws import ACCOUNT, REGION, ROLE_SERVICES, Aws

from tests.support.cluster import Cluster, until_it_holds
from tests.support.people import LASTING, People
from tools import dev_secrets
from tools.chart_schema import CHART

from .images import chosen
from .inside import CALL

__all__ = ["Installation", "asker"]

FOLDER = Path(__file__).parent

STANDINS = ("aws", "bedrock")

SESSION_SECONDS = 12 * 3600
"""As long as a role's session can last."""

SESSION_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
}
FILES_VARIABLES = {"S3_ACCESS_KEY_ID": "AccessKeyId", "S3_SECRET_ACCESS_KEY": "SecretAccessKey"}
"""Which variable has which part of a Secret with credentials."""

ASKERS = ("n8n-worker", "n8n-install", "stranger")
"""Pods out of which is asked. To the network they are what they are called: the first may ask the gateway,
the second n8n's webhooks, the third nobody. No Service leads to any of them."""


@dataclass(frozen=True)
class Installation:
    """A release of the chart.

    Parameters
    ----------
    cluster
        Where it is.
    release
        Its name.
    images
        Where images can be pulled, by their names in :mod:`tests.e2e.images`; others are the chart's own.
    """

    cluster: Cluster
    release: str
    images: Mapping[str, str]

    def prepare(self) -> None:
        """Make what the chart needs to be there: its namespace, its Secrets, AWS. And the pods that ask."""
        namespace = self.cluster.namespace
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        )
        images = [f"--set-string=images.{name}={self.images[name]}" for name in STANDINS]
        self.cluster.helm("upgrade", "--install", "standins", str(FOLDER / "standins"), "--wait", *images)
        self._provision_aws()
        self._make_secrets()
        self.cluster.apply(*[self._asker(name) for name in ASKERS])
        pods = [f"pod/{asker(name)}" for name in ASKERS]
        self.cluster.kubectl("wait", "--for=condition=Ready", *pods, "--timeout=120s")

    def upgrade(self, *options: str) -> None:
        """Install the chart, or upgrade it; options are helm's own. Return when all pods are ready."""
        files = ["-f", str(CHART / "values-kind.yaml"), "-f", str(FOLDER / "values.yaml"), "-f", "-"]
        self.cluster.helm(
            "upgrade", "--install", self.release, str(CHART), "--wait", "--timeout=10m",
            *files, *chosen(self.images), *self._addresses(), *options, stdin=json.dumps(self._aws()),
        )  # fmt: skip

    @property
    def installed(self) -> bool:
        """Whether there is a release."""
        return self.release in json.loads(self.cluster.helm("list", "--deployed", "--output=json", "--short"))

    def name(self, workload: str) -> str:
        """Return a workload's name in the cluster."""
        return f"{self.release}-{workload}"

    def workloads(self) -> list[str]:
        """Return all that runs for good: ``deployment/NAME``, ``statefulset/NAME``."""
        found = self.cluster.list(
            "deployments,statefulsets", "-l", f"app.kubernetes.io/instance={self.release}"
        )
        return [f"{item['kind'].lower()}/{item['metadata']['name']}" for item in found]

    @property
    def password(self) -> str:
        """The password of all of the demo's people."""
        return self._secret("tenantry-keycloak")["people-password"]

    def token(self, email: str) -> str:
        """Return an access token of one of the demo's people, out of the release's Keycloak."""
        with self.cluster.forwarded(self.name("keycloak"), 8080) as port:
            return access_token(_context({"keycloak": port}, {"people": self.password}), email, LASTING)

    def let_tokens_last(self) -> None:
        """Make the client whose tokens outlast the tests."""
        with self.cluster.forwarded(self.name("keycloak"), 8080) as port:
            admin_password = self._secret("tenantry-keycloak")["admin-password"]
            asyncio.run(_make_lasting_client(f"http://127.0.0.1:{port}", admin_password))

    def call(
        self, requests: Iterable[Mapping[str, Any]], *, as_: str = "n8n-worker"
    ) -> list[tuple[int, str]]:
        """Make requests out of a pod, through the Services; return each one's status and body."""
        said = self.cluster.run(asker(as_), CALL, stdin=json.dumps(list(requests)))
        return [(status, body) for status, body in json.loads(said)]

    def gateway(self, method: str, path: str, token: str, **arguments: Any) -> dict[str, Any]:
        """Return a request to the gateway, as :meth:`call` takes them."""
        url = f"http://{self.name('gateway')}:8080{path}"
        return {"method": method, "url": url, "headers": {"Authorization": f"Bearer {token}"}, **arguments}

    def _addresses(self) -> Iterator[str]:
        """Say where this cluster's API server is: no two have it in the same place."""
        (found,) = self.cluster.list(
            "endpointslices", "--namespace=default", "-l", "kubernetes.io/service-name=kubernetes"
        )
        network = "global.network.kubernetes"
        yield f"--set={network}.port={found['ports'][0]['port']}"
        for number, address in enumerate(found["endpoints"][0]["addresses"]):
            yield f"--set={network}.cidrs[{number}]={address}/32"

    def _aws(self) -> dict[str, Any]:
        """Return the values that lead the services to AWS.

        By address and not by name: in front of a name, boto3 would write the bucket's.
        """
        place = {
            name: f"http://{self.cluster.get('service', name)['spec']['clusterIP']}:4566" for name in STANDINS
        }
        urls = {"AWS_ENDPOINT_URL": place["aws"], "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": place["bedrock"]}
        services = {
            service: _variables(f"aws-{service}", urls, SESSION_VARIABLES) for service in ROLE_SERVICES
        }
        files = {"S3_ENDPOINT_URL": place["aws"], "S3_ADDRESSING_STYLE": "path"}
        services["open-webui"] = _variables("aws-open-webui", files, FILES_VARIABLES)
        return {service: {"extraEnv": variables} for service, variables in services.items()}

    def _provision_aws(self) -> None:
        with self.cluster.forwarded("aws", 4566) as port, _state() as state:
            aws = Aws(_context({"aws": port}, {}, state))
            until_it_holds(aws.is_healthy, "AWS answers", seconds=60)
            aws.provision()
            for service in ROLE_SERVICES:
                self._keep(f"aws-{service}", _session(aws, service))
            key, secret = aws.key_pair("open-webui")
            self._keep("aws-open-webui", {"AccessKeyId": key, "SecretAccessKey": secret})

    def _make_secrets(self) -> None:
        there = {item["metadata"]["name"] for item in self.cluster.list("secrets")}
        for name, values in dev_secrets.contents(self.release).items():
            if name not in there:
                self._keep(name, values)

    def _keep(self, name: str, values: Mapping[str, str]) -> None:
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(values)}
        )

    def _secret(self, name: str) -> dict[str, str]:
        data = self.cluster.get("secret", name)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def _asker(self, name: str) -> dict[str, Any]:
        own = {} if name == "stranger" else {"app.kubernetes.io/instance": self.release}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": asker(name), "labels": {"app.kubernetes.io/name": name, **own}},
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "python",
                        "image": self.images["gateway"],
                        "command": ["sleep", "infinity"],
                        # Without it, the autoscaler of those whose labels it has would know nothing.
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


async def _make_lasting_client(url: str, admin_password: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        await People(http, admin_password).add_client(LASTING, attributes={"access.token.lifespan": "7200"})


def asker(name: str) -> str:
    """Return the name of one of the pods of :data:`ASKERS`."""
    return f"asks-as-{name}"


def _context(ports: Mapping[str, int], secrets: Mapping[str, str], state: Path = Path()) -> Context:
    """Return a platform of which only what is forwarded is known."""
    return Context(state, ports, secrets, ephemeral=True, whole=True, report=lambda _, __: None)


@contextmanager
def _state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tenantry-e2e-") as folder:
        yield Path(folder)


def _variables(secret: str, plain: Mapping[str, str], keys: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        *({"name": name, "value": value} for name, value in plain.items()),
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
            for name, key in keys.items()
        ),
    ]


def _session(aws: Aws, service: str) -> dict[str, str]:
    """Return what a pod on EKS would get for its service account: credentials of a session of its role."""
    key, secret = aws.key_pair(service)
    sts = boto3.client(
        "sts", endpoint_url=aws.url, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret
    )
    given = sts.assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/tenantry-{service}",
        RoleSessionName="e2e",
        DurationSeconds=SESSION_SECONDS,
    )["Credentials"]
    return {name: given[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
