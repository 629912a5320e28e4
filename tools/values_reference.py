"""Writes docs/values.md from the chart's values.yaml: ``python -m tools.values_reference``.

A value's comment begins with ``# --`` and stands right above it, as helm-docs has it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from .chart_schema import CHART

__all__ = ["PAGE", "Undocumented", "render"]

PAGE = Path(__file__).parents[1] / "docs" / "values.md"

HEAD = """# Values of the chart

*This page is generated from `charts/tenantry/values.yaml` (`make reference`).*

A key that is not on this page, and a value of the wrong kind, are refused with their path. Secrets are only
named: the chart takes no password, and none is in `helm get values`.
"""


class Undocumented(Exception):
    """A value has no comment."""


def render() -> str:
    """Return the page.

    Raises
    ------
    Undocumented
        A value has no comment that says what it is.
    """
    text = (CHART / "values.yaml").read_text()
    lines = text.splitlines()
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101
    sections = []
    for key, node in root.value:
        rows = [
            f"| `{path}` | `{_default(value)}` | {_comment(lines, at, path)} |"
            for path, value, at in _leaves(key, node, lines, key.value)
        ]
        sections.append(
            "\n".join([f"## {key.value}\n", "| value | default | what |", "|---|---|---|", *rows, ""])
        )
    return "\n".join([HEAD, *sections])


def _leaves(
    key: yaml.Node, node: yaml.Node, lines: list[str], path: str
) -> Iterator[tuple[str, yaml.Node, int]]:
    """Yield what is documented: a scalar, a list, or a mapping that has a comment of its own."""
    at: int = key.start_mark.line
    if isinstance(node, yaml.MappingNode) and node.value and not lines[at - 1].strip().startswith("# --"):
        for inner, value in node.value:
            yield from _leaves(inner, value, lines, f"{path}.{inner.value}")
    else:
        yield path, node, at


def _comment(lines: list[str], at: int, path: str) -> str:
    said = lines[at - 1].strip()
    if not said.startswith("# -- "):
        raise Undocumented(f"values.yaml says nothing about {path}")
    return said.removeprefix("# -- ")


def _default(node: yaml.Node) -> str:
    return json.dumps(yaml.safe_load(yaml.serialize(node)))


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
