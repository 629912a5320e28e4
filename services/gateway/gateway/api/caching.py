"""The answer cache in HTTP's own words: ``Cache-Control`` in, ``Cache-Status`` out (RFC 9111, RFC 9211)."""

from typing import Annotated, Any

from fastapi import Depends, Header, Request

from ..answers.cache import CacheLookup, CacheOutcome
from ..answers.cached_service import CachePolicy

__all__ = ["CACHE_HEADERS", "RequestCachePolicy", "cache_status"]

CACHE_HEADERS: dict[str, Any] = {"Cache-Status": {"$ref": "#/components/headers/Cache-Status"}}
"""What the API's description says of them."""

_STATUS = {CacheOutcome.HIT: "hit", CacheOutcome.MISS: "fwd=miss"}


async def _cache_policy(
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
) -> CachePolicy:
    said = ",".join(request.headers.getlist("cache-control")).lower()
    directives = {directive.strip() for directive in said.split(",")}
    return next(
        (each for each in (CachePolicy.NO_STORE, CachePolicy.REFRESH) if each.value in directives),
        CachePolicy.DEFAULT,
    )


RequestCachePolicy = Annotated[CachePolicy, Depends(_cache_policy)]
"""What the request allows."""


def cache_status(lookup: CacheLookup) -> dict[str, str]:
    """Return the header that tells what came of a look into the cache."""
    return {"Cache-Status": f"tenantry-answers; {_STATUS.get(lookup.outcome, 'fwd=bypass')}"}
