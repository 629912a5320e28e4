"""Evaluation of rules and queries by Prometheus' promtool, over the series of a test."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.linters import promtool

__all__ = ["MINUTES", "QueryMismatch", "check_queries", "check_rules"]

MINUTES = 60
"""Length of the series, with one value per minute. Queries are evaluated at the end."""

RuleFile = Mapping[str, Any]
"""The contents of a file of rules: groups."""


class QueryMismatch(AssertionError):
    """The result of a query is not the expected result; the message is promtool's output."""


def check_rules(rules: RuleFile) -> None:
    """Check the queries of rules and the templates of their annotations."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yaml"
        file.write_text(json.dumps(dict(rules)))
        _run("check", "rules", "--lint=all", "--lint-fatal", str(file))


def check_queries(
    series: Mapping[str, str],
    expected: Mapping[str, set[str]],
    rules: RuleFile | None = None,
    *,
    minutes: int = MINUTES,
    rule_minutes: int = 1,
) -> None:
    """Evaluate queries some minutes after the series began, and compare the results.

    Parameters
    ----------
    series
        Values by series, as promtool writes them: ``{'up{job="gateway"}': '1x60'}``.
    expected
        Series that each query returns, by query, each with the value 1: ``{'{job="gateway"}'}``.
    rules
        Evaluated every ``rule_minutes`` meanwhile; alerts are then series of ``ALERTS``.

    Raises
    ------
    QueryMismatch
        A query returned something else.
    """
    tests = [
        {
            "expr": query,
            "eval_time": f"{minutes}m",
            "exp_samples": [{"labels": labels, "value": 1} for labels in sorted(answer)],
        }
        for query, answer in expected.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rules.yaml").write_text(json.dumps(dict(rules or {"groups": []})))
        test_file = Path(folder) / "test.yaml"
        test = {"interval": "1m", "input_series": inputs, "promql_expr_test": tests}
        test_file.write_text(
            json.dumps(
                {
                    "rule_files": ["rules.yaml"],
                    "evaluation_interval": f"{rule_minutes}m",
                    "tests": [test],
                }
            )
        )
        _run("test", "rules", str(test_file))


def _run(*arguments: str) -> None:
    program = promtool.install(lambda _: None)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise QueryMismatch(done.stdout + done.stderr)
