"""Tests of the table of what was never run on AWS."""

import re

from tools.version import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "not-run-on-aws.md"
ACCOUNT = REPOSITORY / "docs" / "aws.md"
ROW = re.compile(r"^\| (?!part \|)(.+) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(
    r"^(make (?:-s )?[\w-]+|eksctl \w+ \w+|aws [\w-]+ [\w-]+|(?:kubectl|helm) [\w-]+)", re.MULTILINE
)


def read_rows() -> list[list[str]]:
    return [[cell.strip() for cell in row.split("|")] for row in ROW.findall(PAGE.read_text())]


def test_each_command_of_the_page_of_the_account_is_in_the_table() -> None:
    commands = {command for block in BLOCK.findall(ACCOUNT.read_text()) for command in COMMAND.findall(block)}
    listed = {command for row in read_rows() for command in CODE.findall(row[1])}
    assert "make aws-up" in commands
    assert commands <= listed, f"add a row or a command to {PAGE.name}"


def test_each_row_says_how_it_is_tested_with_existing_files() -> None:
    for part, _, tested, _ in read_rows():
        assert tested, part
        paths = [code for code in CODE.findall(tested) if "/" in code]
        missing = [path for path in paths if not (REPOSITORY / path).exists()]
        assert not missing, f"{part}: {missing}"


def test_each_test_of_the_account_is_in_the_table() -> None:
    text = PAGE.read_text()
    tests = (REPOSITORY / "tests" / "integration" / "tenantry_infra").glob("test_*.py")
    assert [test.name for test in tests if test.name not in text] == []
