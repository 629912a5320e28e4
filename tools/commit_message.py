"""Check of commit messages' subjects: of the message in a file, or of all commits in a range.

- ``python -m tools.commit_message FILE`` is pre-commit's hook.
- ``python -m tools.commit_message BASE..HEAD`` is the check of pull requests (`make messages`).

The subject is imperative ("Add", not "Adds" or "Added"), behind an area and a colon if it has one. It has at
most 72 characters, more than one word, no full stop, and no avoided word (:mod:`tools.word_check`).
"""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from .word_check import check_text, read_avoided_words

__all__ = ["MAX_LENGTH", "find_errors", "main"]

MAX_LENGTH = 72

GENERATED_PREFIXES = ("Merge ", 'Revert "', "fixup! ", "squash! ", "amend! ")
"""Prefixes of subjects that git generates; these are not checked."""


def find_errors(message: str) -> list[str]:
    """Return the errors of a message, one sentence each."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if subject.startswith(GENERATED_PREFIXES):
        return []
    text = re.sub(r"^[\w./-]+: ", "", subject)
    errors = []
    if not text.strip():
        errors.append("The subject is empty.")
    elif len(text.split()) == 1:
        errors.append("The subject has one word only.")
    errors.extend(check_text("subject", subject, read_avoided_words()))
    if len(subject) > MAX_LENGTH:
        errors.append(f"The subject has {len(subject)} characters; at most {MAX_LENGTH} are shown.")
    if text.endswith("."):
        errors.append("The subject ends with a full stop.")
    if not _is_imperative(text):
        errors.append(f'The subject is not imperative: "Add a check", not "{text.partition(" ")[0]} ...".')
    if len(lines) > 1 and lines[1].strip():
        errors.append("The line after the subject is not empty.")
    return errors


def main(source: str) -> int:
    """Print the errors of the message in a file, or of the commits in a range; return the exit code."""
    messages = {"": Path(source).read_text()} if Path(source).is_file() else _read_range(source)
    errors = [f"{commit}{error}\n" for commit, message in messages.items() for error in find_errors(message)]
    sys.stderr.writelines(errors)
    return bool(errors)


def _read_range(commits: str) -> dict[str, str]:
    """Return the messages of a range's commits, except merges, by abbreviated hash and subject."""
    argv = ["git", "log", "--no-merges", "--format=%h %s: %x00%B%x00", commits]
    fields = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split("\0")
    return {name.lstrip(): message for name, message in zip(fields[0::2], fields[1::2], strict=False)}


def _is_imperative(text: str) -> bool:
    """Return True if ruff, which has a list of verbs, accepts the text as a docstring's first line."""
    ruff = Path(sysconfig.get_path("scripts"), "ruff")
    argv = [str(ruff), "check", "--quiet", "--isolated", "--select=D401", "--stdin-filename=subject.py", "-"]
    docstring = text.replace("\\", "").replace('"', "'")
    source = f'def subject():\n    """{docstring}."""\n'
    return not subprocess.run(argv, input=source, text=True, capture_output=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
