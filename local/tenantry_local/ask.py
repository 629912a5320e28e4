"""``tenantry ask``: answers a question as one of the demo users."""

import json
import re
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape

from .context import Context
from .demo_users import get_access_token
from .display import make_console
from .existing import open_platform
from .processes import LocalError

__all__ = ["ask", "print_answer", "request_answer"]

ANSWER_TIMEOUT_SECONDS = 60

OPTIONS = {"question": "The question", "personaId": "--persona"}
"""Name of the command line argument for each field of the request."""


def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    *,
    user: Annotated[str, typer.Option("--as", metavar="EMAIL", help="E-mail address of a demo user.")],
    persona: Annotated[str, typer.Option(metavar="ID", help="Search only this persona's documents.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the gateway's response as JSON.")] = False,
) -> None:
    """Ask a question as a demo user; print the answer with its sources."""
    if not question.strip():
        raise LocalError(
            "The question is empty. Write it in quotes: "
            'tenantry ask --as diana.tenantb@gmail.com "What is the marketing budget?"'
        )
    context = open_platform().context
    answer = request_answer(context, get_access_token(context, user), question, persona)
    if as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print_answer(make_console(), answer)


def request_answer(context: Context, token: str, question: str, persona: str = "") -> dict[str, Any]:
    """Return the gateway's answer.

    Raises
    ------
    LocalError
        The gateway is unreachable or refused the request; the message says what to change.
    """
    body = {"question": question} | ({"personaId": persona} if persona else {})
    try:
        response = httpx.post(
            f"{context.build_url('gateway')}/v1/answers",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_TIMEOUT_SECONDS,
        )
    except httpx.TransportError as exc:
        raise LocalError("The gateway does not answer. Is the platform up? (make up)") from exc
    try:
        answer: dict[str, Any] = response.json()
    except ValueError as exc:
        raise LocalError(f"The gateway answered with status {response.status_code} and no JSON.") from exc
    if response.is_error:
        raise LocalError(_explain(answer, question, persona))
    return answer


def print_answer(console: Console, answer: dict[str, Any]) -> None:
    """Print an answer and the passages that it cites."""
    console.print(f"  [bold]{escape(answer['answer'])}[/]")
    for citation in answer["citations"]:
        page = f", page {citation['page']}" if citation.get("page") else ""
        source = escape(f"[{citation['marker']}] {citation['filename']}{page}")
        snippet = escape(" ".join(citation["snippet"].split()))
        console.print(f"  [cyan]{source}[/]: [dim]{snippet}[/]")


def _explain(problem: dict[str, Any], question: str, persona: str) -> str:
    """Return a sentence about a problem document that names the arguments of the command line."""
    if problem.get("personas"):
        return (
            f"There is no persona {persona}. "
            f"Use --persona with one of {', '.join(problem['personas'])}, or omit it to search all."
        )
    if errors := problem.get("errors"):
        return "\n".join(_explain_field(error["location"][-1], error["reason"], question) for error in errors)
    return f"{problem.get('title')}: {problem.get('detail')}"


def _explain_field(field: str, reason: str, question: str) -> str:
    limit = re.search(r"at most (\d+) characters", reason)
    if field == "question" and limit:
        return f"The question has {len(question)} characters. Shorten it to {limit[1]}."
    return f"{OPTIONS.get(field, field)}: {reason}."
