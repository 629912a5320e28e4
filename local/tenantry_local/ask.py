"""``tenantry ask``: a question from the terminal, as one of the people of the realm."""

from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape

from .context import Context, state_folder
from .demo_users import access_token
from .processes import LocalError

__all__ = ["ask", "print_answer", "request_answer"]

ANSWER_SECONDS = 60


def ask(
    question: str,
    *,
    person: Annotated[str, typer.Option("--as", help="E-mail of the person who asks.")],
    persona: Annotated[str, typer.Option(help="Only this persona's documents.")] = "",
) -> None:
    """Ask a question as a chosen person and print the answer with its sources."""
    context = Context.open(state_folder())
    print_answer(Console(), request_answer(context, access_token(context, person), question, persona))


def request_answer(context: Context, token: str, question: str, persona: str = "") -> dict[str, Any]:
    """Return the gateway's answer.

    Raises
    ------
    LocalError
        The gateway refused; the message is its own.
    """
    body = {"question": question} | ({"personaId": persona} if persona else {})
    try:
        response = httpx.post(
            f"{context.url('gateway')}/v1/answers",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_SECONDS,
        )
    except httpx.TransportError as exc:
        raise LocalError("The gateway does not answer. Is the platform up? (make up)") from exc
    answer: dict[str, Any] = response.json()
    if response.is_error:
        raise LocalError(f"{answer['title']}: {answer['detail']}")
    return answer


def print_answer(console: Console, answer: dict[str, Any]) -> None:
    """Print an answer and what it stands on."""
    console.print(f"  [bold]{escape(answer['answer'])}[/]")
    for citation in answer["citations"]:
        page = f", page {citation['page']}" if citation.get("page") else ""
        source = escape(f"[{citation['marker']}] {citation['filename']}{page}")
        snippet = escape(" ".join(citation["snippet"].split()))
        console.print(f"  [cyan]{source}[/]: [dim]{snippet}[/]")
