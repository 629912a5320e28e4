"""A running emulator of AWS, and the commands for an environment in it."""

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import yaml
from tenantry_infra.__main__ import main
from tenantry_infra.account import AwsAccount
from tenantry_infra.environment import Environment
from tenantry_infra.stacks import INFRA

from tests.support.programs.ports import find_free_port
from tools.version import REPOSITORY

__all__ = [
    "ACCOUNT",
    "DeployedEnvironment",
    "Emulator",
    "create_hosted_zone",
    "make_environment_file",
    "open_account",
    "run_emulator",
    "wait_until_ready",
]

ACCOUNT = "111122223333"
START_SECONDS = 30


@dataclass(frozen=True)
class Emulator:
    """A running emulator.

    Parameters
    ----------
    url
        Its endpoint.
    account
        Account of commands and clients.
    """

    url: str
    account: str = ACCOUNT

    def make_env(self, account: str | None = None) -> dict[str, str]:
        """Return environment variables with credentials; ministack reads the account from the key."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": account or self.account,
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-emulator",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def connect(self, service: str, account: str | None = None, region: str = "us-east-1") -> Any:
        """Return a client of a service."""
        session = boto3.Session(account or self.account, "secret-of-the-emulator", region_name=region)
        return session.client(service, endpoint_url=self.url)  # type: ignore[call-overload]

    def start_command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command as a program; its output is one stream."""
        return subprocess.Popen(
            [sys.executable, "-m", "tenantry_infra", *arguments],
            env={**os.environ, **self.make_env(), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run_command(self, *arguments: str) -> tuple[int, str]:
        """Run a command in this process, which is faster, and return its exit status and its output."""
        output = io.StringIO()
        with (
            mock.patch.dict(os.environ, self.make_env()),
            mock.patch.object(sys, "argv", ["tenantry_infra", *arguments]),
            redirect_stdout(output),
            redirect_stderr(output),
        ):
            try:
                main()
            except SystemExit as exc:
                return int(exc.code or 0), output.getvalue()
        return 0, output.getvalue()


@dataclass(frozen=True)
class DeployedEnvironment:
    """An environment in an emulator.

    Parameters
    ----------
    emulator
        The emulator.
    file
        File of the environment.
    output
        Output of the command that deployed it.
    """

    emulator: Emulator
    file: Path
    output: str

    def connect(self, service: str, region: str = "us-east-1") -> Any:
        """Return a client of a service in the environment's account."""
        return self.emulator.connect(service, region=region)

    def get_outputs(self, stack: str, region: str = "us-east-1") -> dict[str, str]:
        """Return the outputs of a stack."""
        name = f"tenantry-{self.file.stem}-{stack}"
        (found,) = self.connect("cloudformation", region).describe_stacks(StackName=name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}


@contextmanager
def run_emulator() -> Iterator[Emulator]:
    """Run the emulator on a free port."""
    port = find_free_port()
    fixed = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "ERROR"}
    env = {**os.environ, **fixed}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.aws.emulator"],
            cwd=REPOSITORY, env=env, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            emulator = Emulator(f"http://127.0.0.1:{port}")
            wait_until_ready(emulator, process, log)
            yield emulator
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_SECONDS)


def make_environment_file(
    folder: Path,
    name: str = "dev",
    account: str = ACCOUNT,
    fields: Mapping[str, Any] | None = None,
    **parameters: Mapping[str, Any],
) -> Path:
    """Write a copy of an environment with an account, other fields and parameters; return its file."""
    document = yaml.safe_load((INFRA / "environments" / f"{name}.yaml").read_text())
    document |= {"account": account, **(fields or {})}
    for stack, values in parameters.items():
        document["parameters"].setdefault(stack, {}).update(values)
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def create_hosted_zone(emulator: Emulator, domain: str) -> str:
    """Create a hosted zone in Route 53 and return its id."""
    zone = emulator.connect("route53").create_hosted_zone(Name=domain, CallerReference=domain)
    return str(zone["HostedZone"]["Id"]).removeprefix("/hostedzone/")


def open_account(emulator: Emulator, file: Path, monkeypatch: Any) -> AwsAccount:
    """Return the account of an environment in the emulator, for calls in this process."""
    environment = Environment.load(file)
    for name, value in emulator.make_env(environment.account).items():
        monkeypatch.setenv(name, value)
    return AwsAccount(environment)


def wait_until_ready(emulator: Emulator, process: subprocess.Popen[bytes], log: Any) -> None:
    """Wait until an emulator answers.

    Raises
    ------
    RuntimeError
        It ended; the message is its output.
    TimeoutError
        It does not answer.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            emulator.connect("sts").get_caller_identity()
        except Exception:  # noqa: BLE001 (not up yet)
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(log.read().decode()) from None
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the emulator does not start")
