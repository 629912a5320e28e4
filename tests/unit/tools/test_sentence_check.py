"""Tests of the check of sentences and of lines of Markdown."""

import pytest

from tools.sentence_check import MAX_LINE, MAX_WORDS, check_text

FULL = " ".join(["w"] * MAX_WORDS) + "."
LONG = f"And {FULL}"
HALF = " ".join(["w"] * 13)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.md", f"# Title\n\nShort.\n{LONG}\n", 3),
        ("a.md", f"- {HALF}\n  {HALF}\n", 1),
        ("a.md", f"| cell | {LONG} |\n", 1),
        ("a.md", f"```sh\nmake\n```\n{LONG}\n", 4),
        ("a.md", f"``` code `` ``` in text.\n{LONG}\n", 1),
        ("a.yaml", f"# {HALF}\n# {HALF}\nkey: value\n", 1),
        ("a.toml", f"[table]\n# {HALF}\n# {HALF}\nkey = 1\n", 2),
        ("Makefile", f"# {HALF}\n# {HALF}\nall:\n", 1),
        ("a.sql", f"-- {HALF}\n-- {HALF}\nSELECT 1;\n", 1),
        ("a.py", f"code()\n# {HALF}\n# {HALF}\n", 2),
        ("a.py", f'"""Summary.\n\n{HALF}\n{HALF}\n"""\n', 3),
        (
            "a.py",
            f'def f() -> None:\n    """Do it.\n\n    Raises\n    ------\n    a\n        {LONG}\n    """\n',
            7,
        ),
    ],
)
def test_a_sentence_that_is_too_long_is_reported_with_its_line(name: str, text: str, line: int) -> None:
    (finding,) = check_text(name, text)
    assert finding.startswith(f"{name}:{line}: 26 words in one sentence: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.md", "Two. ".join([FULL] * 2) + "\n"),
        ("a.md", "".join(f"- {HALF}\n" for _ in range(2))),
        ("a.md", f"{HALF}:\n\n{HALF}\n"),
        ("a.md", f"| {HALF} | {HALF} |\n"),
        ("a.md", f"```text\n{LONG}\n```\n"),
        ("a.md", f"{HALF} `{HALF}`\n"),
        ("a.md", f"{HALF}\n[text](https://host.example/{'x' * 20})\n"),
        (
            "a.py",
            f'def f() -> None:\n    """Do it.\n\n    a\n        {HALF}\n    b\n        {HALF}\n    """\n',
        ),
        ("a.py", f"# {HALF}\ncode()\n# {HALF}\n"),
    ],
)
def test_code_and_separate_paragraphs_do_not_add_up(name: str, text: str) -> None:
    assert list(check_text(name, text)) == []


def test_a_line_of_markdown_that_is_too_long_is_reported() -> None:
    (finding,) = check_text("a.md", "Short.\n" + "x" * (MAX_LINE + 1))
    assert finding == f"a.md:2: a line of {MAX_LINE + 1} characters; at most {MAX_LINE}"


@pytest.mark.parametrize(
    "text", ["x" * MAX_LINE, f"| {'x' * MAX_LINE} |", f"```text\n{'x' * MAX_LINE * 2}\n```\n"]
)
def test_lines_of_tables_and_code_may_be_long(text: str) -> None:
    assert list(check_text("a.md", text)) == []
