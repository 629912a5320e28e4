"""Generate docs/decisions/index.md from the files of decisions: ``python -m tools.decisions_index``.

A decision is one file, ``docs/decisions/0001-short-title.md``. Number, title, date, status and sections are
checked here, so a wrong file fails the unit tests and ``make reference``.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

__all__ = ["FOLDER", "PAGE", "SECTIONS", "Decision", "parse_decision", "read_decisions", "render"]

FOLDER = Path(__file__).parents[1] / "docs" / "decisions"
PAGE = FOLDER / "index.md"

SECTIONS = ("Context", "Decision", "Consequences")

HEAD = """# Decisions

*This page is generated from the files of the decisions (`make reference`).*

Each decision records a choice, its reasons and its cost. It describes the state at its date. Its status names
the later decisions that replace it, as a whole or in part.

## Add a decision

1. Copy the newest file in `docs/decisions/`. Name the copy with the next free number and a short title:
   `NNNN-short-title.md`. Numbers are never reused, and need not be consecutive.
2. Write the title and today's date. Set the status to `Accepted`.
3. Write the three sections. *Context* states the problem and the alternatives. *Decision* states the choice,
   in the present tense. *Consequences* states the benefits and the cost.
4. If the decision replaces an earlier one, link both files:
    - The new file gets the line `- **Supersedes:** [12](0012-...md)`, or `- **Supersedes in part:** ...`.
    - The status of the earlier file becomes `Superseded by [200](0200-...md)`, or
      `Accepted; superseded in part by [200](0200-...md)`.
5. Run `make reference`, which checks the files and writes this page.

## All decisions
"""

_LINK = r"\[\d+\]\(\d{4}-[a-z0-9-]+\.md\)"
_LINKS = rf"{_LINK}(?:(?:, | and ){_LINK})*"
_FILE = re.compile(r"(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.md")
_HEADING = re.compile(r"# (\d+)\. (\S.*)")
_DATE = re.compile(r"- \*\*Date:\*\* (\d{4}-\d\d-\d\d)")
_STATUS = re.compile(
    r"- \*\*Status:\*\* "
    rf"(Accepted(?:; superseded in part by (?P<part>{_LINKS}))?|Superseded by (?P<whole>{_LINKS}))"
)
_SUPERSEDES = re.compile(rf"- \*\*Supersedes(?P<part> in part)?:\*\* (?P<links>{_LINKS})")
_REFERENCE = re.compile(r"\[(\d+)\]\((\d{4})-[a-z0-9-]+\.md\)")


@dataclass(frozen=True)
class Decision:
    """Front lines of a decision.

    Parameters
    ----------
    status
        Status as written, with links to later decisions.
    superseded_by, supersedes
        Numbers of later and earlier decisions, each with ``True`` if only a part is replaced.
    """

    number: int
    title: str
    date: date
    status: str
    superseded_by: frozenset[tuple[int, bool]]
    supersedes: frozenset[tuple[int, bool]]
    path: Path


def parse_decision(path: Path) -> Decision:
    """Return the decision in a file.

    Raises
    ------
    ValueError
        The file is not a valid decision; the message names the file and the error.
    """
    head, *sections = re.split(r"^## ", path.read_text(), flags=re.MULTILINE)
    heading, *items = _split_front_lines(head)
    named, titled = _FILE.fullmatch(path.name), _HEADING.fullmatch(heading)
    if not named or not titled or int(named[1]) != int(titled[1]):
        raise _format_error(path, "the file's name and the heading must begin with the same number")
    if len(items) < 2 or not (dated := _DATE.fullmatch(items[0])):
        raise _format_error(path, "the heading must be followed by `- **Date:** YYYY-MM-DD`")
    if not (status := _STATUS.fullmatch(items[1])):
        raise _format_error(
            path, "the date must be followed by `- **Status:** ...`, in a form of the index page"
        )
    _check_sections(path, sections)
    supersedes = set[tuple[int, bool]]()
    for item in items[2:]:
        if not (earlier := _SUPERSEDES.fullmatch(item)):
            raise _format_error(path, f"unknown front line {item!r}")
        supersedes |= _parse_links(path, earlier["links"], in_part=bool(earlier["part"]))
    later = _parse_links(path, status["whole"] or status["part"] or "", in_part=bool(status["part"]))
    when = date.fromisoformat(dated[1])
    return Decision(int(named[1]), titled[2], when, status[1], later, frozenset(supersedes), path)


def read_decisions(folder: Path = FOLDER) -> list[Decision]:
    """Return the decisions in a folder, by number.

    Raises
    ------
    ValueError
        A file is not a decision, two files have the same number, or one of two decisions lacks a link.
    """
    decisions = [parse_decision(path) for path in sorted(folder.glob("*.md")) if path.name != PAGE.name]
    by_number = dict[int, Decision]()
    for decision in decisions:
        if decision.number in by_number:
            raise _format_error(decision.path, f"{by_number[decision.number].path.name} has the same number")
        by_number[decision.number] = decision
    _check_links(decisions)
    return decisions


def render(folder: Path = FOLDER) -> str:
    """Return the index page."""
    rows = (
        f"| {entry.number} | [{entry.title}]({entry.path.name}) | {entry.status} | {entry.date} |"
        for entry in read_decisions(folder)
    )
    return "\n".join([HEAD, "| number | title | status | date |", "|---|---|---|---|", *rows, ""])


def _split_front_lines(head: str) -> Sequence[str]:
    """Return the heading and the list items that precede the first section, each as one line."""
    joined = re.sub(r"\n +", " ", head)
    return [line for line in joined.splitlines() if line] or [""]


def _check_sections(path: Path, sections: Iterable[str]) -> None:
    parts = [section.partition("\n") for section in sections]
    if tuple(title for title, _, _ in parts) != SECTIONS:
        raise _format_error(path, f"the sections must be {', '.join(SECTIONS)}, in this order")
    if empty := [title for title, _, text in parts if not text.strip()]:
        raise _format_error(path, f"the section {empty[0]} is empty")


def _check_links(decisions: Sequence[Decision]) -> None:
    forward = {
        (decision.number, later, part) for decision in decisions for later, part in decision.superseded_by
    }
    backward = {
        (earlier, decision.number, part) for decision in decisions for earlier, part in decision.supersedes
    }
    for earlier, later, _ in sorted(forward ^ backward):
        raise ValueError(f"decisions {earlier} and {later} must both state that {later} supersedes {earlier}")


def _parse_links(path: Path, links: str, *, in_part: bool) -> frozenset[tuple[int, bool]]:
    references = [(int(number), int(target)) for number, target in _REFERENCE.findall(links)]
    if wrong := [number for number, target in references if number != target]:
        raise _format_error(path, f"the link [{wrong[0]}] refers to another number")
    return frozenset((number, in_part) for number, _ in references)


def _format_error(path: Path, message: str) -> ValueError:
    return ValueError(f"{path.name}: {message}")


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
