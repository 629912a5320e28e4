"""Generator of docs/values.md from the chart's values.yaml: ``python -m tools.values_reference``.

The comment of a value is the line above it and begins with ``# --``, as in helm-docs.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from .chart_schema import CHART

__all__ = ["PAGE", "UndocumentedValue", "render"]

PAGE = Path(__file__).parents[1] / "docs" / "values.md"

HEAD = """# Values of the chart

*This page is generated from `charts/tenantry/values.yaml` (`make reference`).*

Helm refuses unknown keys and values of the wrong type, and names their path. The chart takes the names of
Secrets and no passwords, so `helm get values` prints none.
"""


class UndocumentedValue(Exception):
    """A value has no comment."""


def render() -> str:
    """Return the page.

    Raises
    ------
    UndocumentedValue
        A value has no comment.
    """
    text = (CHART / "values.yaml").read_text()
    lines = text.splitlines()
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101
    sections = []
    for key, node in root.value:
        rows = [
            f"| `{path}` | `{_format_default(value)}` | {_get_comment(lines, at, path)} |"
            for path, value, at in _list_values(key, node, lines, key.value)
        ]
        sections.append(
            "\n".join([f"## {key.value}\n", "| value | default | meaning |", "|---|---|---|", *rows, ""])
        )
    return "\n".join([HEAD, *sections])


def _list_values(
    key: yaml.Node, node: yaml.Node, lines: list[str], path: str
) -> Iterator[tuple[str, yaml.Node, int]]:
    """Yield each documented value: a scalar, a list, or a mapping with a comment."""
    at: int = key.start_mark.line
    if isinstance(node, yaml.MappingNode) and node.value and not lines[at - 1].strip().startswith("# --"):
        for inner, value in node.value:
            yield from _list_values(inner, value, lines, f"{path}.{inner.value}")
    else:
        yield path, node, at


def _get_comment(lines: list[str], at: int, path: str) -> str:
    comment = lines[at - 1].strip()
    if not comment.startswith("# -- "):
        raise UndocumentedValue(f"values.yaml has no comment for {path}")
    return comment.removeprefix("# -- ")


def _format_default(node: yaml.Node) -> str:
    return json.dumps(yaml.safe_load(yaml.serialize(node)))


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
