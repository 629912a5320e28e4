"""``tenantry``: the platform from a terminal."""

import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from tenancy.receipts import ReceiptInvalid, verify_file

from . import ask, demo, receipts, samples
from .context import Context, state_folder
from .display import Progress, parts_table
from .parts.kubernetes import kubeconfig
from .platform import Platform
from .processes import LocalError
from .programs import helm

__all__ = ["main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Tenantry on this machine.")
# In a log there is no edge to keep to; 80 columns would fold the URLs.
console = Console(width=None if sys.stdout.isatty() else 120)


@app.command()
def up(
    *, everything: Annotated[bool, typer.Option("--all", help="Open WebUI, n8n and file-sync, too.")] = False
) -> None:
    """Bring every part up, apply the demo Tenants and ingest their sample documents."""
    started = time.monotonic()
    whole = everything or _platform().runs_whole()
    with Progress(console) as progress:
        platform = Platform(Context.open(state_folder(), whole=whole, report=progress.report))
        platform.up()
        samples.apply(platform.context)
    console.print(parts_table(platform.states()))
    console.print(f"Up in {time.monotonic() - started:.0f} s. To go on:\n")
    for line, meaning in _next_lines(platform.context):
        console.print(f"  [bold]{line}[/]  [dim]{meaning}[/]", soft_wrap=True, highlight=False)


@app.command()
def prepare(
    *, everything: Annotated[bool, typer.Option("--all", help="Open WebUI and n8n, too.")] = False
) -> None:
    """Download and build, once, what a platform and the tests need. Nothing is started."""
    with tempfile.TemporaryDirectory(prefix="tenantry-prepare-") as folder, Progress(console) as progress:
        helm.install(lambda text: progress.report("helm", text))
        Platform.ephemeral(Path(folder), progress.report, whole=everything).prepare()


@app.command()
def status() -> None:
    """Show each part: what it is, its version, URL and health."""
    states = _platform().states()
    console.print(parts_table(states))
    if not all(state.healthy for state in states):
        raise typer.Exit(1)


@app.command()
def logs(name: str, *, follow: Annotated[bool, typer.Option("--follow", "-f")] = False) -> None:
    """Print what a part has logged."""
    platform = _platform()
    if name not in platform.parts:
        raise LocalError(f"there is no part {name}; there are {', '.join(platform.parts)}")
    _print_log(platform.processes.log(name), follow=follow)


@app.command()
def down() -> None:
    """Stop what `up` started. Data is kept."""
    with Progress(console) as progress:
        stopped = Platform(Context.open(state_folder(), whole=True, report=progress.report)).down()
    console.print(f"Stopped {', '.join(stopped)}; the data is kept." if stopped else "Nothing was running.")


@app.command()
def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop everything and forget all data."""
    state = state_folder()
    if not yes:
        typer.confirm(f"Forget all Tenants and documents in {state}?", abort=True)
    _platform().down()
    shutil.rmtree(state)
    console.print("Everything is forgotten.")


@app.command()
def env() -> None:
    """Print the lines that give this shell our programs (kubectl among them) and the cluster."""
    context = Context.open(state_folder())
    typer.echo(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    typer.echo(f"export KUBECONFIG={shlex.quote(str(kubeconfig(context, 'admin')))}")


@app.command(name="verify-erasure")
def verify_erasure(
    file: Annotated[Path, typer.Argument(help="The receipt, as it lies in the bucket.")],
    *,
    public_key: Annotated[Path | None, typer.Option(help="PEM file; this platform's own by default.")] = None,
) -> None:
    """Say whether a receipt of erasure holds. Nothing but the public key is needed."""
    try:
        console.print(verify_file(file, public_key or receipts.public_key(state_folder())), soft_wrap=True)
    except ReceiptInvalid as exc:
        raise LocalError(str(exc)) from exc


app.command(name="demo")(demo.run_demo)
app.command(name="ask")(ask.ask)


def main() -> None:
    """Run the command line; a problem is told in a sentence, not in a traceback."""
    try:
        app(standalone_mode=True)
    except LocalError as exc:
        Console(stderr=True).print(f"[bold red]{exc}[/]", highlight=False, soft_wrap=True)
        raise SystemExit(1) from exc


def _platform() -> Platform:
    """Return this checkout's platform with every part that it may have."""
    return Platform(Context.open(state_folder(), whole=True))


def _print_log(path: Path, *, follow: bool) -> None:
    with path.open(errors="replace") as file:
        while True:
            for line in file:
                typer.echo(line, nl=False)
            if not follow:
                return
            time.sleep(0.3)


def _next_lines(context: Context) -> list[tuple[str, str]]:
    return [
        ("make demo", "the whole story, played"),
        (
            '.venv/bin/tenantry ask --as diana.tenantb@gmail.com "What is the marketing budget?"',
            "ask as one of the demo users",
        ),
        (f"export KUBECONFIG={kubeconfig(context, 'admin')}", "then:"),
        (".venv/bin/kubectl get tenants -o wide", "(any kubectl will do)"),
        (".venv/bin/kubectl apply -f docs/examples/tenant.yaml", "a Tenant of your own"),
        ("make down", "stop; the data stays"),
    ]
