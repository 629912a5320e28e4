"""Folder, ports and secrets of one local platform.

Two platforms on one machine differ only in these. A developer's platform has fixed ports, so that its URLs
stay valid. A test platform has free ports.
"""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .free_ports import HIGHEST_PORT, choose_free_ports
from .processes import LocalError

__all__ = ["CACHE", "PORTS", "REPOSITORY", "Context", "get_port_variable", "get_state_folder"]

REPOSITORY = Path(__file__).resolve().parents[2]
"""Checkout that contains this package, which is always installed as editable."""

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenantry"
"""Folder of programs that are built or unpacked once per machine, keyed by their versions."""

PORTS = {
    "gateway": 18000,
    "gateway-metrics": 18001,
    "etcd": 18079,
    "etcd-peer": 18078,
    "keycloak": 18080,
    "controller-manager": 18257,
    "postgres": 18432,
    "kubernetes": 18443,
    "aws": 18566,
    "bedrock": 18600,
    "qdrant": 18633,
    "redis": 18637,
    "operator": 18700,
    "operator-metrics": 18701,
    "open-webui": 18081,
    "n8n": 18678,
    "n8n-webhook": 18679,
    "n8n-worker": 18680,
    "n8n-broker-main": 18681,
    "n8n-broker-webhook": 18682,
    "n8n-broker-worker": 18683,
    "file-sync": 18710,
    "file-sync-metrics": 18711,
}
"""Fixed ports on 127.0.0.1; ``TENANTRY_PORT_<NAME>`` overrides one (dashes become underscores)."""


def get_state_folder() -> Path:
    """Return the state folder of this checkout's platform: ``TENANTRY_STATE``, or ``.tenantry``."""
    return Path(os.environ.get("TENANTRY_STATE") or REPOSITORY / ".tenantry").resolve()


@dataclass(frozen=True)
class Context:
    """Configuration that all parts of one platform share.

    Parameters
    ----------
    state
        Folder of all data, logs, keys and process records.
    ports
        Port on 127.0.0.1 for each name in :data:`PORTS`.
    secrets
        Generated passwords and tokens of this platform, by name.
    ephemeral
        True for a test platform: its data need not survive a power cut.
    all_parts
        True if Open WebUI, n8n and file-sync belong to the platform.
    report
        Callback that shows the progress of a part: ``report(part, text)``.
    """

    state: Path
    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    ephemeral: bool
    all_parts: bool
    report: Callable[[str, str], None]

    @classmethod
    def open(
        cls,
        state: Path,
        *,
        ephemeral: bool = False,
        all_parts: bool = False,
        report: Callable[[str, str], None] = lambda _, __: None,
    ) -> "Context":
        """Open the platform in ``state``; create its folder, ports and secrets if they are missing."""
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        ports = _choose_free_ports(state / "ports.json") if ephemeral else _get_fixed_ports()
        return cls(state, ports, _ensure_secrets(state / "secrets.json"), ephemeral, all_parts, report)

    def build_url(self, name: str) -> str:
        """Return the base URL of an HTTP port."""
        scheme = "https" if name == "kubernetes" else "http"
        return f"{scheme}://127.0.0.1:{self.ports[name]}"

    def create_folder(self, *names: str) -> Path:
        """Return a folder below the state folder; create it if it is missing."""
        path = self.state.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path


def write_private(path: Path, text: str) -> Path:
    """Write a file atomically, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
    return path


def get_port_variable(name: str) -> str:
    """Return the environment variable that overrides a fixed port."""
    return f"TENANTRY_PORT_{name.upper().replace('-', '_')}"


def _get_fixed_ports() -> dict[str, int]:
    return {name: _get_fixed_port(name) for name in PORTS}


def _get_fixed_port(name: str) -> int:
    variable = get_port_variable(name)
    value = os.environ.get(variable, str(PORTS[name]))
    if not value.isdecimal() or not 0 < int(value) <= HIGHEST_PORT:
        raise LocalError(f"{variable} is {value!r}. Set it to a port number from 1 to {HIGHEST_PORT}.")
    return int(value)


def _choose_free_ports(record: Path) -> dict[str, int]:
    """Return free ports; record them, so that a restarted part gets its former port."""
    known: dict[str, int] = json.loads(record.read_text()) if record.exists() else {}
    missing = [name for name in PORTS if name not in known]
    if not missing:
        return known
    free = choose_free_ports(len(missing), taken={*PORTS.values(), *known.values()})
    ports = known | dict(zip(missing, free, strict=True))
    write_private(record, json.dumps(ports))
    return ports


class _Secrets(dict[str, str]):
    """Secrets in a JSON file; a missing secret is generated when it is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(json.loads(path.read_text()) if path.exists() else {})
        self._path = path

    def __missing__(self, name: str) -> str:
        self[name] = secrets.token_urlsafe(24)
        write_private(self._path, json.dumps(self, indent=1))
        return self[name]


def _ensure_secrets(path: Path) -> Mapping[str, str]:
    known = _Secrets(path)
    # One thread generates all secrets here, because parts that start concurrently may only read them.
    for name in SECRETS:
        _ = known[name]
    return known


SECRETS = (
    "file-sync-hints",
    "keycloak-admin",
    "keycloak-file-sync",
    "keycloak-open-webui",
    "keycloak-operator",
    "kube-admin",
    "kube-file-sync",
    "kube-gateway",
    "kube-operator",
    "n8n",
    "n8n-owner",
    "open-webui",
    "open-webui-admin",
    "people",
    "postgres",
    "postgres-file-sync",
    "postgres-n8n",
    "postgres-open-webui",
    "qdrant",
    "redis",
    "redis-gateway",
    "redis-n8n",
    "redis-open-webui",
    "redis-operator",
)
"""Names of a platform's secrets. ``people`` is the password of all demo users. ``n8n-owner`` and
``open-webui-admin`` are passwords of service accounts. ``n8n`` and ``open-webui`` are encryption keys."""
