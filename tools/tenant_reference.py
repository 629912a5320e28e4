"""Generator of docs/reference/tenant.md from the CRD: ``python -m tools.tenant_reference``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

__all__ = ["PAGE", "render"]

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "reference" / "tenant.md"
DEFINITION = REPOSITORY / "crds" / "tenants.tenantry.io.yaml"

HEAD = """# The Tenant resource

*This page is generated from the resource's definition (`make reference`).*

`{group}/{version}`, kind `{kind}`, cluster-scoped. {description}

`kubectl explain tenant.spec` prints the same text. `kubectl get tenants -o wide` lists the Tenants.
"""

STATUS = """Only the operator writes it. [Conditions](conditions.md) explains `conditions`.
"""

VALIDATION = """## Validation

The API server checks a manifest when it is applied, and returns each error with its field's path. These
rules apply in addition to types, bounds and duplicates:

| field | message |
|---|---|"""

PROTECTION = """
## Protection from deletion

A Tenant with the annotation `tenantry.io/protect: "true"` (or any value but `"false"`) cannot be deleted.
To remove the annotation, run `kubectl annotate tenant NAME tenantry.io/protect-`. The resource's definition
has the same annotation, because its deletion would delete all Tenants.
"""

KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def render() -> str:
    """Return the page."""
    definition = yaml.safe_load(DEFINITION.read_text())["spec"]
    (version,) = definition["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    head = HEAD.format(
        group=definition["group"],
        version=version["name"],
        kind=definition["names"]["kind"],
        description=schema["description"],
    )
    rows = [f"| `{path}` | {_escape_cell(message)} |" for path, message in dict.fromkeys(_list_rules(schema))]
    spec, status = schema["properties"]["spec"], schema["properties"]["status"]
    return "\n".join(
        [
            head,
            *_render_sections(spec, "spec"),
            *_render_sections(status, "status", STATUS),
            VALIDATION,
            *rows,
            PROTECTION,
        ]
    )


def _render_sections(schema: dict[str, Any], path: str, note: str = "") -> Iterator[str]:
    """Yield a section for an object, then one for each object in it."""
    yield f"## {path}\n\n{schema['description']}\n{note}"
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
    """Escape a text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
