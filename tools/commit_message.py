"""Checks the subject of a commit message: ``python -m tools.commit_message FILE``. pre-commit runs it.

The subject is imperative ("Add", not "Adds" or "Added"), behind an area and a colon if it has one, at most 72
characters long and without a full stop.
"""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["LONGEST", "faults", "main"]

LONGEST = 72

NOT_OURS = ("Merge ", 'Revert "', "fixup! ", "squash! ", "amend! ")
"""Beginnings of subjects that git writes."""


def faults(message: str) -> list[str]:
    """Return what is wrong with a message, as sentences; nothing when all is right."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if subject.startswith(NOT_OURS):
        return []
    text = re.sub(r"^[\w./-]+: ", "", subject)
    found = []
    if not text.strip():
        found.append("The subject says nothing.")
    if len(subject) > LONGEST:
        found.append(f"The subject has {len(subject)} characters; at most {LONGEST} are shown.")
    if text.endswith("."):
        found.append("The subject ends with a full stop.")
    if not _is_imperative(text):
        found.append(f'The subject is not imperative: "Add a check", not "{text.partition(" ")[0]} ...".')
    if len(lines) > 1 and lines[1].strip():
        found.append("The line after the subject is not empty.")
    return found


def main(file: str) -> int:
    """Print the faults of a message in a file; return the exit code."""
    found = faults(Path(file).read_text())
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    return bool(found)


def _is_imperative(text: str) -> bool:
    """Ask ruff, which has a list of verbs for the first lines of docstrings."""
    ruff = Path(sysconfig.get_path("scripts"), "ruff")
    argv = [str(ruff), "check", "--quiet", "--isolated", "--select=D401", "--stdin-filename=subject.py", "-"]
    docstring = text.replace("\\", "").replace('"', "'")
    source = f'def subject():\n    """{docstring}."""\n'
    return not subprocess.run(argv, input=source, text=True, capture_output=True, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
