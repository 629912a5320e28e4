"""Test of constants in the product and in tests: each is assigned once."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

from tests.support.text.python_files import parse_python_files


def _list_constants(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            targets = [statement.target]
        else:
            continue
        nodes = [node for target in targets for node in ast.walk(target)]
        names = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        yield from (name for name in names if re.fullmatch(r"_*[A-Z][A-Z0-9_]*", name))


def test_no_module_or_class_assigns_a_constant_twice() -> None:
    twice = [
        f"{file}: {name}"
        for file, tree in parse_python_files()
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef)
        for name, count in Counter(_list_constants(node.body)).items()
        if count > 1
    ]
    assert twice == []
