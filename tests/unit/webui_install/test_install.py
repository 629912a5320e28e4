"""Tests of the installer: it waits for Open WebUI, applies each change once, and ends."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import stamina
from pydantic import SecretStr
from servicekit.errors import BackendRefused
from structlog.testing import capture_logs
from typing_extensions import override
from webui_install import __main__ as program
from webui_install import install as installing
from webui_install.install import FunctionsNotInstalled, install
from webui_install.settings import WebUIInstallSettings

from tests.support.faults.crashes import ProcessKilled

SETTINGS = WebUIInstallSettings(
    url="http://open-webui",
    admin_email="admin@tenantry.example",
    admin_password=SecretStr("a-password"),
    gateway_url="http://gateway",
    n8n_url="http://n8n",
    file_sync_url="http://file-sync",
    hint_secret=SecretStr("a-secret-that-is-long"),
    timeout_seconds=30,
)
FUNCTIONS, MODELS = "/api/v1/functions", "/api/v1/models"


@dataclass
class InMemoryOpenWebUI(httpx.AsyncBaseTransport):
    """In-memory Open WebUI.

    ``faults`` are responses, by path, that replace the next responses; with ``drops_writes`` writes have no
    effect.
    """

    functions: dict[str, dict[str, Any]] = field(default_factory=dict)
    valves: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, list[httpx.Response | Exception]] = field(default_factory=dict)
    drops_writes: bool = False
    request_counts: Counter[str] = field(default_factory=Counter)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.request_counts[path] += 1
        if self.faults.get(path):
            fault = self.faults[path].pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        if path.endswith("/signin"):
            return httpx.Response(200, json={"token": "an-admins"})
        assert request.headers["Authorization"] == "Bearer an-admins"
        body = json.loads(request.content) if request.content else {}
        if request.method == "POST" and not self.drops_writes:
            self._write(path, body)
        return httpx.Response(200, content=json.dumps(self._read(path)))

    def _read(self, path: str) -> Any:
        if path == f"{FUNCTIONS}/export":
            return list(self.functions.values())
        if path == f"{MODELS}/all":
            return list(self.models.values())
        if path.endswith("/valves"):
            return self.valves.get(path.split("/")[-2])
        return {}

    def _write(self, path: str, body: dict[str, Any]) -> None:
        match path.removeprefix("/api/v1/").split("/"):
            case ["functions", "create"]:
                self.functions[body["id"]] = body | {"is_active": False}
            case ["functions", "id", name, "update"]:
                self.functions[name] |= body
            case ["functions", "id", name, "toggle"]:
                self.functions[name]["is_active"] = not self.functions[name]["is_active"]
            case ["functions", "id", name, "valves", "update"]:
                self.valves[name] = body
            case (
                ["models", "create"] | ["models", "model", "update"] | ["models", "model", "access", "update"]
            ):
                self.models[body["id"]] = self.models.get(body["id"], {}) | body
            case _:
                pass


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(installing, "RETRY_DELAY_SECONDS", 0.0)
    monkeypatch.setattr(installing, "SIGN_IN_LIMIT_DELAY_SECONDS", 0.0)
    with stamina.set_testing(True, attempts=99, cap=True):
        yield


async def test_everything_is_installed_and_a_second_run_writes_nothing() -> None:
    webui = InMemoryOpenWebUI()
    assert await install(SETTINGS, webui) == 10
    assert all(function["is_active"] for function in webui.functions.values())
    assert webui.request_counts["/api/models"] == 1
    before = webui.request_counts.copy()
    assert await install(SETTINGS, webui) == 0
    again = webui.request_counts - before
    assert set(again) == {
        "/api/v1/auths/signin",
        f"{FUNCTIONS}/export",
        f"{MODELS}/all",
        f"{FUNCTIONS}/id/tenantry/valves",
        f"{FUNCTIONS}/id/tenantry_events/valves",
        f"{FUNCTIONS}/id/tenantry_erasure/valves",
    }


async def test_signs_in_once() -> None:
    """Open WebUI allows fifteen sign-ins in three minutes for each account."""
    webui = InMemoryOpenWebUI()
    await install(SETTINGS, webui)
    assert webui.request_counts["/api/v1/auths/signin"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("refused"),
        httpx.Response(502, text="<html>"),
        httpx.Response(200, text="<html>starting"),
        httpx.Response(429, json={"detail": "too many"}),
    ],
)
async def test_waits_until_open_webui_is_up(fault: Any) -> None:
    webui = InMemoryOpenWebUI(faults={"/api/v1/auths/signin": [fault] * 5})
    assert await install(SETTINGS, webui) == 10
    assert webui.request_counts["/api/v1/auths/signin"] == 6


async def test_too_many_sign_ins_cause_a_long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "SIGN_IN_LIMIT_DELAY_SECONDS", 10.0)
    webui = InMemoryOpenWebUI(faults={"/api/v1/auths/signin": [httpx.Response(429)]})
    with pytest.raises(FunctionsNotInstalled):
        await install(SETTINGS.model_copy(update={"timeout_seconds": 0.1}), webui)
    assert webui.request_counts["/api/v1/auths/signin"] == 1


@pytest.mark.parametrize("fault", [httpx.ReadTimeout("slow"), httpx.Response(503)])
async def test_toggle_without_a_response_is_repeated_only_if_needed(fault: Any) -> None:
    path = f"{FUNCTIONS}/id/tenantry/toggle"
    webui = InMemoryOpenWebUI(faults={path: [fault]})
    await install(SETTINGS, webui)
    assert webui.functions["tenantry"]["is_active"]
    assert webui.request_counts[path] == 2


async def test_toggle_that_succeeded_without_a_response_is_not_repeated() -> None:
    webui = InMemoryOpenWebUI()
    await install(SETTINGS, webui)
    webui.functions["tenantry"]["is_active"] = False

    class ResponseLost(InMemoryOpenWebUI):
        @override
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await webui.handle_async_request(request)
            if request.url.path.endswith("toggle"):
                raise httpx.ReadTimeout("the answer is lost")
            return response

    assert await install(SETTINGS, ResponseLost()) == 0
    assert webui.functions["tenantry"]["is_active"]
    assert webui.request_counts[f"{FUNCTIONS}/id/tenantry/toggle"] == 2  # the changes of both runs


@pytest.mark.parametrize("at", range(10))
async def test_next_run_completes_an_interrupted_run(at: int) -> None:
    webui = InMemoryOpenWebUI()

    class CrashingOpenWebUI(httpx.AsyncBaseTransport):
        writes = 0

        @override
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and not request.url.path.endswith("signin"):
                self.writes += 1
                if self.writes > at:
                    raise ProcessKilled
            return await webui.handle_async_request(request)

    with pytest.raises(ProcessKilled):
        await install(SETTINGS, CrashingOpenWebUI())
    assert await install(SETTINGS, webui) == 10 - at
    assert await install(SETTINGS, webui) == 0


async def test_wrong_password_ends_the_installation() -> None:
    webui = InMemoryOpenWebUI(faults={"/api/v1/auths/signin": [httpx.Response(400)]})
    with pytest.raises(BackendRefused):
        await install(SETTINGS, webui)
    assert webui.request_counts["/api/v1/auths/signin"] == 1


async def test_open_webui_that_never_starts_ends_the_installation() -> None:
    class Unreachable(httpx.AsyncBaseTransport):
        @override
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0.01)
            raise httpx.ConnectError("refused")

    with pytest.raises(
        FunctionsNotInstalled, match=r"http://open-webui did not reach the desired state within 0\.1 s"
    ):
        await install(SETTINGS.model_copy(update={"timeout_seconds": 0.1}), Unreachable())


async def test_reverted_changes_end_the_installation() -> None:
    with pytest.raises(FunctionsNotInstalled, match="are reverted"):
        await install(SETTINGS, InMemoryOpenWebUI(drops_writes=True))


async def test_every_change_is_logged_without_secrets_and_texts() -> None:
    with capture_logs() as logs:
        await install(SETTINGS, InMemoryOpenWebUI())
    changes = [line["change"] for line in logs if "change" in line]
    assert changes[:3] == [
        "CreateFunction tenantry",
        "SetValves tenantry: file_sync_url, gateway_url, n8n_url, orchestrator",
        "Activate tenantry",
    ]
    assert not any(secret in str(logs) for secret in ("a-secret", "a-password", "class Pipe"))


def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBUI_INSTALL_URL", "elsewhere")
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 2
    assert "WEBUI_INSTALL_URL: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(None, None), (FunctionsNotInstalled("not up"), 1), (BackendRefused("open-webui", "x", "no"), 1)],
)
def test_the_exit_status_is_that_of_the_installation(
    outcome: Exception | None, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def return_status(_: WebUIInstallSettings) -> int:
        if outcome:
            raise outcome
        return 0

    for name, value in SETTINGS.model_dump(exclude={"timeout_seconds"}).items():
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        monkeypatch.setenv(f"WEBUI_INSTALL_{name.upper()}", text)
    monkeypatch.setattr(program, "install", return_status)
    monkeypatch.setattr(program, "configure_logs", lambda *_: None)
    if code is None:
        program.main()
        return
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == code
