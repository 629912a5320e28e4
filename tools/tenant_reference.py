"""Generator of docs/reference/tenant.md from the resource's definition and the operator's parts."""

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import yaml
from tenant_operator.conditions import build_condition_type
from tenant_operator.context import Clients, build_parts
from tenant_operator.disabled_part import DisabledPart

from .wrap import wrap

__all__ = ["PAGE", "render"]

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "reference" / "tenant.md"
DEFINITION = REPOSITORY / "crds" / "tenants.tenantry.io.yaml"

HEAD = """# The Tenant resource

*This page is generated from the resource's definition (`make reference`).*

{summary}

`kubectl explain tenant.spec` prints the same text. `kubectl get tenants -o wide` lists them.
"""

STATUS = """Only the operator writes the status. [Conditions](conditions.md) explains `conditions`.
"""

PARTS = """## Parts

Each part of the operator keeps one concern of a tenant. Its condition is in `status.conditions`, its section
is `status.{name}`. The last column lists what stays under `deletionPolicy: Retain`. [Add a
part](../how-to/add-a-part.md) describes how to write one.

| part | condition | task | section | retained |
|---|---|---|---|---|"""

VALIDATION = """## Validation rules

The API server validates a manifest when it is applied, and reports every error with the path of its field. In
addition to types, bounds and duplicates, these rules apply:

| field | message |
|---|---|"""

PROTECTION = """
## Protection from deletion

A Tenant with the annotation `tenantry.io/protect: "true"` (or any value but `"false"`) cannot be deleted.
Remove the annotation first: `kubectl annotate tenant NAME tenantry.io/protect-`. The definition has the
same annotation, because its deletion would delete every Tenant.
"""

KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def render() -> str:
    """Return the page."""
    definition = yaml.safe_load(DEFINITION.read_text())["spec"]
    (version,) = definition["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    kind = f"`{definition['group']}/{version['name']}`, kind `{definition['names']['kind']}`, cluster-scoped."
    head = HEAD.format(summary=wrap(f"{kind} {schema['description']}"))
    rows = [f"| `{path}` | {_escape_cell(message)} |" for path, message in dict.fromkeys(_list_rules(schema))]
    spec, status = schema["properties"]["spec"], schema["properties"]["status"]
    return "\n".join(
        [
            head,
            *_render_sections(spec, "spec"),
            *_render_sections(status, "status", STATUS),
            PARTS,
            *_render_parts(),
            "",
            VALIDATION,
            *rows,
            PROTECTION,
        ]
    )


def _render_parts() -> Iterator[str]:
    """Yield a row for each part that the operator builds."""
    for part in build_parts(Clients(**{field.name: Mock() for field in fields(Clients)})):
        if isinstance(part, DisabledPart):
            continue
        summary = str(type(part).__doc__).splitlines()[0]
        section = "yes" if part.section else "no"
        retained = ", ".join(part.retained) or "nothing"
        condition = build_condition_type(part.name)
        yield f"| `{part.name}` | `{condition}` | {_escape_cell(summary)} | {section} | {retained} |"


def _render_sections(schema: dict[str, Any], path: str, note: str = "") -> Iterator[str]:
    """Yield a section of the page for an object, then a section for each nested object."""
    yield f"## {path}\n\n{wrap(schema['description'])}\n{note}"
    yield "| field | type | meaning |\n|---|---|---|"
    for name, field in schema["properties"].items():
        yield f"| `{name}` | {_format_type(field)} | {_escape_cell(field['description'])} |"
    yield ""
    for name, field in schema["properties"].items():
        inner, suffix = (field["items"], "[]") if "items" in field else (field, "")
        if "properties" in inner:
            yield from _render_sections(
                {**inner, "description": field["description"]}, f"{path}.{name}{suffix}"
            )


def _format_type(field: dict[str, Any]) -> str:
    if field["type"] == "array":
        return f"list of {'objects' if 'properties' in field['items'] else 'text'}"
    if "enum" in field:
        return " or ".join(f"`{choice}`" for choice in field["enum"])
    kind = KINDS.get(field["type"], "object")
    match field.get("minimum"), field.get("maximum"):
        case None, None:
            return kind
        case minimum, None:
            return f"{kind}, {minimum:,} or more"
        case minimum, maximum:
            return f"{kind}, {minimum:,} to {maximum:,}"


def _list_rules(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the field and the message of each rule."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield (path + rule.get("fieldPath", "")).lstrip("."), rule["message"]
    for name, field in schema.get("properties", {}).items():
        yield from _list_rules(field, f"{path}.{name}")
    if "items" in schema:
        yield from _list_rules(schema["items"], f"{path}[]")


def _escape_cell(text: str) -> str:
    """Return text escaped for a table's cell."""
    return text.replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
