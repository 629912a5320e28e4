"""Tests of the benchmarks' tables and JSON file."""

import json
from pathlib import Path

import pytest

from tests.bench.report import Figure, show, write

FIGURES = [
    Figure("search, p50", 4.2, "ms", 10),
    Figure("hit@3", 0.86, "share", None, "higher", baseline=0.77),
]


def test_figures_with_a_baseline_have_a_separate_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(FIGURES)
    before, _, after = capsys.readouterr().out.partition("Side by side")
    assert "4.2" in before
    assert "own RAG" not in before
    assert "0.86" in after
    assert "0.77" in after


def test_the_file_contains_the_baselines_value(tmp_path: Path) -> None:
    write(FIGURES, tmp_path / "bench.json")
    assert [each["baseline"] for each in json.loads((tmp_path / "bench.json").read_text())] == [None, 0.77]
