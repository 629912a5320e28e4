import re

import pytest
from gateway.timings import Stages


def test_the_header_names_each_stage_and_the_total_in_milliseconds() -> None:
    stages = Stages()
    for stage in ("embed", "search", "embed"):
        with stages.measure(stage):
            pass
    durations = dict(re.findall(r"(\w+);dur=([\d.]+)", stages.to_header()))
    assert list(durations) == ["embed", "search", "total"]
    assert float(durations["total"]) >= float(durations["embed"]) + float(durations["search"])


def test_a_stage_that_fails_is_measured_too() -> None:
    stages = Stages()
    with pytest.raises(ZeroDivisionError), stages.measure("model"):
        _ = 1 / 0
    assert "model;dur=" in stages.to_header()
