"""``tenantry demo``: a scenario on the running platform, with real tokens and checked results."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import yaml
from rich.console import Console
from rich.markup import escape

from .ask import print_answer, request_answer
from .context import Context
from .demo_users import get_access_token
from .display import make_console
from .existing import open_platform
from .parts.kubernetes import run_kubectl
from .processes import LocalError
from .tenant_data import find_tenant_data

__all__ = ["run_demo"]

DIANA, ALICE, CAROL = "diana.tenantb@gmail.com", "alice.tenanta@gmail.com", "carol.tenantc@gmail.com"
BUDGET_QUESTION = "What is the approved marketing budget for 2026?"
BUDGET = "$5,000,000"
NOTICE_QUESTION = "How long is the notice period of the Lisbon office lease?"

THIRD_TENANT_FOLDER = Path(__file__).parent / "demo" / "third"
MANIFEST = THIRD_TENANT_FOLDER / "tenant.yaml"
REQUIRED_PARTS = ("kubernetes", "keycloak", "gateway", "operator")


def run_demo(
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete an existing Tenant tenantc without asking.")
    ] = False,
) -> None:
    """Ask as two tenants, then create a third Tenant, use it and delete it. Check every result."""
    console, platform = make_console(), open_platform()
    platform.require_up(*REQUIRED_PARTS)
    context = platform.context
    _delete_former_tenant(context, yes=yes)
    try:
        _ask_as_two_tenants(console, context)
        _create_tenant(console, context)
        _use_tenant(console, context)
        _delete_tenant(console, context)
    except KeyboardInterrupt:
        console.print("\nInterrupted. If the Tenant tenantc exists, the next demo deletes it.")
        raise
    console.print("\n[bold green]All results are as expected.[/]")


def _ask_as_two_tenants(console: Console, context: Context) -> None:
    with _print_section(console, "Diana (Tenant B) asks for the budget"):
        answer = _ask_and_print(console, context, DIANA, BUDGET_QUESTION)
        _require(BUDGET in answer["answer"], "the answer contains the amount")
        _require(bool(answer["citations"]), "the answer cites a document")
    with _print_section(console, "Alice (Tenant A) asks the same question"):
        answer = _ask_and_print(console, context, ALICE, BUDGET_QUESTION)
        _require(BUDGET not in str(answer), "the answer contains nothing of Tenant B")
        _require(not answer["citations"], "the answer cites no document")


def _create_tenant(console: Console, context: Context) -> None:
    with _print_section(console, "A platform engineer creates Tenant C"):
        started = time.monotonic()
        console.print(f"  {run_kubectl(context, 'apply', '-f', str(MANIFEST)).strip()}")
        run_kubectl(context, "wait", "--for=condition=Ready", "tenant/tenantc", "--timeout=10s")
        console.print(f"  Ready after {time.monotonic() - started:.2f} s")


def _use_tenant(console: Console, context: Context) -> None:
    with _print_section(console, "Carol (Tenant C) uploads a document and asks about it"):
        _upload(context, CAROL, THIRD_TENANT_FOLDER / "lease.md", "legal")
        answer = _ask_and_print(console, context, CAROL, NOTICE_QUESTION)
        _require("nine months" in answer["answer"], "the answer is from the document")
        answer = _ask_and_print(console, context, DIANA, NOTICE_QUESTION)
        _require(not answer["citations"], "Diana's answer cites no document")


def _delete_tenant(console: Console, context: Context) -> None:
    with _print_section(console, "The platform engineer deletes Tenant C"):
        run_kubectl(context, "delete", "tenant", "tenantc", "--timeout=60s")
        remaining_data = find_tenant_data(context, "tenantc")
        _require(not remaining_data, f"no system holds data of Tenant C (found: {remaining_data})")
        try:
            _ask_and_print(console, context, CAROL, "Is any document left?")
        except LocalError as exc:
            console.print(f"  Carol gets the error: {escape(str(exc))}")
        else:
            raise LocalError("Carol got an answer although her Tenant is deleted.")


def _delete_former_tenant(context: Context, *, yes: bool) -> None:
    """Delete an existing Tenant ``tenantc``; ask the user first unless an earlier demo created it."""
    printed = run_kubectl(context, "get", "tenant", "tenantc", "--ignore-not-found", "-o", "json")
    if not printed.strip():
        return
    if not (yes or _is_created_by_demo(json.loads(printed))):
        typer.confirm(
            "The Tenant tenantc exists, and the demo did not create it.\n"
            "The demo deletes it with all of its documents. Delete it? (--yes does not ask)",
            abort=True,
        )
    run_kubectl(context, "delete", "tenant", "tenantc", "--ignore-not-found", "--timeout=60s")


def _is_created_by_demo(tenant: dict[str, Any]) -> bool:
    """Return True if a Tenant has the annotation of the demo's manifest."""
    annotations = yaml.safe_load(MANIFEST.read_text())["metadata"]["annotations"]
    return bool(annotations.items() <= tenant["metadata"].get("annotations", {}).items())


@contextmanager
def _print_section(console: Console, title: str) -> Iterator[None]:
    console.print(f"\n[bold]{title}[/]")
    yield
    console.print("  [green]as expected[/]")


def _ask_and_print(console: Console, context: Context, user: str, question: str) -> dict[str, Any]:
    console.print(f"  [dim]{user}:[/] {question}")
    answer = request_answer(context, get_access_token(context, user), question)
    print_answer(console, answer)
    return answer


def _upload(context: Context, user: str, document: Path, persona: str) -> None:
    try:
        response = httpx.post(
            f"{context.build_url('gateway')}/v1/documents",
            files={"file": (document.name, document.read_bytes())},
            data={"personaId": persona},
            headers={"Authorization": f"Bearer {get_access_token(context, user)}"},
            timeout=60,
        )
    except httpx.TransportError as exc:
        raise LocalError(f"The gateway does not answer the upload of {document.name}: {exc}") from exc
    if response.is_error:
        raise LocalError(f"The upload of {document.name} failed: {response.text}")


def _require(condition: bool, expectation: str) -> None:  # noqa: FBT001 (reads as a sentence)
    if not condition:
        raise LocalError(f"A result is not as expected: {expectation}.")
