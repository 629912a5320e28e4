"""Fixtures: file-sync's application with fakes of its user files and leader elector."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from file_sync.app import make_app
from file_sync.models import File
from file_sync.planner.models import FileReport, FileState
from file_sync.settings import FileSyncSettings
from file_sync.user_files import MAX_FILES, UserFile
from pydantic import SecretStr
from tenancy.call_limiter import CallLimiter
from tenancy.identity import Principal

from tests.support.tenants.manifests import make_tenant
from tests.unit.gateway.api.conftest import FakeReadiness, FakeRegistry, FakeTokenVerifier

HINT_SECRET = "a-secret-of-sixteen"


class FakeUserFiles:
    """Returns a list with the largest number of files, and records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Sequence[str] | None]] = []
        file = File(
            id="f",
            owner="o",
            subject="s",
            filename="f" * 250,
            path="p",
            size=1,
            digest="",
            created_at=0,
            updated_at=0,
        )
        self.files = [UserFile(file, FileReport(FileState.READY, "r" * 500))] * MAX_FILES

    async def list(self, person: Principal, token: str, ids: Sequence[str] | None) -> "Sequence[UserFile]":
        self.calls.append((person.tenant.id, token, ids))
        return self.files


class FakeElector:
    """Counts the hints."""

    def __init__(self) -> None:
        self.hints = 0

    def broadcast_hint(self) -> None:
        self.hints += 1


def make_fake_app(calls_per_minute: int = 1_000_000) -> Any:
    """Return the application, with the fakes ``files`` and ``leader_elector`` in its context."""
    settings = FileSyncSettings(
        database_url=SecretStr("postgresql://postgres.test"),
        files_bucket="files",
        bucket="documents",
        tenant_role_arn="arn:aws:iam::0:role/x",
        gateway_url="http://gateway.test",
        upload_url="http://n8n.test/webhook",
        ticket_key=Path("unused"),
        keycloak_url="http://keycloak.test",
        keycloak_client_secret=SecretStr("unused"),
        oidc_issuer="http://keycloak.test/realms/tenantry",
        hint_secret=SecretStr(HINT_SECRET),
    )
    app = make_app(settings)
    app.state.context = SimpleNamespace(
        settings=settings,
        registry=FakeRegistry([make_tenant("tenanta"), make_tenant("tenantb")]),
        tokens=FakeTokenVerifier(),
        calls=CallLimiter(calls_per_minute),
        files=FakeUserFiles(),
        leader_elector=FakeElector(),
        readiness=FakeReadiness(),
    )
    app.router.lifespan_context = lambda _app: nullcontext()
    return app
