"""Tests of the check of commit messages: valid and refused subjects."""

from pathlib import Path

import pytest

from tests.support.programs.git import run_git
from tools.commit_message import find_errors, main

WORD = "by"
"""First word of an avoided phrase, which the word check would find in this file."""


@pytest.mark.parametrize(
    "subject",
    [
        "Add a check",
        "gateway: refuse a range over 366 days",
        'docs/how-to: say how to "undo" C:\\x',
        "Add " + "x" * 68,
        "Merge branch 'main' into habits",
        'Revert "Adds a check."',
        "fixup! Added a check",
        "Add a check\n\nAdds what was missing.",
        "Add a check\n# Please enter the commit message",
    ],
)
def test_a_valid_message_passes(subject: str) -> None:
    assert find_errors(subject) == []


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("", "is empty"),
        ("gateway: ", "is empty"),
        ("Adds a check", "not imperative"),
        ("Added a check", "not imperative"),
        ("gateway: fixing a check", "not imperative"),
        ("Add " + "x" * 69, "73 characters"),
        ("Add a check.", "full stop"),
        ("gateway: fix", "one word only"),
        (f"Add a check {WORD} hand", "write: manually"),
        ("Add a check\nin pre-commit", "not empty"),
    ],
)
def test_an_invalid_message_is_refused_with_the_reason(message: str, says: str) -> None:
    (error,) = find_errors(message)
    assert says in error


def test_the_hook_reads_the_file_that_git_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "COMMIT_EDITMSG"
    file.write_text("Add a check\n")
    assert main(str(file)) == 0
    file.write_text("Adds a check.\n")
    assert main(str(file)) == 1
    assert capsys.readouterr().err.count("\n") == 2


def test_each_commit_of_a_range_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_git(tmp_path, "init", "-q", "-b", "main")
    for subject in ("Adds the first file", "Add a second file", "Add a third file."):
        run_git(tmp_path, "commit", "-q", "--allow-empty", "-m", subject)
    assert main("main~2..main") == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert "Add a third file.: The subject ends with a full stop." in error
    assert main("main~2..main~1") == 0
