"""Fragments of the changelog have names that towncrier takes; it ignores others without a word."""

import re
import tomllib

from tools.version import REPOSITORY


def test_each_fragment_has_a_type_and_says_something() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["towncrier"]
    types = "|".join(kind["directory"] for kind in settings["type"])
    fragments = [file for file in (REPOSITORY / settings["directory"]).iterdir() if file.name != "README.md"]
    for file in fragments:
        assert re.fullmatch(rf"(\d+|\+[a-z0-9-]+)\.({types})\.md", file.name), file
        assert file.read_text().strip(), file


def test_the_changelog_has_the_place_where_sections_go() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["towncrier"]
    assert (REPOSITORY / settings["filename"]).read_text().count(settings["start_string"]) == 1
