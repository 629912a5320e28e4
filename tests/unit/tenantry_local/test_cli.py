"""Tests of the command line on a platform without running programs."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from tenancy.receipts import ErasureReceipt, Store, TenantIdentity, read_private_key, sign
from tenantry_local import cli, demo, receipts
from tenantry_local.context import Context
from tenantry_local.parts.services import Gateway
from tenantry_local.platform import PartState, Platform
from tenantry_local.processes import LocalError, Processes
from tenantry_local.startup_records import StartupRecords

from tests.support.programs.ports import find_free_port

DIANA = "diana.tenantb@gmail.com"
TENANTRY = Path(sys.executable).with_name("tenantry")
EXAMPLE = {"metadata": {"name": "tenantc"}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the state folder of the command line; it does not exist yet."""
    monkeypatch.setenv("TENANTRY_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("TENANTRY_KUBECONFIG", raising=False)
    monkeypatch.delenv("QDRANT_URL", raising=False)
    # A platform of the developer can use the fixed port.
    monkeypatch.setenv("TENANTRY_PORT_GATEWAY", str(find_free_port()))
    return tmp_path / "state"


@pytest.fixture
def context(folder: Path) -> Context:
    """Create a platform in the state folder."""
    return Context.open(folder)


class Program:
    """Runs ``tenantry`` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def run(self, *arguments: str) -> int:
        """Run a command and return its exit status."""
        self._monkeypatch.setattr("sys.argv", ["tenantry", *arguments])
        self._monkeypatch.setattr("sys.stdin", io.StringIO(""))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        self.out, self.err = self._capsys.readouterr()
        assert "Traceback" not in self.err
        return int(ended.value.code or 0)


@pytest.fixture
def tenantry(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(monkeypatch, capsys)


def get_state(tenantry: Program, name: str) -> str:
    """Return the state of a part, as ``tenantry status`` shows it."""
    tenantry.run("status")
    (line,) = [line for line in tenantry.out.splitlines() if re.search(rf" {name} ", line)]
    return re.split(r"\s{2,}", line.strip())[1]


@pytest.mark.parametrize(
    "arguments", [["status"], ["status", "--json"], ["logs", "gateway"], ["env"], ["demo"],
                  ["ask", "--as", DIANA, "Why?"]],
)  # fmt: skip
def test_without_a_platform_a_command_prints_how_to_create_one(
    tenantry: Program, folder: Path, arguments: list[str]
) -> None:
    assert tenantry.run(*arguments) == 1
    assert f"There is no platform in {folder}. Create it with `make up`." in tenantry.err
    assert not folder.exists()


@pytest.mark.parametrize(
    ("command", "text"), [("down", "Nothing was running."), ("reset", "There is no platform")]
)
def test_without_a_platform_there_is_nothing_to_stop_or_delete(
    tenantry: Program, folder: Path, command: str, text: str
) -> None:
    assert tenantry.run(command) == 0
    assert text in tenantry.out
    assert not folder.exists()


def test_down_of_a_stopped_platform_prints_that_nothing_was_running(
    tenantry: Program, context: Context
) -> None:
    assert tenantry.run("down") == 0
    assert "Nothing was running." in tenantry.out


def test_env_sets_path_and_kubeconfig_of_a_shell(tenantry: Program, context: Context) -> None:
    assert tenantry.run("env") == 0
    path, config = tenantry.out.splitlines()
    folder = path.removeprefix("export PATH=").removesuffix(':"$PATH"')
    assert (Path(folder) / "kubectl").exists()
    assert config == f"export KUBECONFIG={context.state}/kube/admin.kubeconfig"


def test_status_of_a_stopped_platform_fails(tenantry: Program, context: Context) -> None:
    assert get_state(tenantry, "gateway") == "stopped"
    assert tenantry.run("status") == 1


def test_a_part_that_is_being_built_is_building(
    tenantry: Program, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, finish = threading.Event(), threading.Event()

    def prepare(_: Gateway) -> None:
        started.set()
        finish.wait(30)
        raise LocalError("the build failed")

    def bring_up() -> None:
        with suppress(LocalError):
            Platform(context).start_parts(["gateway"])

    monkeypatch.setattr(Gateway, "prepare", prepare)
    up = threading.Thread(target=bring_up)
    up.start()
    try:
        assert started.wait(30)
        assert get_state(tenantry, "gateway") == "building"
    finally:
        finish.set()
        up.join()
    assert get_state(tenantry, "gateway") == "stopped", "the command that built the part has ended"


@contextmanager
def run_gateway(context: Context, *argv: str) -> Iterator[None]:
    processes = Processes(context.state)
    processes.start("gateway", argv or ["sleep", "600"], {})
    try:
        yield
    finally:
        processes.stop("gateway")


def test_a_running_part_without_an_answer_is_not_answering(tenantry: Program, context: Context) -> None:
    with run_gateway(context):
        assert get_state(tenantry, "gateway") == "not answering"


def test_a_busy_part_that_answers_the_second_check_is_up(
    tenantry: Program, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(Gateway, "is_healthy", lambda _: next(answers, True))
    with run_gateway(context):
        assert get_state(tenantry, "gateway") == "up"


def test_a_part_that_has_ended_is_exited(tenantry: Program, context: Context) -> None:
    with run_gateway(context, "true"):
        deadline = time.monotonic() + 10
        while Processes(context.state).find("gateway") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert get_state(tenantry, "gateway") == "exited"


def test_status_as_json_has_every_part(tenantry: Program, context: Context) -> None:
    assert tenantry.run("status", "--json") == 1
    parts = {part["name"]: part for part in json.loads(tenantry.out)["parts"]}
    assert parts["bedrock"] == {
        "name": "bedrock",
        "state": "stopped",
        "description": "Bedrock's API",
        "standIn": True,
        "version": parts["gateway"]["version"],
        "url": context.build_url("bedrock"),
    }


def test_status_shows_secrets_only_on_request(tenantry: Program, context: Context) -> None:
    def list_shown() -> set[str]:
        return {name for name, secret in context.secrets.items() if secret in tenantry.out}

    tenantry.run("status")
    assert not list_shown()
    tenantry.run("status", "--secrets")
    assert list_shown() == {"keycloak-admin", "people"}
    assert f"{context.build_url('keycloak')}/admin/" in tenantry.out
    tenantry.run("status", "--secrets", "--json")
    assert {login["user"] for login in json.loads(tenantry.out)["logins"]} >= {"admin"}


def test_logins_of_open_webui_and_n8n_are_shown_if_they_were_started(
    tenantry: Program, context: Context
) -> None:
    for name in ("open-webui", "n8n"):
        Processes(context.state).start(name, ["true"], {})
    tenantry.run("status", "--secrets")
    for name in ("open-webui-admin", "n8n-owner"):
        assert context.secrets[name] in tenantry.out, name
    assert "owner@tenantry.example" in tenantry.out
    assert f"{context.build_url('open-webui')}/auth?form=true" in tenantry.out


def run_on_terminal(columns: int, *arguments: str) -> str:
    """Run ``tenantry`` on a terminal and return its output without colours."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    with subprocess.Popen([TENANTRY, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=env):
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # the program has closed the terminal
            pass
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.decode())


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_urls_are_whole_on_a_terminal(context: Context, columns: int) -> None:
    shown = run_on_terminal(columns, "status", "--secrets")
    for part in Platform(context).parts.values():
        if not part.name.startswith(("n8n", "open-webui", "file-sync")):
            assert part.url in shown, part.name
    assert f"{context.build_url('keycloak')}/admin/" in shown
    assert context.secrets["people"] in shown


def test_urls_are_whole_in_a_pipe(
    tenantry: Program, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    tenantry.run("status")
    assert f"postgresql://postgres@127.0.0.1:{context.ports['postgres']}" in tenantry.out


def test_the_log_of_an_unknown_part_is_an_error_with_the_names(tenantry: Program, context: Context) -> None:
    assert tenantry.run("logs", "postgre") == 1
    assert "There is no part postgre. The parts are etcd, kubernetes" in tenantry.err


@pytest.mark.parametrize(("name", "command"), [("gateway", "`make up`"), ("n8n-worker", "`make up-all`")])
def test_a_part_without_a_log_is_an_error_with_the_command_that_starts_it(
    tenantry: Program, context: Context, name: str, command: str
) -> None:
    assert tenantry.run("logs", name) == 1
    assert f"{name} has no log yet" in tenantry.err
    assert command in tenantry.err


def test_a_part_that_is_being_started_is_not_reported_as_never_started(
    tenantry: Program, context: Context
) -> None:
    Platform(context)  # creates the folders of the state
    with StartupRecords(context.state).record("gateway") as enter:
        enter(PartState.STARTING)
        assert tenantry.run("logs", "gateway") == 1
    assert "it is being started" in tenantry.err


def test_an_external_part_has_no_log(
    tenantry: Program, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_URL", "http://127.0.0.1:9")
    assert tenantry.run("logs", "qdrant") == 1
    assert "external server" in tenantry.err


def test_a_log_is_printed(tenantry: Program, context: Context) -> None:
    Processes(context.state).get_log_path("gateway").write_text("one\ntwo\n")
    assert tenantry.run("logs", "gateway") == 0
    assert tenantry.out == "one\ntwo\n"


RESTORE_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def run_interruptible(*argv: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program that Ctrl-C ends, even if the tests run in the background, where SIGINT is ignored."""
    restored = [sys.executable, "-c", RESTORE_SIGINT, *argv]
    with subprocess.Popen(restored, stdout=-1, stderr=-1, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


def test_a_log_that_is_followed_ends_with_ctrl_c(context: Context) -> None:
    Processes(context.state).get_log_path("gateway").write_text("one\n")
    with run_interruptible(TENANTRY, "logs", "-f", "gateway") as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "one\n"
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (130, "")


NEVER_HEALTHY = """
import sys
from tenantry_local import cli, platform
from tenantry_local.part import Command
from tenantry_local.parts.services import Gateway

class NeverHealthy(Gateway):
    depends_on = ()
    start_timeout = 600.0
    def build_command(self):
        print("started", flush=True)
        return Command(["sleep", "600"])
    def is_healthy(self):
        return False

platform.make_parts = lambda context: [NeverHealthy(context)]
sys.argv = ["tenantry", "up"]
cli.main()
"""


def test_ctrl_c_stops_up_and_prints_how_to_continue(context: Context) -> None:
    with run_interruptible(sys.executable, "-c", NEVER_HEALTHY) as program:
        try:
            assert program.stdout is not None
            while "started" not in program.stdout.readline():
                pass
            program.send_signal(signal.SIGINT)
            _, err = program.communicate(timeout=30)
        finally:
            Processes(context.state).stop("gateway")
    assert program.returncode == 130
    assert "`make up` continues, `make down` stops them" in err
    assert "Traceback" not in err


def test_the_version_is_that_of_the_commit(tenantry: Program) -> None:
    assert tenantry.run("--version") == 0
    assert re.fullmatch(r"tenantry \d+\.\d+\.\d+\S*\n", tenantry.out)


@pytest.mark.parametrize("value", ["abc", "0", "65536", "-1", ""])
def test_a_port_variable_that_is_no_port_is_an_error_with_its_name(
    tenantry: Program, context: Context, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("TENANTRY_PORT_OPEN_WEBUI", value)
    assert tenantry.run("status") == 1
    assert f"TENANTRY_PORT_OPEN_WEBUI is {value!r}. Set it to a port number" in tenantry.err


def test_reset_deletes_the_state(tenantry: Program, context: Context) -> None:
    assert tenantry.run("reset", "--yes") == 0
    assert not context.state.exists()


def test_reset_asks_first(tenantry: Program, context: Context) -> None:
    assert tenantry.run("reset") == 1
    assert context.state.exists()


@pytest.fixture
def gateway(context: Context) -> Iterator[respx.Route]:
    """Mock Keycloak and the gateway; return the gateway's route for answers."""
    keycloak = f"{context.build_url('keycloak')}/realms/tenantry/protocol/openid-connect/token"
    with respx.mock(assert_all_called=False) as mock:
        mock.post(keycloak).respond(json={"access_token": "a.b.c"})
        yield mock.post(f"{context.build_url('gateway')}/v1/answers")


ANSWER = {
    "answer": "It is $5,000,000. [cite:1]",
    "citations": [{"marker": "cite:1", "filename": "plan.pdf", "page": 2, "snippet": "word " * 40}],
}


def test_an_answer_is_printed_with_its_sources(
    tenantry: Program, gateway: respx.Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    gateway.respond(json=ANSWER)
    assert tenantry.run("ask", "--as", DIANA, "How much?") == 0
    assert tenantry.out.splitlines() == [
        "  It is $5,000,000. [cite:1]",
        f"  [cite:1] plan.pdf, page 2: {' '.join(['word'] * 40)}",
    ]


def test_json_output_is_the_response_of_the_gateway(tenantry: Program, gateway: respx.Route) -> None:
    gateway.respond(json=ANSWER)
    assert tenantry.run("ask", "--as", DIANA, "--json", "How much?") == 0
    assert json.loads(tenantry.out) == ANSWER


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_an_error_with_an_example(
    tenantry: Program, gateway: respx.Route, question: str
) -> None:
    assert tenantry.run("ask", "--as", DIANA, question) == 1
    assert "The question is empty. Write it in quotes: tenantry ask --as" in tenantry.err
    assert not gateway.called


def make_problem(title: str, **members: Any) -> dict[str, Any]:
    return {"title": title, "detail": "See `errors`.", **members}


def test_a_question_that_is_too_long_is_an_error_with_both_lengths(
    tenantry: Program, gateway: respx.Route
) -> None:
    error = {"location": ["body", "question"], "reason": "String should have at most 4000 characters"}
    gateway.respond(422, json=make_problem("The request is malformed", errors=[error]))
    assert tenantry.run("ask", "--as", DIANA, "x" * 4001) == 1
    assert "The question has 4001 characters. Shorten it to 4000." in tenantry.err
    assert "errors" not in tenantry.err


def test_an_invalid_persona_is_an_error_with_the_option(tenantry: Program, gateway: respx.Route) -> None:
    error = {"location": ["body", "personaId"], "reason": "String should have at most 40 characters"}
    gateway.respond(422, json=make_problem("The request is malformed", errors=[error]))
    assert tenantry.run("ask", "--as", DIANA, "--persona", "x" * 41, "Why?") == 1
    assert "--persona: String should have at most 40 characters." in tenantry.err


def test_an_unknown_persona_is_an_error_with_the_known_ones(tenantry: Program, gateway: respx.Route) -> None:
    gateway.respond(404, json=make_problem("There is no such persona", personas=["finance", "hr"]))
    assert tenantry.run("ask", "--as", DIANA, "--persona", "legal", "Why?") == 1
    assert "There is no persona legal. Use --persona with one of finance, hr" in tenantry.err


def test_a_response_without_json_is_an_error_with_its_status(tenantry: Program, gateway: respx.Route) -> None:
    gateway.respond(502, text="<html>")
    assert tenantry.run("ask", "--as", DIANA, "Why?") == 1
    assert "status 502" in tenantry.err


def test_ask_without_a_gateway_prints_how_to_start_it(tenantry: Program, gateway: respx.Route) -> None:
    gateway.mock(side_effect=httpx.ConnectError)
    assert tenantry.run("ask", "--as", DIANA, "Why?") == 1
    assert "make up" in tenantry.err


def test_demo_of_a_stopped_platform_prints_how_to_start_it(tenantry: Program, context: Context) -> None:
    assert tenantry.run("demo") == 1
    assert "The platform is not up: kubernetes is stopped" in tenantry.err
    assert "`make up`" in tenantry.err
    assert "kubectl" not in tenantry.err


class FakeKubectl:
    """Returns a Tenant and records the commands; ``delete`` ends the demo."""

    def __init__(self, tenant: dict[str, Any]) -> None:
        self.tenant = tenant
        self.deleted = 0

    def __call__(self, _: Context, verb: str, *__: str) -> str:
        if verb == "delete":
            self.deleted += 1
            raise KeyboardInterrupt
        return json.dumps(self.tenant)


@pytest.mark.parametrize(
    ("arguments", "annotations", "deleted"),
    [
        pytest.param([], {}, 0, id="of-a-user"),
        pytest.param(["--yes"], {}, 1, id="confirmed"),
        pytest.param([], {"tenantry.io/created-by": "tenantry-demo"}, 1, id="of-the-demo"),
    ],
)
def test_demo_deletes_a_tenant_of_a_user_only_after_a_confirmation(
    tenantry: Program,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    annotations: dict[str, str],
    deleted: int,
) -> None:
    kubectl = FakeKubectl({"metadata": {"name": "tenantc", "annotations": annotations}})
    monkeypatch.setattr(demo, "run_kubectl", kubectl)
    monkeypatch.setattr(Platform, "require_up", lambda *_: None, raising=False)
    monkeypatch.setattr("os._exit", sys.exit)
    assert tenantry.run("demo", *arguments) == (130 if deleted else 1)
    assert kubectl.deleted == deleted
    assert ("the demo did not create it" in tenantry.out) == (not deleted)


def test_a_receipt_is_verified_with_the_platforms_own_key(tenantry: Program, context: Context) -> None:
    counted = Store(store="s3", before={"a": 3}, after={"a": 0}, counted_before="x", counted_after="y")
    receipt = ErasureReceipt(
        tenant=TenantIdentity(id="acme", key="tenant-acme", uid="u"), deletion_requested="x", finished="y",
        stores=[counted],
    )  # fmt: skip
    file = context.state / "receipt.json"
    file.write_text(json.dumps(sign(receipt, read_private_key(receipts.ensure_private_key(context.state)))))
    assert tenantry.run("verify-erasure", str(file)) == 0
    assert "Valid: Tenant acme" in tenantry.out
    file.write_text(file.read_text().replace("acme", "other"))
    assert tenantry.run("verify-erasure", str(file)) == 1
    assert "changed after it was signed" in tenantry.err


def test_a_receipt_that_does_not_exist_is_a_usage_error(tenantry: Program, tmp_path: Path) -> None:
    assert tenantry.run("verify-erasure", str(tmp_path / "missing.json")) == 2
    assert "missing.json" in tenantry.err.replace("\n", "").replace("│", "").replace(" ", "")
