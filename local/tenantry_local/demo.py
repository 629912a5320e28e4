"""``tenantry demo``: the whole story on the running platform, with real tokens, each claim checked."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from .ask import print_answer, request_answer
from .context import Context, state_folder
from .demo_users import access_token
from .parts.kubernetes import kubectl
from .processes import LocalError
from .tenant_data import find_tenant_data

__all__ = ["run_demo"]

DIANA, ALICE, CAROL = "diana.tenantb@gmail.com", "alice.tenanta@gmail.com", "carol.tenantc@gmail.com"
QUESTION = "What is the approved marketing budget for 2026?"
FIGURE = "$5,000,000"
NOTICE_QUESTION = "How long is the notice period of the Lisbon office lease?"

DEMO = Path(__file__).parent / "demo"
THIRD = DEMO / "third"


def run_demo() -> None:
    """Play the story: Diana's budget, Alice's silence, a third Tenant from birth to nothing."""
    console = Console()
    context = Context.open(state_folder())
    _require_clean(context)
    with _section(console, "Diana (Tenant B) asks what the budget is"):
        answer = _ask_and_print(console, context, DIANA, QUESTION)
        _require(FIGURE in answer["answer"], "the answer names the figure")
        _require(bool(answer["citations"]), "the answer cites a document")
    with _section(console, "Alice (Tenant A) asks the same"):
        answer = _ask_and_print(console, context, ALICE, QUESTION)
        _require(FIGURE not in str(answer), "nothing of Tenant B shows")
        _require(not answer["citations"], "nothing is cited")
    with _section(console, "A third Tenant is applied"):
        started = time.monotonic()
        console.print(f"  {kubectl(context, 'apply', '-f', str(THIRD / 'tenant.yaml')).strip()}")
        kubectl(context, "wait", "--for=condition=Ready", "tenant/tenantc", "--timeout=10s")
        console.print(f"  Ready after {time.monotonic() - started:.2f} s")
    with _section(console, "It gets a document, and Carol gets an answer"):
        _upload(context, CAROL, THIRD / "lease.md", "legal")
        answer = _ask_and_print(console, context, CAROL, NOTICE_QUESTION)
        _require("nine months" in answer["answer"], "the answer is in the document")
        answer = _ask_and_print(console, context, DIANA, NOTICE_QUESTION)
        _require(not answer["citations"], "Diana finds nothing of it")
    with _section(console, "It is deleted, and nothing of it is left"):
        kubectl(context, "delete", "tenant", "tenantc", "--timeout=60s")
        left = find_tenant_data(context, "tenantc")
        _require(not left, f"nothing is left (found: {left})")
        try:
            _ask_and_print(console, context, CAROL, "Anything left?")
        except LocalError as exc:
            console.print(f"  Carol is told: {exc}")
        else:
            raise LocalError("Carol was answered although her tenant is gone")
    console.print("\n[bold green]The story holds.[/]")


def _require_clean(context: Context) -> None:
    """Take away what a demo that was interrupted has left."""
    kubectl(context, "delete", "tenant", "tenantc", "--ignore-not-found", "--timeout=60s")


@contextmanager
def _section(console: Console, title: str) -> Iterator[None]:
    console.print(f"\n[bold]{title}[/]")
    yield
    console.print("  [green]as promised[/]")


def _ask_and_print(console: Console, context: Context, person: str, question: str) -> dict[str, Any]:
    console.print(f"  [dim]{person}:[/] {question}")
    answer = request_answer(context, access_token(context, person), question)
    print_answer(console, answer)
    return answer


def _upload(context: Context, person: str, document: Path, persona: str) -> None:
    response = httpx.post(
        f"{context.url('gateway')}/v1/documents",
        files={"file": (document.name, document.read_bytes())},
        data={"personaId": persona},
        headers={"Authorization": f"Bearer {access_token(context, person)}"},
        timeout=60,
    )
    if response.is_error:
        raise LocalError(f"cannot upload {document.name}: {response.text}")


def _require(held: bool, promise: str) -> None:  # noqa: FBT001 (reads as a sentence)
    if not held:
        raise LocalError(f"A promise did not hold: {promise}.")
