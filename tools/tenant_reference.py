"""Writes docs/reference/tenant.md from the resource's definition: ``python -m tools.tenant_reference``."""

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

`kubectl explain tenant.spec` says the same as this page. `kubectl get tenants -o wide` lists them.
"""

STATUS = """The operator alone writes it. [Conditions](conditions.md) explains `conditions`.
"""

REFUSED = """## What is refused, and how

The API server itself checks a manifest when it is applied, and tells every mistake with its field's path.
Beside types, bounds and duplicates:

| field | refused with |
|---|---|"""

PROTECTED = """
## Protection from deletion

A Tenant with the annotation `tenantry.io/protect: "true"` (or any value but `"false"`) is not deleted until
the annotation is gone: `kubectl annotate tenant NAME tenantry.io/protect-`. The definition of the resource
carries the same annotation, because every Tenant would go with it.
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
    rows = [f"| `{path}` | {_cell(message)} |" for path, message in dict.fromkeys(_refusals(schema))]
    spec, status = schema["properties"]["spec"], schema["properties"]["status"]
    return "\n".join(
        [head, *_sections(spec, "spec"), *_sections(status, "status", STATUS), REFUSED, *rows, PROTECTED]
    )


def _sections(schema: dict[str, Any], path: str, note: str = "") -> Iterator[str]:
    """Yield a section for an object, then one for each object in it."""
    yield f"## {path}\n\n{schema['description']}\n{note}"
    yield "| field | is | what |\n|---|---|---|"
    for name, field in schema["properties"].items():
        yield f"| `{name}` | {_kind(field)} | {_cell(field['description'])} |"
    yield ""
    for name, field in schema["properties"].items():
        inner, suffix = (field["items"], "[]") if "items" in field else (field, "")
        if "properties" in inner:
            yield from _sections({**inner, "description": field["description"]}, f"{path}.{name}{suffix}")


def _kind(field: dict[str, Any]) -> str:
    if field["type"] == "array":
        return f"list of {'objects' if 'properties' in field['items'] else 'text'}"
    if "enum" in field:
        return " or ".join(f"`{choice}`" for choice in field["enum"])
    kind = KINDS.get(field["type"], "object")
    match field.get("minimum"), field.get("maximum"):
        case None, None:
            return kind
        case least, None:
            return f"{kind}, {least:,} or more"
        case least, most:
            return f"{kind}, {least:,} to {most:,}"


def _refusals(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each rule's field, and what it says."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield (path + rule.get("fieldPath", "")).lstrip("."), rule["message"]
    for name, field in schema.get("properties", {}).items():
        yield from _refusals(field, f"{path}.{name}")
    if "items" in schema:
        yield from _refusals(schema["items"], f"{path}[]")


def _cell(text: str) -> str:
    """Return text that a table's cell and Markdown leave as it is."""
    return text.replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
