"""Tests of class names in the product and in tests: one name, one meaning."""

import ast
from collections import defaultdict

from tests.support.text.python_files import parse_python_files

SIDES_OF_A_WIRE = frozenset(
    {
        "Answer",
        "Citation",
        "DeletionsHeld",
        "FileList",
        "HeldDeletion",
        "TrashList",
        "UserFile",
    }
)
"""Names of classes for the same thing in two programs that exchange it."""

PARTS_AND_STANDINS = frozenset({"Bedrock", "Keycloak", "N8n", "OpenWebUI"})
"""Names of both a client of a system and the local platform's part that runs the system."""

REQUIRED_BY_OPEN_WEBUI = frozenset({"Valves"})
"""Names of classes that Open WebUI requires in each function."""


def test_two_classes_share_a_name_only_if_they_are_the_same_thing() -> None:
    places = defaultdict[str, list[str]](list)
    for file, tree in parse_python_files():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(file)
    allowed = SIDES_OF_A_WIRE | PARTS_AND_STANDINS | REQUIRED_BY_OPEN_WEBUI
    shared = {name: files for name, files in places.items() if len(files) > 1}
    assert {name: files for name, files in shared.items() if name not in allowed} == {}
    assert allowed - shared.keys() == set(), "exemptions that no class needs"
