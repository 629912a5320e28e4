"""Check of a commit message's subject: ``python -m tools.commit_message FILE``. pre-commit runs it.

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
    found = []
    if not text.strip():
        found.append("The subject is empty.")
    elif len(text.split()) == 1:
        found.append("The subject has one word only.")
    found.extend(check_text("subject", subject, read_avoided_words()))
    if len(subject) > MAX_LENGTH:
        found.append(f"The subject has {len(subject)} characters; at most {MAX_LENGTH} are shown.")
    if text.endswith("."):
        found.append("The subject ends with a full stop.")
    if not _is_imperative(text):
        found.append(f'The subject is not imperative: "Add a check", not "{text.partition(" ")[0]} ...".')
    if len(lines) > 1 and lines[1].strip():
        found.append("The line after the subject is not empty.")
    return found


def main(file: str) -> int:
    """Print the errors of a message in a file; return the exit code."""
    found = find_errors(Path(file).read_text())
    sys.stderr.writelines(f"{error}\n" for error in found)
    return bool(found)


def _is_imperative(text: str) -> bool:
    """Return True if ruff accepts the text as a docstring's first line: it has a list of verbs."""
    ruff = Path(sysconfig.get_path("scripts"), "ruff")
    argv = [str(ruff), "check", "--quiet", "--isolated", "--select=D401", "--stdin-filename=subject.py", "-"]
    docstring = text.replace("\\", "").replace('"', "'")
    source = f'def subject():\n    """{docstring}."""\n'
    return not subprocess.run(argv, input=source, text=True, capture_output=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
