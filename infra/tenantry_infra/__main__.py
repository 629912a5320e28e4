"""Commands for the AWS account of an environment: ``python -m tenantry_infra up dev``."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from rich.console import Console
from rich.markup import escape

from .account import AwsAccount
from .chart_values import build_values, list_missing, list_unset
from .cloudformation import StackPhase, StackState
from .cluster_config import build_cluster_config, build_node_pool
from .costs.estimate import estimate_cluster
from .deployment import Deployment
from .display import make_report, print_plan, print_states, print_total
from .environment import Environment, find_environment
from .errors import DeploymentError
from .orphans import check_no_orphans, list_orphans
from .removal import StackRemoval
from .stacks import INFRA, Stack

__all__ = ["main"]

UNLIMITED_WIDTH = 10_000
"""Width without a terminal: lines are never wrapped."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they can contain credentials
    help="Create, show and remove the AWS account's stacks of an environment.",
)
console = Console(width=None if sys.stdout.isatty() else UNLIMITED_WIDTH, highlight=False)

Name = Annotated[str, typer.Argument(help="dev, staging, prod, or the path of an environment's file.")]


@app.command()
def plan(name: Name) -> None:
    """Show what `up` would change. Changes nothing."""
    account = _open_account(name)
    for stack_plan in Deployment(account, make_report(console)).plan():
        print_plan(console, stack_plan)
    _print_orphans(account)
    print_total(console, account.environment)


@app.command()
def up(name: Name) -> None:
    """Create or update all stacks. An interrupted run is continued."""
    account = _open_account(name)
    check_no_orphans(account)
    Deployment(account, make_report(console)).deploy()
    console.print(f"All stacks of {account.environment.name} are up.")
    print_total(console, account.environment)


@app.command()
def values(
    name: Name,
    *,
    file: Annotated[
        Path | None, typer.Option(help="File to write; by default build/values-<environment>.yaml.")
    ] = None,
) -> None:
    """Write the chart's values from the outputs of the stacks."""
    account = _open_account(name)
    environment = account.environment
    outputs = {stack.name: state.outputs for stack, state in _get_states(account).items()}
    file = file or Path("build") / f"values-{environment.name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    built = build_values(environment, outputs)
    file.write_text(
        f"# Written by `make aws-values ENV={environment.name}` from the outputs of its stacks.\n"
        + yaml.safe_dump(built, sort_keys=False)
    )
    console.print(f"Wrote {file}.")
    if missing := list_missing(environment, outputs):
        console.print(f"Not in it, because their stacks do not exist yet: {', '.join(missing)}.")
    if unset := list_unset(environment, built):
        console.print(f"Set these yourself, because no stack determines them: {', '.join(unset)}.")


@app.command()
def cluster(
    name: Name,
    *,
    folder: Annotated[
        Path | None, typer.Option(help="Folder to write to; by default build/aws/<environment>.")
    ] = None,
) -> None:
    """Write eksctl's file of the cluster from the outputs of the stacks, and print the next commands."""
    account = _open_account(name)
    environment = account.environment
    outputs = {stack.name: state.outputs for stack, state in _get_states(account).items()}
    config = build_cluster_config(environment, outputs)
    folder = folder or Path("build") / "aws" / environment.name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "cluster.yaml"
    file.write_text(
        f"# Written by `make aws-cluster ENV={environment.name}` from infra/eksctl/cluster.yaml.\n"
        + yaml.safe_dump(config, sort_keys=False)
    )
    commands = [
        f"eksctl create cluster -f {file} --dry-run",
        f"eksctl create cluster -f {file}",
        f"kubectl apply -f {os.path.relpath(INFRA / 'eksctl' / 'storage-class.yaml')}",
    ]
    if environment.cluster.karpenter_version:
        node_pool = folder / "karpenter.yaml"
        node_pool.write_text(yaml.safe_dump_all(build_node_pool(environment), sort_keys=False))
        commands.append(f"kubectl apply -f {node_pool}")
    console.print(f"Wrote {file}. The cluster costs about {estimate_cluster(environment)}. Create it with:")
    for command in commands:
        console.print(f"  {command}", soft_wrap=True)


@app.command()
def status(name: Name) -> None:
    """Show the state of each stack. The exit status is 1 unless all are up, and no other exists."""
    account = _open_account(name)
    states = _get_states(account)
    print_states(console, states)
    has_orphans = _print_orphans(account)
    if has_orphans or any(state.phase is not StackPhase.READY for state in states.values()):
        raise typer.Exit(1)


@app.command()
def down(
    name: Name,
    *,
    delete_data: Annotated[
        str, typer.Option(help="Also remove stacks with data: repeat the environment's name.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove the stacks. Stacks with data, and those that they need, remain."""
    account = _open_account(name)
    environment = account.environment
    if delete_data not in ("", environment.name):
        raise DeploymentError(f"--delete-data must repeat the environment's name: {environment.name}.")
    check_no_orphans(account)
    removal = StackRemoval(account, make_report(console), delete_data=bool(delete_data))
    removed, kept = removal.list_removed(), removal.list_kept()
    for stack in kept:
        console.print(f"{stack.name:<12} stays: {stack.purpose}")
    if not removed:
        console.print("There is nothing to remove.")
        return
    removal.check_no_cluster()
    if not yes:
        names = ", ".join(stack.name for stack in removed)
        typer.confirm(f"Remove {names} of {environment.name}? (--yes does not ask)", abort=True)
    removal.remove()
    if kept:
        console.print(f"Its data remains. To remove it, too: --delete-data {environment.name}")


def _open_account(name: str) -> AwsAccount:
    """Return the account of an environment, after its identity was printed and checked."""
    environment = Environment.load(find_environment(name))
    account = AwsAccount(environment)
    number, arn = account.identity
    console.print(f"Environment {environment.name}: account {number}, {environment.region}, as {arn}")
    account.check()
    return account


def _get_states(account: AwsAccount) -> dict[Stack, StackState]:
    environment = account.environment
    return {
        stack: account.get_cloudformation(stack).get_state(environment.get_stack_name(stack))
        for stack in environment.stacks
    }


def _print_orphans(account: AwsAccount) -> bool:
    """Print the stacks that the environment's file does not describe; return True if there are any."""
    orphans = list_orphans(account)
    for orphan in orphans:
        console.print(f"{orphan} exists, but the environment's file does not describe it.", soft_wrap=True)
    return bool(orphans)


def main() -> None:
    """Run the command line. An error is printed as sentences, without a traceback."""
    try:
        app(standalone_mode=True)
    except (DeploymentError, BotoCoreError, ClientError) as exc:
        hint = ". Select some, for example with AWS_PROFILE." if isinstance(exc, NoCredentialsError) else ""
        Console(stderr=True).print(f"[bold red]{escape(f'{exc}{hint}')}[/]", highlight=False, soft_wrap=True)
        raise SystemExit(1) from exc


if __name__ == "__main__":
    main()
