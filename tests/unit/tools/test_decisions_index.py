"""Tests of the index of decisions, and of the checks of their files."""

from pathlib import Path

import pytest

from tools.decisions_index import FOLDER, parse_decision, read_decisions, render


def write(
    folder: Path,
    name: str,
    *,
    number: int | None = None,
    status: str = "Accepted",
    front: str = "",
    sections: tuple[str, ...] = ("Context", "Decision", "Consequences"),
    text: str = "Some words.",
) -> Path:
    path = folder / name
    heading = int(name[:4]) if number is None else number
    body = "".join(f"\n## {section}\n\n{text}\n" for section in sections)
    path.write_text(
        f"# {heading}. Use {name[5:-3]}\n\n- **Date:** 2026-01-02\n- **Status:** {status}\n{front}{body}"
    )
    return path


def test_the_index_lists_number_title_status_and_date_by_number(tmp_path: Path) -> None:
    write(tmp_path, "0010-redis.md", front="- **Supersedes:** [9](0009-queue.md)\n")
    write(tmp_path, "0009-queue.md", status="Superseded by [10](0010-redis.md)")
    page = render(tmp_path)
    assert page.endswith(
        "| 9 | [Use queue](0009-queue.md) | Superseded by [10](0010-redis.md) | 2026-01-02 |\n"
        "| 10 | [Use redis](0010-redis.md) | Accepted | 2026-01-02 |\n"
    )


def test_the_index_page_is_not_a_decision(tmp_path: Path) -> None:
    write(tmp_path, "0001-queue.md")
    (tmp_path / "index.md").write_text(render(tmp_path))
    assert [decision.number for decision in read_decisions(tmp_path)] == [1]


def test_a_number_that_is_used_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "0001-queue.md")
    write(tmp_path, "0001-redis.md")
    with pytest.raises(ValueError, match=r"0001-redis\.md: 0001-queue\.md has the same number"):
        read_decisions(tmp_path)


def test_a_heading_with_another_number_than_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="same number"):
        parse_decision(write(tmp_path, "0001-queue.md", number=2))


@pytest.mark.parametrize(
    "sections",
    [
        ("Context", "Decision"),
        ("Context", "Consequences"),
        ("Decision", "Context", "Consequences"),
        ("Context", "Decision", "Consequences", "Cost"),
        (),
    ],
)
def test_sections_other_than_the_three_are_refused(tmp_path: Path, sections: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="sections must be Context, Decision, Consequences"):
        parse_decision(write(tmp_path, "0001-queue.md", sections=sections))


def test_an_empty_section_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="section Context is empty"):
        parse_decision(write(tmp_path, "0001-queue.md", text=" "))


@pytest.mark.parametrize("status", ["", "Done", "Superseded", "Superseded by 2", "Accepted; maybe"])
def test_an_unknown_status_is_refused(tmp_path: Path, status: str) -> None:
    with pytest.raises(ValueError, match="Status"):
        parse_decision(write(tmp_path, "0001-queue.md", status=status))


def test_a_missing_date_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "0001-queue.md")
    path.write_text(path.read_text().replace("- **Date:** 2026-01-02\n", ""))
    with pytest.raises(ValueError, match="Date"):
        parse_decision(path)


def test_an_unknown_key_in_the_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown front line"):
        parse_decision(write(tmp_path, "0001-queue.md", front="- **Author:** me\n"))


def test_a_link_with_another_number_than_its_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"link \[3\] refers to another number"):
        parse_decision(write(tmp_path, "0001-queue.md", status="Superseded by [3](0002-redis.md)"))


@pytest.mark.parametrize(
    ("status", "front"),
    [
        ("Superseded by [2](0002-redis.md)", ""),
        ("Accepted", "- **Supersedes:** [1](0001-queue.md)\n"),
        ("Superseded by [2](0002-redis.md)", "- **Supersedes in part:** [1](0001-queue.md)\n"),
        ("Accepted; superseded in part by [2](0002-redis.md)", "- **Supersedes:** [1](0001-queue.md)\n"),
    ],
)
def test_a_link_without_a_link_back_is_refused(tmp_path: Path, status: str, front: str) -> None:
    write(tmp_path, "0001-queue.md", status=status)
    write(tmp_path, "0002-redis.md", front=front)
    with pytest.raises(ValueError, match="decisions 1 and 2 must both state that 2 supersedes 1"):
        read_decisions(tmp_path)


def test_links_on_several_lines_are_read_as_one(tmp_path: Path) -> None:
    status = "Accepted; superseded in part by [2](0002-redis.md) and\n  [3](0003-s3.md)"
    write(tmp_path, "0001-queue.md", status=status)
    for name in ("0002-redis.md", "0003-s3.md"):
        write(tmp_path, name, front="- **Supersedes in part:** [1](0001-queue.md)\n")
    assert read_decisions(tmp_path)[0].superseded_by == {(2, True), (3, True)}


def test_this_projects_decisions_have_the_form() -> None:
    assert read_decisions(FOLDER)
