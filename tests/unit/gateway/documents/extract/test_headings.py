"""Tests of the headings that each format yields, and of their positions."""

import pytest
from gateway.documents.extract import extract
from gateway.models import Heading

from tests.support.documents.files import make_docx

MARKDOWN = b"""# Travel #
Intro.
## Meals
#no heading
```
# a comment
```
### C#
"""


def list_headings(filename: str, content: bytes) -> list[tuple[str, int]]:
    _, (page,) = extract(filename, content)
    for heading in page.headings:
        shown = page.text[heading.start :].split("\n")[0]
        assert shown.lstrip("# ").startswith(heading.title[:5]), "each heading has the reported position"
    return [(heading.title, heading.level) for heading in page.headings]


@pytest.mark.parametrize(
    ("filename", "content", "expected"),
    [
        pytest.param("a.md", MARKDOWN, [("Travel #", 1), ("Meals", 2), ("C#", 3)], id="markdown"),
        pytest.param("a.txt", b"# a comment", [], id="text-has-none"),
        pytest.param(
            "a.html",
            b"<html><title>Rules</title><h1>Travel</h1>x<h3><div>Meals<br>abroad</div></h3><h2></h2>",
            [("Rules", 1), ("Travel", 2), ("Meals abroad", 4)],
            id="html",
        ),
        pytest.param(
            "a.docx",
            make_docx(("Rules", "Title"), ("Travel", "Heading 1"), "Text.", ("Meals", "Heading 2")),
            [("Rules", 0), ("Travel", 1), ("Meals", 2)],
            id="docx",
        ),
    ],
)
def test_headings_are_found(filename: str, content: bytes, expected: list[tuple[str, int]]) -> None:
    assert list_headings(filename, content) == expected


def test_the_position_of_a_heading_is_in_the_normalised_text() -> None:
    _, (page,) = extract("a.md", b"a  \n\n\n\n\nu\xcc\x88\n# T\n")
    assert page.text == "a\n\nü\n\n\n# T"
    assert page.headings == (Heading("T", 1, 7),)
