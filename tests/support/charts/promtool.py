"""Evaluation of rules and queries by Prometheus' promtool, over the series of a test.

Its files are JSON, which is YAML, too, and is written much faster.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.linters import promtool

__all__ = ["MINUTES", "Played", "check", "play"]

MINUTES = 60
"""How long the series are, at a value a minute; queries are asked at their end."""

Rules = Mapping[str, Any]
"""The contents of a file of rules: groups."""


class Played(AssertionError):
    """The result differs from the expected one; the message is promtool's output."""


def check(rules: Rules) -> None:
    """Check the queries of rules and the templates of their annotations."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yaml"
        file.write_text(json.dumps(dict(rules)))
        _run("check", "rules", "--lint=all", "--lint-fatal", str(file))


def play(series: Mapping[str, str], expected: Mapping[str, set[str]], rules: Rules | None = None) -> None:
    """Ask queries an hour after the series began.

    Parameters
    ----------
    series
        Values by series, as promtool writes them: ``{'up{job="gateway"}': '1x60'}``.
    expected
        By query, the series it returns, each with the value 1: ``{'{job="gateway"}'}``.
    rules
        Evaluated every minute meanwhile; alerts are then series of ``ALERTS``.

    Raises
    ------
    Played
        A query returned something else.
    """
    questions = [
        {
            "expr": query,
            "eval_time": f"{MINUTES}m",
            "exp_samples": [{"labels": labels, "value": 1} for labels in sorted(answer)],
        }
        for query, answer in expected.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rules.yaml").write_text(json.dumps(dict(rules or {"groups": []})))
        story = Path(folder) / "story.yaml"
        test = {"interval": "1m", "input_series": inputs, "promql_expr_test": questions}
        story.write_text(json.dumps({"rule_files": ["rules.yaml"], "tests": [test]}))
        _run("test", "rules", str(story))


def _run(*arguments: str) -> None:
    program = promtool.install(lambda _: None)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Played(done.stdout + done.stderr)
