"""Generator of docs/reference/gateway.md from the application: ``python -m tools.gateway_reference``."""

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.app import make_app
from gateway.settings import GatewaySettings
from pydantic import SecretStr

from .wrap import wrap

__all__ = ["PAGE", "describe", "render"]

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "gateway.md"

HEAD = """# The gateway's API

*This page is generated from the code (`make reference`).*

Every call needs `Authorization: Bearer <Keycloak access token>`. `POST /v1/documents` also accepts
`Authorization: Ticket <ticket>` from a service. Only this header determines the tenant; paths, other headers,
queries, fields and file names have no effect on it. Unknown fields are refused.

Responses have `X-Request-ID` (the request's, if it is valid) and `Server-Timing` (milliseconds by stage).
Responses of searches and answers also have `RateLimit-Policy` and `RateLimit` ([Limits and
cost](../limits.md)).
"""


@functools.cache
def describe() -> dict[str, Any]:
    """Return the API's description."""
    return make_app(_SETTINGS).openapi()


def render() -> str:
    """Return the page."""
    document = describe()
    schemas = document["components"]["schemas"]
    routes = [
        _render_operation(method, path, operation, schemas)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return "\n".join([HEAD, *routes]).rstrip() + "\n"


_SETTINGS = GatewaySettings(
    bucket="documents",
    tenant_role_arn="arn:aws:iam::000000000000:role/tenant",
    model_role_arn="arn:aws:iam::000000000000:role/models",
    qdrant_url="http://127.0.0.1:6333",
    qdrant_api_key=SecretStr(""),
    redis_url=SecretStr("redis://127.0.0.1:6379"),
    oidc_issuer="http://127.0.0.1:8080/realms/tenantry",
    ticket_jwks=Path("jwks.json"),
)
"""Example settings to read the application's description; no connection is opened."""


def _render_operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    lines = [f"## {method.upper()} {path}\n", f"{operation['summary']}.\n"]
    for location in ("path", "query", "header"):
        parameters = [parameter for parameter in operation["parameters"] if parameter.get("in") == location]
        if parameters:
            lines += [f"{location.capitalize()}:\n", *map(_render_parameter, parameters), ""]
    body = operation.get("requestBody", {}).get("content", {})
    for media_type, content in body.items():
        lines += [f"Body (`{media_type}`):\n", *_list_fields(content["schema"], schemas), ""]
    rows: list[str] = []
    for status, response in operation["responses"].items():
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        if not status.startswith("2"):
            rows.append(f"| {status} | {', '.join(_list_problems(response))} |")
        elif schema:
            lines += [f"Response ({status}):\n", *_list_fields(schema, schemas), ""]
    return "\n".join([*lines, "| status | [problems](problems.md) |", "|---|---|", *rows, ""])


def _list_problems(response: dict[str, Any]) -> Iterator[str]:
    for content in response["content"].values():
        for slug in content["examples"]:
            yield f"[`{slug}`](problems.md#{slug})"


def _render_parameter(parameter: dict[str, Any]) -> str:
    optional = "" if parameter.get("required") else ", optional"
    text = f"- `{parameter['name']}`: {_format_type(parameter['schema'])}{optional}"
    return wrap(f"{text}. {parameter['description']}", indent="  ") if "description" in parameter else text


def _list_fields(schema: dict[str, Any], schemas: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield a list item for each field, with the path of a nested field."""
    resolved = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for name, field in resolved.get("properties", {}).items():
        optional = "" if name in resolved.get("required", []) else ", optional"
        yield f"- `{prefix}{name}`: {_format_type(field)}{optional}"
        nested = field.get("items", field)
        if "$ref" in nested:
            yield from _list_fields(nested, schemas, f"{prefix}{name}{'[]' if 'items' in field else ''}.")


def _format_type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_format_type(option) for option in field["anyOf"])
    if "$ref" in field:
        return "object"
    kind = str(field.get("type", "object"))
    formats = {"binary": "file", "date": "date", "date-time": "time"}
    return formats.get(field.get("format", ""), kind)


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
