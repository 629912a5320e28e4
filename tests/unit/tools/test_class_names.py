"""Tests of class names in the product and in tests: one name, one meaning."""

import ast
from collections import defaultdict

from tools.version import REPOSITORY

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


FOLDERS = ("services", "operator", "local", "tools", "charts", "tests")


def test_two_classes_share_a_name_only_if_they_are_the_same_thing() -> None:
    places = defaultdict[str, list[str]](list)
    for folder in FOLDERS:
        for file in sorted((REPOSITORY / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(file.relative_to(REPOSITORY)))
    allowed = SIDES_OF_A_WIRE | PARTS_AND_STANDINS | REQUIRED_BY_OPEN_WEBUI
    shared = {name: files for name, files in places.items() if len(files) > 1}
    assert {name: files for name, files in shared.items() if name not in allowed} == {}
    assert allowed - shared.keys() == set(), "exemptions that no class needs"
