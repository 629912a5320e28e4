"""Tests of the ``Server-Timing`` header."""

import re

import pytest
from gateway.timings import RequestTimings


def test_the_header_has_each_stage_and_the_total_in_milliseconds() -> None:
    timings = RequestTimings()
    for stage in ("embed", "search", "embed"):
        with timings.measure(stage):
            pass
    durations = dict(re.findall(r"(\w+);dur=([\d.]+)", timings.to_header()))
    assert list(durations) == ["embed", "search", "total"]
    assert float(durations["total"]) >= float(durations["embed"]) + float(durations["search"])


def test_a_failed_stage_is_measured() -> None:
    timings = RequestTimings()
    with pytest.raises(ZeroDivisionError), timings.measure("model"):
        _ = 1 / 0
    assert "model;dur=" in timings.to_header()
