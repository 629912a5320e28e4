"""Tests of the extraction of CSV and XLSX."""

import datetime as dt

import pytest
from gateway.documents.chunk import Chunker
from gateway.documents.extract import extract
from gateway.documents.formats import Format
from gateway.models import Heading, Page
from gateway.problems import DocumentUnsupported

from tests.support.documents.files import make_xlsx


def test_a_sheet_is_a_page_under_its_name_and_the_names_of_its_columns() -> None:
    content = make_xlsx(Budget=[["Year", "Sum"], [2025, 4], [2026, 5]], Staff=[["Only a note."]])
    assert extract("a.xlsx", content) == (
        Format.XLSX,
        [
            Page(
                "Budget\nYear | Sum\n2025 | 4\n2026 | 5",
                None,
                (Heading("Budget", 1, 0), Heading("Year | Sum", 2, 7)),
            ),
            Page("Staff\nOnly a note.", None, (Heading("Staff", 1, 0),)),
        ],
    )


def test_values_are_formatted_as_spreadsheet_programs_show_them() -> None:
    midnight = dt.datetime(2026, 5, 1)  # noqa: DTZ001 (a sheet knows no time zones)
    noon = midnight.replace(hour=12)
    row = [0.1 + 0.2, 5_000_000.0, True, midnight, noon, dt.time(9, 30), "two\nlines", None, "last", None]
    _, (page,) = extract("a.xlsx", make_xlsx(S=[row]))
    assert page.text.splitlines()[-1] == (
        "0.3 | 5000000 | TRUE | 2026-05-01 | 2026-05-01 12:00:00 | 09:30:00 | two lines |  | last"
    )


def test_empty_rows_are_omitted_and_a_title_row_is_no_header() -> None:
    content = make_xlsx(S=[["Plan of 2026"], [], [None, "Year", "Sum"], [None, 2026, 5]])
    _, (page,) = extract("a.xlsx", content)
    assert page.text == "S\nPlan of 2026\n| Year | Sum\n| 2026 | 5"
    assert [heading.title for heading in page.headings] == ["S", "| Year | Sum"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("a,b\n1,2\n", "a | b\n1 | 2", id="comma"),
        pytest.param("a;b\r\n1,5;2,5\r\n", "a | b\n1,5 | 2,5", id="semicolon-with-decimal-commas"),
        pytest.param("a\tb\n1\t2, or 3", "a | b\n1 | 2, or 3", id="tab"),
        pytest.param("a|b\n1|2", "a | b\n1 | 2", id="bar"),
        pytest.param('a,b\n"x, ""y""\nz",2', 'a | b\nx, "y" z | 2', id="quoted"),
        pytest.param("a\nb\nc", "a\nb\nc", id="one-column"),
        pytest.param("\ufeffa,b\n\n1,,\n", "a | b\n1", id="mark-and-empty-lines-and-fields"),
        pytest.param("Report\na;b\n1,5;2", "Report\na | b\n1,5 | 2", id="title-above"),
    ],
)
def test_the_delimiter_of_a_csv_is_detected(content: str, text: str) -> None:
    format_, (page,) = extract("a.csv", content.encode())
    assert (format_, page.text) == (Format.CSV, text)


def test_csv_in_utf_16_as_excel_saves_it_is_read() -> None:
    _, (page,) = extract("a.csv", "Größe\tb\n1\t2".encode("utf-16"))
    assert page.text == "Größe | b\n1 | 2"


def test_csv_in_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(DocumentUnsupported, match="Save it as UTF-8"):
        extract("a.csv", b"Gr\xf6\xdfe,b\n1,2")


def test_each_chunk_of_a_long_table_has_its_column_names() -> None:
    rows: list[list[object]] = [
        ["City", "Hotel limit"],
        *([f"City {number}", number] for number in range(100)),
    ]
    _, pages = extract("a.xlsx", make_xlsx(Limits=rows))
    first, *others = Chunker(60, 0).chunk(pages)
    assert first.text.startswith("Limits\nCity | Hotel limit\nCity 0 | 0\n")
    assert first.heading == ""
    assert len(others) > 5
    assert {chunk.heading for chunk in others} == {"Limits > City | Hotel limit"}
    assert all(chunk.text.startswith("City ") for chunk in others), "rows are not split"
