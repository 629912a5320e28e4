"""Servers outside the cluster: Postgres as RDS, Redis as ElastiCache, Keycloak, AWS and Bedrock.

Postgres, Redis and Keycloak are real; AWS and Bedrock are stand-ins. All have TLS with a private authority.
"""

import asyncio
import logging
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Self

from tenantry_local.context import Context
from tenantry_local.part import Command
from tenantry_local.parts.aws import Aws
from tenantry_local.parts.keycloak import Keycloak
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform
from typing_extensions import override

from tests.support.backends.rds import allow_vector_extension, create_master_user
from tests.support.backends.tls_front import TlsFront
from tests.support.security.certificates import Certificates, make_certificates

from ..roles import create_open_webui_role
from .endpoints import ADDRESSES, Hosts
from .pod_identity import serve_pod_identity

__all__ = ["MASTER_USER", "Servers"]

PARTS = ("postgres", "redis", "keycloak", "aws", "bedrock")

TLS_PORTS = {"postgres": 5432, "redis": 6379, "keycloak": 443, "aws": 443, "bedrock": 443}

MASTER_USER = "master"
"""Postgres' administrator, with the rights of the master user of RDS."""


class PublicKeycloak(Keycloak):
    """Keycloak under the host name of a profile.

    Parameters
    ----------
    hosts
        Host names of the profile.
    """

    def __init__(self, context: Context, hosts: Hosts) -> None:
        super().__init__(context)
        self._hosts = hosts

    @override
    def build_command(self) -> Command:
        command = super().build_command()
        own, public = f"--hostname={self.url}", f"--hostname=https://{self._hosts.login}"
        return Command([public if each == own else each for each in command.argv], command.env)

    @override
    def _build_realm(self) -> dict[str, Any]:
        realm = super()._build_realm()
        (client,) = [each for each in realm["clients"] if each["clientId"] == "open-webui"]
        client["redirectUris"] = [f"https://{self._hosts.chat}/oauth/oidc/callback"]
        return realm


@dataclass(frozen=True)
class Servers:
    """The servers of one profile, in the process that started them or in another one.

    Parameters
    ----------
    profile
        Name of the profile.
    context
        Ports and passwords of the servers on this machine.
    """

    profile: str
    context: Context

    @classmethod
    def open(cls, state: Path, profile: str) -> Self:
        """Return the servers whose data is in a folder."""
        return cls(profile, Context.open(state, ephemeral=True))

    @property
    def hosts(self) -> Hosts:
        """Return the host names under which pods reach the servers."""
        return Hosts.read(self.profile)

    @property
    def authorities(self) -> Mapping[str, Path]:
        """Return the CA file of each server with TLS."""
        return {name: self._certificates / name / "ca.crt" for name in TLS_PORTS}

    @contextmanager
    def run(self) -> Iterator[None]:
        """Run the servers inside the block."""
        platform = Platform(self.context)
        platform.parts["keycloak"] = PublicKeycloak(self.context, self.hosts)
        try:
            platform.start_parts(PARTS)
            postgres = Postgres(self.context)
            allow_vector_extension(postgres, self.context.state / "trusted")
            create_master_user(postgres, MASTER_USER, self.context.secrets["postgres"])
            create_open_webui_role(Aws(self.context))
            with (
                _assign_addresses(ADDRESSES.values()),
                _serve(self._make_tls_fronts()),
                serve_pod_identity(Aws(self.context), ADDRESSES["pod-identity"]),
            ):
                yield
        finally:
            platform.stop_all()

    @property
    def _certificates(self) -> Path:
        return self.context.state / "certificates"

    def _make_tls_fronts(self) -> list[TlsFront]:
        self._certificates.mkdir()
        names = {"postgres": self.hosts.postgres, "redis": self.hosts.redis, "keycloak": self.hosts.login}
        fronts = []
        for name, port in TLS_PORTS.items():
            shown: Certificates = make_certificates(
                self._certificates / name, names.get(name, ADDRESSES[name])
            )
            fronts.append(
                TlsFront(
                    self.context.ports[name], shown,
                    negotiates=name == "postgres", address=ADDRESSES[name], port=port,
                )
            )  # fmt: skip
        return fronts


@contextmanager
def _assign_addresses(addresses: Iterable[str]) -> Iterator[None]:
    """Add addresses to this machine inside the block."""
    with ExitStack() as stack:
        for address in addresses:
            subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)
            stack.callback(
                subprocess.run, ["ip", "address", "del", f"{address}/32", "dev", "lo"], check=False
            )
        yield


@contextmanager
def _serve(fronts: Sequence[TlsFront]) -> Iterator[None]:
    """Serve TLS in a thread inside the block."""
    # At each end of a connection, asyncio logs that TLS connections cannot be half-closed.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started = []
    try:
        for front in fronts:
            asyncio.run_coroutine_threadsafe(front.__aenter__(), loop).result()
            started.append(front)
        yield
    finally:
        for front in started:
            asyncio.run_coroutine_threadsafe(front.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
