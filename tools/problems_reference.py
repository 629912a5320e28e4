"""Writes docs/reference/problems.md from the classes of errors: ``python -m tools.problems_reference``."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.api.responses import example
from gateway.problems import list_problem_types
from servicekit.errors import TenantryError
from servicekit.web.errors import headers_of

from .gateway_reference import describe

__all__ = ["PAGE", "render"]

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "problems.md"

HEAD = """# Problems

*This page is generated from the code (`make reference`).*

Whatever goes wrong is answered with a problem document (RFC 9457, `application/problem+json`). Its `type` is
stable and meant for programs; its last part is the heading here. `detail` is for people and may change,
`status` is the response's, and `instance` is the request's id, by which operators find the log. Where
OpenAI's interface is spoken (`/v1/models`, `/v1/chat/completions`) the same stands in OpenAI's shape:
`error.code` is the last part of the type, `error.message` the detail. What HTTP itself knows, a path that
does not exist or a method that it does not have, has the type `about:blank`.

Where queries are counted (searches and answers), `RateLimit-Policy` and `RateLimit` stand on errors as well.

Sent again, a request that ended with 409, 429, 503 or 504 may pass: not before `Retry-After`, where there is
one. The others end the same way until something is changed.
"""

_ELSEWHERE = {
    "indexing-failed": "Never an answer of its own: it stands as `problem` at a document in the list.",
    "dimension-mismatch": "Never an answer: the gateway says so when it starts, and does not become ready.",
}


def render() -> str:
    """Return the page."""
    rows = [
        f"| {kind.status} | [`{kind.slug}`](#{kind.slug}) | {kind.title} |" for kind in list_problem_types()
    ]
    table = ["| status | type | title |", "|---|---|---|", *rows, ""]
    return "\n".join([HEAD, *table, *map(_section, list_problem_types())])


def _section(kind: type[TenantryError]) -> str:
    headers = ", ".join(f"`{name}`" for name in sorted(headers_of(kind)))
    return "\n".join(
        [
            f"## {kind.slug}\n",
            f"**{kind.status}** · {kind.title}" + (f" · comes with {headers}" if headers else "") + "\n",
            f"{(kind.__doc__ or '').splitlines()[0]} {_ELSEWHERE.get(kind.slug, '')}".rstrip() + "\n",
            f"**What to do.** {kind.remedy}\n",
            *_where(kind),
            "``` json",
            json.dumps(example(kind), indent=2, ensure_ascii=False),
            "```\n",
        ]
    )


def _where(kind: type[TenantryError]) -> Iterator[str]:
    """Yield which operations may answer so."""
    operations = {
        f"`{method.upper()} {path}`": operation
        for path, methods in describe()["paths"].items()
        for method, operation in methods.items()
    }
    found = [
        name
        for name, operation in operations.items()
        for content in operation["responses"].get(str(kind.status), {"content": {}})["content"].values()
        if kind.slug in content["examples"]
    ]
    if found:
        yield f"**Where.** {'Everywhere' if len(found) == len(operations) else ', '.join(found)}.\n"


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
