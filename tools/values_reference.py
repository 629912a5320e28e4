"""Generator of docs/values.md from the chart's values.yaml: ``python -m tools.values_reference``.

The comment of a value is the line above it and begins with ``# --``, as in helm-docs. The fields of pods have
comments in their first section only, and one table on the page.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import yaml

from .chart_pods import POD_FIELDS
from .chart_schema import CHART

__all__ = ["PAGE", "UndocumentedValue", "render"]

PAGE = Path(__file__).parents[1] / "docs" / "values.md"

HEAD = """# Values of the chart

*This page is generated from `charts/tenantry/values.yaml` (`make reference`).*

Helm refuses unknown keys and values of the wrong type, and names their path. The chart takes the names of
Secrets and no passwords, so `helm get values` prints none.
"""

DOCUMENTED_PODS = "operator"
"""Section of values.yaml with the comments of the fields that all sections of pods have."""


class UndocumentedValue(Exception):
    """A value has no comment."""


@dataclass(frozen=True)
class Value:
    """A documented value: a scalar, a list, or a mapping with a comment.

    Parameters
    ----------
    path
        Keys, separated by dots.
    default
        Its default.
    line
        Number of its line in values.yaml, from 0.
    """

    path: str
    default: yaml.Node
    line: int

    @property
    def pods(self) -> str:
        """Return the section of pods of which this is a field, or an empty text."""
        section, _, key = self.path.rpartition(".")
        return section if key in POD_FIELDS and section != "global" else ""


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
    values = {key.value: list(_list_values(key, node, lines, key.value)) for key, node in root.value}
    fields = [value for value in values[DOCUMENTED_PODS] if value.pods == DOCUMENTED_PODS]
    rows = [_format_row(value, lines, value.path.removeprefix(f"{DOCUMENTED_PODS}.")) for value in fields]
    tables = [_format_table(section, _iter_rows(found, lines)) for section, found in values.items()]
    return "\n".join([HEAD, *tables, _format_table("Fields of pods", rows)])


def _format_table(title: str, rows: Iterable[str]) -> str:
    return "\n".join([f"## {title}\n", "| value | default | meaning |", "|---|---|---|", *rows, ""])


def _iter_rows(values: Iterable[Value], lines: list[str]) -> Iterator[str]:
    """Yield a row for each value, and one for all fields of the same pods."""
    for pods, found in groupby(values, key=lambda value: value.pods):
        if pods:
            paths = ", ".join(f"`{value.path}`" for value in found)
            yield f"| {paths} | | [Fields of pods](#fields-of-pods) |"
        else:
            yield from (_format_row(value, lines, value.path) for value in found)


def _format_row(value: Value, lines: list[str], name: str) -> str:
    return f"| `{name}` | `{_format_default(value.default)}` | {_get_comment(value, lines)} |"


def _list_values(key: yaml.Node, node: yaml.Node, lines: list[str], path: str) -> Iterator[Value]:
    """Yield each documented value under a key."""
    line: int = key.start_mark.line
    if isinstance(node, yaml.MappingNode) and node.value and not lines[line - 1].strip().startswith("# --"):
        for inner, value in node.value:
            yield from _list_values(inner, value, lines, f"{path}.{inner.value}")
    else:
        yield Value(path, node, line)


def _get_comment(value: Value, lines: list[str]) -> str:
    comment = lines[value.line - 1].strip()
    if not comment.startswith("# -- "):
        raise UndocumentedValue(f"values.yaml has no comment for {value.path}")
    return comment.removeprefix("# -- ")


def _format_default(node: yaml.Node) -> str:
    return json.dumps(yaml.safe_load(yaml.serialize(node)))


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
