"""OpenAPI 3.1 description of the API, built from the routes and the shared components."""

import functools
from collections.abc import Iterator
from typing import Any

import pydantic_core
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from ..problems import RateLimited
from .components import HEADERS, PARAMETERS, PERSON, SCHEMAS, SECURITY
from .responses import build_examples

__all__ = ["describe"]

_EVERYWHERE = ("X-Request-ID", "Server-Timing", "Cache-Control", "X-Content-Type-Options")
_COUNTED = ("RateLimit-Policy", "RateLimit")
"""Headers that the rate limit check adds; without Redis the second header is absent."""


def describe(app: FastAPI) -> None:
    """Add the description and its route to an application with all routes."""

    def build_openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                routes=app.routes,
                description="API for a tenant's documents and for answers from them.",
            )
            _complete(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = build_openapi  # type: ignore[method-assign]

    @functools.cache
    def encode_openapi() -> bytes:
        # Cached, because encoding would block other requests for too long.
        return pydantic_core.to_json(build_openapi())

    @app.get("/openapi.json", include_in_schema=False)
    async def get_openapi_json() -> Response:
        return Response(encode_openapi(), media_type="application/json")


def _complete(document: dict[str, Any]) -> None:
    components = document["components"]
    components["schemas"] |= SCHEMAS
    components |= {"headers": HEADERS, "parameters": PARAMETERS, "securitySchemes": SECURITY}
    components["examples"] = build_examples()
    document["security"] = [{PERSON: []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete_operation(operation)


def _complete_operation(operation: dict[str, Any]) -> None:
    own = [_remove_null(parameter) for parameter in operation.get("parameters", [])]
    common = [{"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS]
    operation["parameters"] = [*own, *common]
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _list_headers(operation, own)}
    for response in operation["responses"].values():
        response["headers"] = headers | response.get("headers", {})


def _list_headers(operation: dict[str, Any], parameters: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the header fields that all responses of an operation may have."""
    yield from _EVERYWHERE
    if RateLimited.slug in str(operation["responses"].get("429")):
        yield from _COUNTED
    if any(parameter["name"] == "Idempotency-Key" for parameter in parameters):
        yield "Idempotent-Replayed"


def _remove_null(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter without FastAPI's "or null": it may be omitted, but cannot be null."""
    schema = dict(parameter["schema"])
    for choice in schema.pop("anyOf", []):
        if choice != {"type": "null"}:
            schema |= choice
    return parameter | {"schema": schema}
