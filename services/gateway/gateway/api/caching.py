"""HTTP headers of the answer cache: ``Cache-Control`` of requests, ``Cache-Status`` of responses.

See RFC 9111 and RFC 9211.
"""

from typing import Annotated, Any

from fastapi import Depends, Header, Request

from ..answers.cache import CacheLookup, CacheOutcome
from ..answers.cached_service import CachePolicy

__all__ = ["CACHE_HEADERS", "RequestCachePolicy", "build_cache_status"]

CACHE_HEADERS: dict[str, Any] = {"Cache-Status": {"$ref": "#/components/headers/Cache-Status"}}
"""Headers of an operation with cached answers, in the API's description."""

_STATUS = {CacheOutcome.HIT: "hit", CacheOutcome.MISS: "fwd=miss"}


async def _parse_cache_policy(
    request: Request,
    _described: Annotated[
        str | None,
        Header(
            alias="Cache-Control",
            description="`no-cache` generates a new answer and caches it; `no-store` generates a new answer "
            "and does not cache it. Other directives are ignored.",
            examples=["no-cache"],
        ),
    ] = None,
) -> CachePolicy:
    values = ",".join(request.headers.getlist("cache-control")).lower()
    directives = {directive.strip() for directive in values.split(",")}
    return next(
        (policy for policy in (CachePolicy.NO_STORE, CachePolicy.REFRESH) if policy.value in directives),
        CachePolicy.DEFAULT,
    )


RequestCachePolicy = Annotated[CachePolicy, Depends(_parse_cache_policy)]
"""Use of the cache that the request allows."""


def build_cache_status(lookup: CacheLookup) -> dict[str, str]:
    """Return the header that reports the outcome of a cache lookup."""
    return {"Cache-Status": f"tenantry-answers; {_STATUS.get(lookup.outcome, 'fwd=bypass')}"}
