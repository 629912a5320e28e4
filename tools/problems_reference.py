"""Generator of docs/reference/problems.md from the error classes: ``python -m tools.problems_reference``."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.api.responses import build_example
from gateway.problems import list_problem_types
from servicekit.errors import TenantryError
from servicekit.web.errors import list_header_names

from .gateway_reference import describe
from .wrap import wrap

__all__ = ["PAGE", "render"]

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "problems.md"

HEAD = """# Problems

*This page is generated from the code (`make reference`).*

Every error response is a problem document (RFC 9457, `application/problem+json`):

- `type` is stable and meant for programs. Its last part is the heading on this page.
- `detail` is meant for people and may change.
- `status` is the status of the response.
- `instance` is the id of the request, with which platform engineers find the log.

`/v1/models` and `/v1/chat/completions` return the same in OpenAI's format: `error.code` is the last part of
the type, and `error.message` is the detail. An unknown path or method has the type `about:blank`.

Errors of searches and answers also have the headers `RateLimit-Policy` and `RateLimit`.

A request that ended with 409, 429, 503 or 504 may succeed if it is sent again after `Retry-After`. Other
errors persist until their cause is removed.
"""

_NOTES = {
    "indexing-failed": "It is never a response: the list of documents contains it as a document's `problem`.",
    "dimension-mismatch": "It is never a response: the gateway logs it and does not become ready.",
}


def render() -> str:
    """Return the page."""
    rows = [
        f"| {kind.status} | [`{kind.slug}`](#{kind.slug}) | {kind.title} |" for kind in list_problem_types()
    ]
    table = ["| status | type | title |", "|---|---|---|", *rows, ""]
    return "\n".join([HEAD, *table, *map(_render_section, list_problem_types())])


def _render_section(kind: type[TenantryError]) -> str:
    headers = ", ".join(f"`{name}`" for name in sorted(list_header_names(kind)))
    return "\n".join(
        [
            f"## {kind.slug}\n",
            f"**{kind.status}** · {kind.title}" + (f" · headers {headers}" if headers else "") + "\n",
            wrap(f"{(kind.__doc__ or '').splitlines()[0]} {_NOTES.get(kind.slug, '')}") + "\n",
            wrap(f"**What to do.** {kind.remedy}") + "\n",
            *_render_operations(kind),
            "``` json",
            json.dumps(build_example(kind), indent=2, ensure_ascii=False),
            "```\n",
        ]
    )


def _render_operations(kind: type[TenantryError]) -> Iterator[str]:
    """Yield the operations that can return a problem."""
    operations = {
        f"`{method.upper()} {path}`": operation
        for path, methods in describe()["paths"].items()
        for method, operation in methods.items()
    }
    names = [
        name
        for name, operation in operations.items()
        for content in operation["responses"].get(str(kind.status), {"content": {}})["content"].values()
        if kind.slug in content["examples"]
    ]
    if names:
        listed = "All" if len(names) == len(operations) else ", ".join(names)
        yield wrap(f"**Operations.** {listed}.") + "\n"


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
