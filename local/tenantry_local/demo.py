"""``tenantry demo``: the whole story on the running platform, with real tokens, each claim checked."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from .ask import ask_gateway, show
from .context import Context, state_folder
from .leftovers import leftovers
from .parts.kubernetes import kubectl
from .people import access_token
from .processes import LocalError

__all__ = ["play"]

DIANA, ALICE, CAROL = "diana.tenantb@gmail.com", "alice.tenanta@gmail.com", "carol.tenantc@gmail.com"
QUESTION = "What is the approved marketing budget for 2026?"
FIGURE = "$5,000,000"

DEMO = Path(__file__).parent / "demo"
THIRD = DEMO / "third"


def play() -> None:
    """Play the story: Diana's budget, Alice's silence, a third Tenant from birth to nothing."""
    console = Console()
    context = Context.open(state_folder())
    _require_clean(context)
    with _chapter(console, "Diana (Tenant B) asks what the budget is"):
        answer = _ask(console, context, DIANA, QUESTION)
        _must(FIGURE in answer["answer"], "the answer names the figure")
        _must(bool(answer["citations"]), "the answer cites a document")
    with _chapter(console, "Alice (Tenant A) asks the same"):
        answer = _ask(console, context, ALICE, QUESTION)
        _must(FIGURE not in str(answer), "nothing of Tenant B shows")
        _must(not answer["citations"], "nothing is cited")
    with _chapter(console, "A third Tenant is applied"):
        started = time.monotonic()
        console.print(f"  {kubectl(context, 'apply', '-f', str(THIRD / 'tenant.yaml')).strip()}")
        kubectl(context, "wait", "--for=condition=Ready", "tenant/tenantc", "--timeout=10s")
        console.print(f"  Ready after {time.monotonic() - started:.2f} s")
    with _chapter(console, "It gets a document, and Carol gets an answer"):
        _upload(context, CAROL, THIRD / "lease.md", "legal")
        answer = _ask(console, context, CAROL, "How long is the notice period of the Lisbon office lease?")
        _must("nine months" in answer["answer"], "the answer is in the document")
        answer = _ask(console, context, DIANA, "How long is the notice period of the Lisbon office lease?")
        _must(not answer["citations"], "Diana finds nothing of it")
    with _chapter(console, "It is deleted, and nothing of it is left"):
        kubectl(context, "delete", "tenant", "tenantc", "--timeout=60s")
        left = leftovers(context, "tenantc")
        _must(not left, f"nothing is left (found: {left})")
        try:
            _ask(console, context, CAROL, "Anything left?")
        except LocalError as exc:
            console.print(f"  Carol is told: {exc}")
        else:
            raise LocalError("Carol was answered although her tenant is gone")
    console.print("\n[bold green]The story holds.[/]")


def _require_clean(context: Context) -> None:
    """Take away what a demo that was interrupted has left."""
    kubectl(context, "delete", "tenant", "tenantc", "--ignore-not-found", "--timeout=60s")


@contextmanager
def _chapter(console: Console, title: str) -> Iterator[None]:
    console.print(f"\n[bold]{title}[/]")
    yield
    console.print("  [green]as promised[/]")


def _ask(console: Console, context: Context, person: str, question: str) -> dict[str, Any]:
    console.print(f"  [dim]{person}:[/] {question}")
    answer = ask_gateway(context, access_token(context, person), question)
    show(console, answer)
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


def _must(held: bool, promise: str) -> None:  # noqa: FBT001 (reads as a sentence)
    if not held:
        raise LocalError(f"A promise did not hold: {promise}.")
