"""The Kubernetes API: real etcd, kube-apiserver and kube-controller-manager, without nodes.

``TENANTRY_KUBECONFIG`` names an external cluster. ``KUBECONFIG`` is ignored, so that demo Tenants are never
applied to a company cluster that a shell still points to.
"""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typing_extensions import override

from ..build import ensure_control_plane, get_version
from ..context import REPOSITORY, Context, write_private
from ..part import Command, PlatformPart, find_program, is_http_ok
from ..processes import LocalError

__all__ = [
    "ApiServer",
    "ControllerManager",
    "Etcd",
    "get_kubeconfig",
    "run_kubectl",
    "wait_until_established",
]

USERS = {
    "admin": "system:masters",
    "operator": "tenantry",
    "gateway": "tenantry",
    "file-sync": "tenantry",
    "qdrant-snapshots": "tenantry",
}
"""Users of the API server and the group of each. manifests/rbac.yaml has the rights of the services."""

KUBECTL_TIMEOUT_SECONDS = 120

ESTABLISHED_TIMEOUT_SECONDS = 30

GO_GC_SETTINGS = {"GOGC": "400", "GOMEMLIMIT": "700MiB"}
"""Settings of Go's garbage collector for a test platform's API server. It collects garbage when the heap has
grown by 400 % or to 700 MiB. With Go's default of 100 %, it uses a third of the server's CPU time."""

RBAC = Path(__file__).parents[1] / "manifests" / "rbac.yaml"


def get_external_kubeconfig() -> Path | None:
    """Return the kubeconfig of the external cluster, or ``None`` without one."""
    path = os.environ.get("TENANTRY_KUBECONFIG")
    return Path(path).resolve() if path else None


def get_kubeconfig(context: Context, user: str) -> Path:
    """Return the kubeconfig of one of :data:`USERS`."""
    return get_external_kubeconfig() or context.state / "kube" / f"{user}.kubeconfig"


def run_kubectl(context: Context, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as admin and return what it prints.

    Raises
    ------
    LocalError
        kubectl failed or timed out; the message is kubectl's.
    """
    argv = [find_program("kubectl"), f"--kubeconfig={get_kubeconfig(context, 'admin')}", *arguments]
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, check=False, timeout=KUBECTL_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as exc:
        raise LocalError(
            f"kubectl {' '.join(arguments[:3])} did not end within {KUBECTL_TIMEOUT_SECONDS} s."
        ) from exc
    if done.returncode:
        raise LocalError(f"kubectl {' '.join(arguments[:3])} failed: {done.stderr.strip()}")
    return done.stdout


def wait_until_established(context: Context, *source: str, stdin: str | None = None) -> None:
    """Wait until the API server serves the CRDs of kubectl's source, ``-f FILE``; ``-f -`` is ``stdin``.

    kubectl fails while a CRD has no conditions at all, so this failure is retried.

    Raises
    ------
    LocalError
        kubectl failed, or a CRD is not served after 30 seconds; the message is kubectl's.
    """
    end = time.monotonic() + ESTABLISHED_TIMEOUT_SECONDS
    condition = ("--for=condition=Established", f"--timeout={ESTABLISHED_TIMEOUT_SECONDS}s")
    while True:
        try:
            run_kubectl(context, "wait", *condition, *source, stdin=stdin)
        except LocalError as exc:
            if ".status.conditions accessor error" not in str(exc) or time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


class _ControlPlane(PlatformPart):
    """Base class of the control plane's programs, which are built if the cache lacks them."""

    program_name: ClassVar[str]

    @property
    @override
    def version(self) -> str:
        return get_version(self.program_name)

    @override
    def prepare(self) -> None:
        ensure_control_plane(lambda text: self.context.report(self.name, text))

    def _find_program(self) -> str:
        return str(
            ensure_control_plane(lambda text: self.context.report(self.name, text)) / self.program_name
        )


class Etcd(_ControlPlane):
    """Database of the API server."""

    program_name = "etcd"

    name = "etcd"
    summary = "Kubernetes' store"
    ports = ("etcd", "etcd-peer")

    @override
    def build_command(self) -> Command:
        peer = self.context.build_url("etcd-peer")
        argv = [
            self._find_program(),
            f"--data-dir={self.context.create_folder('data', 'etcd')}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
        ]
        return Command([*argv, "--unsafe-no-fsync"] if self.context.ephemeral else argv)

    @override
    def is_healthy(self) -> bool:
        return is_http_ok(f"{self.url}/health")


class ApiServer(_ControlPlane):
    """API server with the Tenant CRD, its policy and the services' RBAC rules."""

    program_name = "kube-apiserver"
    name = "kubernetes"
    summary = "API server"
    depends_on = ("etcd",)
    ports = ("kubernetes",)
    start_timeout = 120.0

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.managed = get_external_kubeconfig() is None

    @property
    @override
    def version(self) -> str:
        if self.managed:
            return super().version
        return str(json.loads(self._run_query("get", "--raw=/version") or "{}").get("gitVersion", "unknown"))

    @property
    @override
    def url(self) -> str:
        if self.managed:
            return super().url
        return self._run_query("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")

    @override
    def prepare(self) -> None:
        if not self.managed:
            return
        super().prepare()
        folder = self.context.create_folder("kube")
        if not (folder / "service-account.key").exists():
            _write_key_pair(folder)
        tokens = [
            f"{self.context.secrets[f'kube-{user}']},{_get_username(user)},{user},{group}"
            for user, group in USERS.items()
        ]
        write_private(folder / "tokens.csv", "\n".join(tokens) + "\n")
        for user in USERS:
            write_private(get_kubeconfig(self.context, user), json.dumps(self._build_kubeconfig(user)))

    @override
    def build_command(self) -> Command:
        kube = self.context.state / "kube"
        return Command(
            [
                self._find_program(),
                f"--etcd-servers={self.context.build_url('etcd')}",
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
            ],
            GO_GC_SETTINGS if self.context.ephemeral else {},
        )

    @override
    def is_healthy(self) -> bool:
        if not self.managed:
            return bool(self._run_query("get", "--raw=/readyz"))
        # The API server generates a self-signed certificate at its start.
        bearer = {"Authorization": f"Bearer {self.context.secrets['kube-admin']}"}
        return is_http_ok(f"{self.url}/readyz", verify=False, headers=bearer)

    @override
    def provision(self) -> None:
        crds = REPOSITORY / "crds"
        run_kubectl(self.context, "apply", "--server-side", "--force-conflicts", "-f", str(crds))
        wait_until_established(self.context, "-f", str(crds / "tenants.tenantry.io.yaml"))
        run_kubectl(self.context, "apply", "--server-side", "--force-conflicts", "-f", str(RBAC))

    def _run_query(self, *arguments: str) -> str:
        """Return the output of kubectl on the external cluster; empty if the cluster is unreachable."""
        try:
            return run_kubectl(self.context, *arguments, "--request-timeout=3s")
        except LocalError:
            return ""

    def _build_kubeconfig(self, user: str) -> dict[str, Any]:
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
    """Controllers that delete namespaces, create service accounts and count quotas."""

    program_name = "kube-controller-manager"
    name = "controller-manager"
    summary = "controllers"
    depends_on = ("kubernetes",)
    ports = ("controller-manager",)
    controllers: ClassVar[tuple[str, ...]] = (
        "namespace-controller",
        "serviceaccount-controller",
        "serviceaccount-token-controller",
        "garbage-collector-controller",
        "resourcequota-controller",
        "validatingadmissionpolicy-status-controller",
    )

    @override
    def build_command(self) -> Command:
        return Command(
            [
                self._find_program(),
                f"--kubeconfig={get_kubeconfig(self.context, 'admin')}",
                f"--controllers={','.join(self.controllers)}",
                f"--service-account-private-key-file={self.context.state / 'kube' / 'service-account.key'}",
                f"--cert-dir={self.context.create_folder('kube', 'controller-certs')}",
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
    def is_healthy(self) -> bool:
        return is_http_ok(f"{self.url}/healthz", verify=False)


def _get_username(user: str) -> str:
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
