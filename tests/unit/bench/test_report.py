"""Tables: what was measured beside somebody else stands in a table of its own."""

import json
from pathlib import Path

import pytest

from tests.bench.report import Figure, show, write

FIGURES = [Figure("search, p50", 4.2, "ms", 10), Figure("hit@3", 0.86, "share", None, "higher", peer=0.77)]


def test_side_by_side_is_a_table_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    show(FIGURES)
    before, _, after = capsys.readouterr().out.partition("Side by side")
    assert "4.2" in before
    assert "own RAG" not in before
    assert "0.86" in after
    assert "0.77" in after


def test_the_peers_value_is_in_the_file(tmp_path: Path) -> None:
    write(FIGURES, tmp_path / "bench.json")
    assert [each["peer"] for each in json.loads((tmp_path / "bench.json").read_text())] == [None, 0.77]
