"""Tests of the changelog fragments: towncrier silently ignores files with other names."""

import re
import tomllib

from tools.sentence_check import MAX_LINE
from tools.version import REPOSITORY


def test_each_fragment_has_a_known_type_and_text() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["towncrier"]
    types = "|".join(kind["directory"] for kind in settings["type"])
    fragments = [file for file in (REPOSITORY / settings["directory"]).iterdir() if file.name != "README.md"]
    for file in fragments:
        assert re.fullmatch(rf"(\d+|\+[a-z0-9-]+)\.({types})\.md", file.name), file
        assert file.read_text().strip(), file
        # towncrier writes "- " or "  " before each line.
        assert max(map(len, file.read_text().splitlines())) <= MAX_LINE - 2, file


def test_the_changelog_has_the_marker_for_sections() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["towncrier"]
    assert (REPOSITORY / settings["filename"]).read_text().count(settings["start_string"]) == 1
