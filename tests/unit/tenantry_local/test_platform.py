"""Tests of the platform with small web servers as its parts."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tenantry_local import platform as module
from tenantry_local import startup
from tenantry_local.context import Context
from tenantry_local.part import Command, PlatformPart, is_http_ok
from tenantry_local.platform import Platform
from tenantry_local.processes import LocalError, PortInUse
from typing_extensions import override

from tests.support.programs.other_programs import run_web_server


class WebServer(PlatformPart):
    """A part that is a small web server."""

    name = "gateway"
    summary = "a web server"
    ports = ("gateway",)
    start_timeout = 20.0

    argv: tuple[str, ...] = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1")
    setting = "one"
    provisioned = 0

    @property
    @override
    def version(self) -> str:
        return "1"

    @override
    def build_command(self) -> Command:
        return Command([*self.argv, str(self.context.ports[self.name])], {"SETTING": self.setting})

    @override
    def is_healthy(self) -> bool:
        return is_http_ok(self.url)

    @override
    def provision(self) -> None:
        self.provisioned += 1


class Dependant(WebServer):
    name = "operator"
    ports = ("operator",)
    depends_on = ("gateway",)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    created = Platform(Context.open(tmp_path, ephemeral=True))
    created.parts = {"gateway": WebServer(created.context)}
    yield created
    created.stop_all()


def get_server(platform: Platform) -> WebServer:
    part = platform.parts["gateway"]
    assert isinstance(part, WebServer)
    return part


def test_prepare_starts_nothing(platform: Platform) -> None:
    platform.prepare()
    assert not platform.processes.list_names()


def test_an_error_during_preparation_names_the_part(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(_: WebServer) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(WebServer, "prepare", raise_error)
    with pytest.raises(LocalError, match=r"gateway did not come up: OSError: the disk is full"):
        platform.prepare()
    with pytest.raises(LocalError, match=r"gateway did not come up: OSError: the disk is full"):
        platform.start_parts()


def test_up_does_not_restart_a_program_with_the_same_settings(platform: Platform) -> None:
    platform.start_parts()
    first = platform.processes.find("gateway")
    platform.start_parts()
    assert first is not None
    assert platform.processes.find("gateway") == first
    assert get_server(platform).provisioned == 2, "each start provisions the part"


def test_up_restarts_a_program_whose_settings_have_changed(platform: Platform) -> None:
    platform.start_parts()
    first = platform.processes.find("gateway")
    get_server(platform).setting = "another"
    platform.start_parts()
    second = platform.processes.find("gateway")
    assert first is not None
    assert second is not None
    assert second.pid != first.pid


def test_up_waits_for_the_port_of_the_stopped_process(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.start_parts()
    get_server(platform).setting = "another"
    owners = iter(["a program of another user", "a program of another user"])
    monkeypatch.setattr(module, "find_port_owner", lambda _: next(owners, None))
    platform.start_parts()
    assert next(owners, None) is None


def test_the_error_for_a_port_in_use_names_its_owner_and_the_variable(platform: Platform) -> None:
    port = platform.context.ports["gateway"]
    with run_web_server(port) as (pid, _):
        with pytest.raises(LocalError) as error:
            platform.start_parts()
        assert [status.healthy for status in platform.get_statuses()] == [False], (
            "the server of another program is not a part"
        )
    assert isinstance(error.value.__cause__, PortInUse)
    for part in (str(port), f"pid {pid}", "http.server", "TENANTRY_PORT_GATEWAY="):
        assert part in str(error.value)


def test_the_error_for_a_program_that_ends_has_its_last_output(platform: Platform) -> None:
    get_server(platform).argv = ("sh", "-c", "echo no space left on device; exit 3")
    with pytest.raises(
        LocalError, match=r"(?s)gateway stopped right after its start.*no space left on device"
    ):
        platform.start_parts()


def test_a_program_that_stays_unhealthy_is_an_error_after_its_timeout(platform: Platform) -> None:
    get_server(platform).argv = ("sh", "-c", "echo still thinking; sleep 600")
    get_server(platform).start_timeout = 0.5  # type: ignore[misc]
    with pytest.raises(LocalError, match=r"(?s)not healthy within \d s \(tenantry logs gateway\).*thinking"):
        platform.start_parts()


def test_a_program_that_makes_progress_may_take_longer_than_its_start_timeout(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "PROGRESS_WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(startup, "PROGRESS_CPU_SECONDS", 0.5)
    used = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr(platform.processes, "get_cpu_seconds", lambda _: next(used))
    health = iter([False, False, False, True])
    monkeypatch.setattr(WebServer, "is_healthy", lambda _: next(health))
    monkeypatch.setattr(startup, "MAX_EXTENSION", float("inf"))
    get_server(platform).start_timeout = 1e-9  # type: ignore[misc]
    platform.start_parts()
    assert next(used, None) is None, "the progress was read each time"


def test_a_program_that_makes_progress_for_too_long_is_reported(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform.processes, "get_cpu_seconds", lambda _: 100.0)
    monkeypatch.setattr(WebServer, "is_healthy", lambda _: False)
    get_server(platform).start_timeout = 1e-9  # type: ignore[misc]
    with pytest.raises(LocalError, match=r"gateway was not healthy within 0 s"):
        platform.start_parts()


def test_data_is_restored_before_a_program_starts_and_not_while_it_runs(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[bool] = []
    find = platform.processes.find
    monkeypatch.setattr(WebServer, "restore", lambda _: running.append(find("gateway") is not None))
    platform.start_parts()
    platform.start_parts()
    assert running == [False]


def test_parts_that_depend_on_a_failed_part_are_not_started(platform: Platform) -> None:
    platform.parts["operator"] = Dependant(platform.context)
    get_server(platform).argv = ("false",)
    with pytest.raises(LocalError) as error:
        platform.start_parts()
    assert str(error.value).count("gateway stopped right after its start") == 1
    assert platform.processes.find("operator") is None


def test_down_stops_what_up_started_and_a_second_down_has_nothing_to_do(platform: Platform) -> None:
    platform.parts["operator"] = Dependant(platform.context)
    platform.start_parts()
    assert platform.stop_all() == ["operator", "gateway"], "dependent parts are stopped first"
    assert not is_http_ok(get_server(platform).url)
    assert platform.stop_all() == []


def test_an_external_part_is_probed_but_neither_started_nor_stopped(platform: Platform) -> None:
    get_server(platform).managed = False
    port = platform.context.ports["gateway"]
    assert [status.healthy for status in platform.get_statuses()] == [False]
    with run_web_server(port):
        platform.start_parts()
        assert [status.healthy for status in platform.get_statuses()] == [True]
        assert platform.stop_all() == []
        assert is_http_ok(f"http://127.0.0.1:{port}")


class Extra(WebServer):
    name = "open-webui"
    ports = ("open-webui",)


def test_optional_parts_are_shown_from_their_start_to_their_stop(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPTIONAL_PARTS", (Extra,))
    platform.parts["open-webui"] = Extra(platform.context)
    platform.start_parts(["gateway"])
    assert [status.part.name for status in platform.get_statuses()] == ["gateway"]
    assert not platform.is_optional_part_running()
    platform.start_parts()
    assert [status.part.name for status in platform.get_statuses()] == ["gateway", "open-webui"]
    assert platform.is_optional_part_running()
    platform.stop_all()
    assert [status.part.name for status in platform.get_statuses()] == ["gateway"]
    assert not platform.is_optional_part_running()


def test_a_platform_has_all_parts_only_on_request(tmp_path: Path) -> None:
    core, full = (Platform.open_ephemeral(tmp_path, all_parts=all_parts) for all_parts in (False, True))
    assert set(full.parts) - set(core.parts) >= {"open-webui", "n8n", "n8n-worker", "n8n-webhook"}
