"""The answer cache in HTTP's own words: ``Cache-Control`` in, ``Cache-Status`` out (RFC 9111, RFC 9211)."""

from typing import Annotated, Any

from fastapi import Depends, Header, Request

from ..answers.cache import Look, Outcome
from ..answers.cached import Reuse

__all__ = ["CACHE_HEADERS", "RequestReuse", "cache_status"]

CACHE_HEADERS: dict[str, Any] = {"Cache-Status": {"$ref": "#/components/headers/Cache-Status"}}
"""What the API's description says of them."""

_STATUS = {Outcome.HIT: "hit", Outcome.MISS: "fwd=miss"}


async def _reuse(
    request: Request,
    _described: Annotated[
        str | None,
        Header(
            alias="Cache-Control",
            description="`no-cache` answers anew, and others may be given that answer; `no-store` answers "
            "anew and forgets it. Other directives are not read.",
            examples=["no-cache"],
        ),
    ] = None,
) -> Reuse:
    said = ",".join(request.headers.getlist("cache-control")).lower()
    directives = {directive.strip() for directive in said.split(",")}
    return next((each for each in (Reuse.FORBIDDEN, Reuse.ANEW) if each.value in directives), Reuse.ALLOWED)


RequestReuse = Annotated[Reuse, Depends(_reuse)]
"""What the request allows."""


def cache_status(look: Look) -> dict[str, str]:
    """Return the header that tells what came of a look into the cache."""
    return {"Cache-Status": f"tenantry-answers; {_STATUS.get(look.outcome, 'fwd=bypass')}"}
