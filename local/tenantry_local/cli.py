"""Command line of the local platform: ``tenantry``."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from tenancy.receipts import ReceiptInvalid, verify_file

from . import ask, demo, receipts, samples
from .context import REPOSITORY, Context, get_state_folder
from .display import Progress, make_console, print_logins, print_statuses, serialize_statuses
from .existing import has_platform, open_platform
from .logins import list_logins
from .parts import OPTIONAL_PARTS
from .parts.kubernetes import get_kubeconfig
from .platform import Platform
from .processes import LocalError
from .programs import helm

__all__ = ["main"]

INTERRUPTED_EXIT_CODE = 130
"""Exit status after Ctrl-C, as shells report it."""

NEXT_COMMANDS = (
    ("make demo", "run the demo and check its results"),
    (
        '.venv/bin/tenantry ask --as diana.tenantb@gmail.com "What is the marketing budget?"',
        "ask as a demo user",
    ),
    ('eval "$(.venv/bin/tenantry env)"', "use kubectl with this cluster"),
    ("kubectl get tenants -o wide", "list the Tenants"),
    ("kubectl apply -f docs/examples/tenant.yaml", "create a Tenant"),
    (".venv/bin/tenantry status --secrets", "show logins and passwords"),
    ("make down", "stop; the data is kept"),
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they can contain passwords
    help="Run Tenantry on this machine.",
)


def _print_version(requested: bool) -> None:  # noqa: FBT001 (Typer's callback)
    if requested:
        argv = [sys.executable, "-m", "tools.version"]
        version = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        typer.echo(f"tenantry {version.strip()}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run Tenantry on this machine."""


@app.command()
def up(
    *,
    all_parts: Annotated[
        bool, typer.Option("--all", help="Also start Open WebUI, n8n and file-sync.")
    ] = False,
) -> None:
    """Start all parts, apply the demo Tenants and ingest their sample documents."""
    started, console = time.monotonic(), make_console()
    try:
        with Progress(console) as progress:
            all_parts = all_parts or (has_platform() and open_platform().is_optional_part_running())
            platform = Platform(Context.open(get_state_folder(), all_parts=all_parts, report=progress.report))
            platform.start_parts()
            samples.apply(platform.context)
    except KeyboardInterrupt:
        _print_error("Interrupted. Started parts keep running: `make up` continues, `make down` stops them.")
        raise
    print_statuses(console, platform.get_statuses())
    console.print(f"Up in {time.monotonic() - started:.0f} s. Next commands:\n")
    for line, meaning in NEXT_COMMANDS:
        console.print(f"  [bold]{line}[/]  [dim]# {meaning}[/]", soft_wrap=True, highlight=False)


@app.command()
def prepare(
    *, all_parts: Annotated[bool, typer.Option("--all", help="Also prepare Open WebUI and n8n.")] = False
) -> None:
    """Download and build everything that a platform and the tests need. Start nothing."""
    with (
        tempfile.TemporaryDirectory(prefix="tenantry-prepare-", ignore_cleanup_errors=True) as folder,
        Progress(make_console()) as progress,
    ):
        helm.install(lambda text: progress.report("helm", text))
        Platform.open_ephemeral(Path(folder), progress.report, all_parts=all_parts).prepare()


@app.command()
def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Also print logins with their passwords.")
    ] = False,
) -> None:
    """Show the state, version and URL of each part. The exit status is 1 unless all are up."""
    platform = open_platform()
    statuses = platform.get_statuses()
    logins = (
        list_logins(platform.context, [part_status.part.name for part_status in statuses]) if secrets else []
    )
    if as_json:
        document: dict[str, Any] = {"parts": serialize_statuses(statuses)}
        if secrets:
            document["logins"] = [asdict(login) for login in logins]
        typer.echo(json.dumps(document, indent=2))
    else:
        print_statuses(make_console(), statuses)
        if secrets:
            print_logins(make_console(), logins)
    if not all(part_status.healthy for part_status in statuses):
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="Name of a part, as `tenantry status` shows it.")],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new lines.")] = False,
) -> None:
    """Print the log of a part."""
    platform = open_platform()
    part = platform.parts.get(name)
    if part is None:
        raise LocalError(f"There is no part {name}. The parts are {', '.join(platform.parts)}.")
    if not part.managed:
        raise LocalError(f"{name} is an external server, so its log is not here.")
    path = platform.processes.get_log_path(name)
    if not path.exists():
        if platform.is_starting(name):
            raise LocalError(
                f"{name} has no log yet, because it is being started. Try again in a few seconds."
            )
        command = "make up-all" if type(part) in OPTIONAL_PARTS else "make up"
        raise LocalError(f"{name} has no log yet, because it was never started. Start it with `{command}`.")
    _print_log(path, follow=follow)


@app.command()
def down() -> None:
    """Stop all parts. Their data is kept."""
    console, stopped = make_console(), []
    if has_platform():
        with Progress(console) as progress:
            stopped = Platform(
                Context.open(get_state_folder(), all_parts=True, report=progress.report)
            ).stop_all()
    console.print(f"Stopped {', '.join(stopped)}. The data is kept." if stopped else "Nothing was running.")


@app.command()
def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop all parts and delete all data."""
    state = get_state_folder()
    if not has_platform():
        make_console().print(f"There is no platform in {state}.")
        return
    if not yes:
        typer.confirm(f"Delete all Tenants and documents in {state}? (--yes does not ask)", abort=True)
    open_platform().stop_all()
    shutil.rmtree(state)
    make_console().print("All data is deleted.")


@app.command()
def env() -> None:
    """Print shell commands that put kubectl on the PATH and select the cluster."""
    context = open_platform().context
    typer.echo(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    typer.echo(f"export KUBECONFIG={shlex.quote(str(get_kubeconfig(context, 'admin')))}")


@app.command(name="verify-erasure")
def verify_erasure(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="The erasure receipt, as stored in the bucket."),
    ],
    *,
    public_key: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Public key as a PEM file; by default this platform's."
        ),
    ] = None,
) -> None:
    """Verify an erasure receipt with a public key. The exit status is 1 if it is invalid."""
    key = public_key or receipts.ensure_public_key(open_platform().context.state)
    try:
        make_console().print(verify_file(file, key), soft_wrap=True)
    except ReceiptInvalid as exc:
        raise LocalError(str(exc)) from exc


app.command(name="demo")(demo.run_demo)
app.command(name="ask")(ask.ask)


def main() -> None:
    """Run the command line. An error is printed as a sentence, without a traceback."""
    try:
        app(standalone_mode=True)
    except LocalError as exc:
        _print_error(str(exc))
        raise SystemExit(1) from exc
    except SystemExit as exc:
        if exc.code != INTERRUPTED_EXIT_CODE:
            raise
        # Threads can be in a download or a health check for minutes. Ending them loses nothing: installations
        # are atomic, and every started program has a record.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED_EXIT_CODE)


def _print_error(text: str) -> None:
    Console(stderr=True).print(f"[bold red]{escape(text)}[/]", highlight=False, soft_wrap=True)


def _print_log(path: Path, *, follow: bool) -> None:
    with path.open(errors="replace") as file:
        while True:
            for line in file:
                typer.echo(line, nl=False)
            if not follow:
                return
            time.sleep(0.3)
