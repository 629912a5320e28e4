"""The Kubernetes API: real etcd, kube-apiserver and kube-controller-manager, without nodes.

``TENANTRY_KUBECONFIG`` names a cluster to use instead. It is not plain ``KUBECONFIG``: a shell that still
points at a company's cluster must not have demo Tenants applied to it.
"""

import json
import os
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typing_extensions import override

from ..build import ETCD_VERSION, KUBERNETES_VERSION, control_plane
from ..context import REPOSITORY, Context, write_private
from ..part import Command, Part, answers, program
from ..processes import LocalError

__all__ = ["ApiServer", "ControllerManager", "Etcd", "kubeconfig", "kubectl"]

USERS = {"admin": "system:masters", "operator": "tenantry", "gateway": "tenantry"}
"""Who may talk to the API server, and the group of each. Rights of the last two: manifests/rbac.yaml."""

RBAC = Path(__file__).parents[1] / "manifests" / "rbac.yaml"


def given() -> Path | None:
    """Return the kubeconfig of the cluster to use instead of our own control plane, if one is named."""
    path = os.environ.get("TENANTRY_KUBECONFIG")
    return Path(path).resolve() if path else None


def kubeconfig(context: Context, user: str) -> Path:
    """Return the kubeconfig with which ``admin``, ``operator`` or ``gateway`` reaches the API server."""
    return given() or context.state / "kube" / f"{user}.kubeconfig"


def kubectl(context: Context, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as admin and return what it prints.

    Raises
    ------
    LocalError
        It failed; the message is kubectl's own.
    """
    done = subprocess.run(
        [program("kubectl"), f"--kubeconfig={kubeconfig(context, 'admin')}", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        raise LocalError(f"kubectl {' '.join(arguments[:3])} failed: {done.stderr.strip()}")
    return done.stdout


class _ControlPlane(Part):
    """A program of the control plane; not started when a cluster is given."""

    @property
    def _programs(self) -> Path:
        return control_plane(lambda text: self.context.report(self.name, text))

    @property
    @override
    def version(self) -> str:
        return "yours" if given() else KUBERNETES_VERSION

    @override
    def prepare(self) -> None:
        if not given():
            _ = self._programs

    @override
    def command(self) -> Command | None:
        return None if given() else self._own_command()

    def _own_command(self) -> Command:
        raise NotImplementedError


class Etcd(_ControlPlane):
    """Where the API server keeps its objects."""

    name = "etcd"
    what = "Kubernetes' own store"
    ports = ("etcd", "etcd-peer")

    @property
    @override
    def version(self) -> str:
        return "yours" if given() else ETCD_VERSION

    @override
    def _own_command(self) -> Command:
        peer = self.context.url("etcd-peer")
        argv = [
            str(self._programs / "etcd"),
            f"--data-dir={self.context.folder('data', 'etcd')}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
        ]
        return Command([*argv, "--unsafe-no-fsync"] if self.context.ephemeral else argv)

    @override
    def healthy(self) -> bool:
        return given() is not None or answers(f"{self.url}/health")


class ApiServer(_ControlPlane):
    """The API server, with our resource, its policy and the services' rights in it."""

    name = "kubernetes"
    what = "Kubernetes API server"
    needs = ("etcd",)
    ports = ("kubernetes",)
    patience = 120.0

    @override
    def prepare(self) -> None:
        super().prepare()
        if given():
            return
        folder = self.context.folder("kube")
        if not (folder / "service-account.key").exists():
            _write_key_pair(folder)
        tokens = [
            f"{self.context.secrets[f'kube-{user}']},{_username(user)},{user},{group}"
            for user, group in USERS.items()
        ]
        write_private(folder / "tokens.csv", "\n".join(tokens) + "\n")
        for user in USERS:
            write_private(kubeconfig(self.context, user), json.dumps(self._kubeconfig(user)))

    @override
    def _own_command(self) -> Command:
        kube = self.context.state / "kube"
        return Command(
            [
                str(self._programs / "kube-apiserver"),
                f"--etcd-servers={self.context.url('etcd')}",
                f"--cert-dir={kube / 'certs'}",
                f"--secure-port={self.context.ports['kubernetes']}",
                "--bind-address=127.0.0.1",
                f"--service-account-key-file={kube / 'service-account.pub'}",
                f"--service-account-signing-key-file={kube / 'service-account.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--token-auth-file={kube / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--allow-privileged=true",
            ]
        )

    @override
    def healthy(self) -> bool:
        if given():
            return True
        try:
            return self._readyz.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    @override
    def provision(self) -> None:
        crds = REPOSITORY / "crds"
        kubectl(self.context, "apply", "--server-side", "--force-conflicts", "-f", str(crds))
        kubectl(self.context, "wait", "--for=condition=Established", "--timeout=30s", "-f",
                str(crds / "tenants.tenantry.io.yaml"))  # fmt: skip
        kubectl(self.context, "apply", "--server-side", "--force-conflicts", "-f", str(RBAC))

    @cached_property
    def _readyz(self) -> httpx.Client:
        token = self.context.secrets["kube-admin"]
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            verify=False,  # noqa: S501 (its certificate is its own, made at its start on this machine)
            timeout=2,
        )

    def _kubeconfig(self, user: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tenantry",
            "contexts": [{"name": "tenantry", "context": {"cluster": "tenantry", "user": user}}],
            "clusters": [
                {
                    "name": "tenantry",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority": str(self.context.state / "kube" / "certs" / "apiserver.crt"),
                    },
                }
            ],
            "users": [{"name": user, "user": {"token": self.context.secrets[f"kube-{user}"]}}],
        }


class ControllerManager(_ControlPlane):
    """Empties and removes namespaces, makes service accounts, counts quotas."""

    name = "controller-manager"
    what = "Kubernetes controllers"
    needs = ("kubernetes",)
    ports = ("controller-manager",)

    @override
    def _own_command(self) -> Command:
        wanted = (
            "namespace-controller",
            "serviceaccount-controller",
            "serviceaccount-token-controller",
            "garbage-collector-controller",
            "resourcequota-controller",
            "validatingadmissionpolicy-status-controller",
        )
        return Command(
            [
                str(self._programs / "kube-controller-manager"),
                f"--kubeconfig={kubeconfig(self.context, 'admin')}",
                f"--controllers={','.join(wanted)}",
                f"--service-account-private-key-file={self.context.state / 'kube' / 'service-account.key'}",
                f"--cert-dir={self.context.folder('kube', 'controller-certs')}",
                f"--secure-port={self.context.ports['controller-manager']}",
                "--bind-address=127.0.0.1",
                "--leader-elect=false",
            ]
        )

    @property
    @override
    def url(self) -> str:
        return f"https://127.0.0.1:{self.context.ports['controller-manager']}"

    @override
    def healthy(self) -> bool:
        return given() is not None or answers(f"{self.url}/healthz", verify=False)


def _username(user: str) -> str:
    return "admin" if user == "admin" else f"tenantry-{user}"


def _write_key_pair(folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_private(folder / "service-account.pub", public.decode())
    write_private(folder / "service-account.key", private.decode())


