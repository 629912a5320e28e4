"""Cases of error budgets: how many events were bad for how long, and the alert that then fires."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from file_sync import metrics as file_sync

from tests.support.charts.monitoring_series import make_counter, make_histogram, make_requests, make_rising

__all__ = ["BURNS", "MINUTES", "Burn"]

MINUTES = 3 * 24 * 60
"""Length of the series: the longest window."""

Series = dict[str, str]


@dataclass(frozen=True)
class Burn:
    """Events of one objective, bad ones and good ones, each with its number in a minute.

    Attributes
    ----------
    bad, good
        Series in which one event happens a minute.
    begins, ends
        Minutes before the end of the test between which bad events happen.
    """

    name: str
    bad: Series
    good: Series
    bad_a_minute: float
    good_a_minute: float
    begins: int
    ends: int
    fires: tuple[str, ...]

    def build_series(self) -> Series:
        """Return the series of all events; a counter is the sum of its good and bad events."""
        return {
            name: self._format(self.good_a_minute * _is_rising(self.good, name), _is_rising(self.bad, name))
            for name in self.good | self.bad
        }

    def _format(self, good: float, bad: bool) -> str:
        rate = good + self.bad_a_minute * bad
        before, during = MINUTES - self.begins, self.begins - self.ends
        at_begin, at_end = good * before, good * before + rate * during
        parts = [f"0+{good}x{before}"] if before else ["0"]
        parts.append(f"{at_begin + rate}+{rate}x{during - 1}")
        return " ".join([*parts, f"{at_end + good}+{good}x{self.ends}"] if self.ends else parts)


def _is_rising(series: Series, name: str) -> bool:
    return not re.match(r"0\+0x", series.get(name, "0+0x0"))


def _make_answers(seconds: float, status: str) -> Series:
    return make_requests(seconds, status, a_minute=1)


def _make_uploads(seconds: float) -> Series:
    return make_histogram(file_sync.READY_LAG, seconds, "file-sync", a_minute=1)


_NONE_LATE = make_counter(file_sync.LATE_FILES, make_rising(0), "file-sync")
_LATE = make_counter(file_sync.LATE_FILES, make_rising(1), "file-sync")

_OBJECTIVES = (
    ("questions fail", _make_answers(1, "5xx"), _make_answers(1, "2xx"), 0.005, "TenantryAnswersFailing"),
    ("answers are late", _make_answers(20, "2xx"), _make_answers(1, "2xx"), 0.01, "TenantryAnswersLate"),
    (
        "files are late",
        _make_uploads(900) | _LATE,
        _make_uploads(20) | _NONE_LATE,
        0.01,
        "TenantryUploadsLate",
    ),
    ("files never become searchable", _LATE, _make_uploads(20) | _NONE_LATE, 0.01, "TenantryUploadsLate"),
)


def _list_burns(what: str, bad: Series, good: Series, budget: float, alert: str) -> Iterable[Burn]:
    fast, slow = f"{alert}Fast", f"{alert}Slowly"
    for name, times, begins, ends, fires in (
        ("half of the budget for ten hours", 0.5, 600, 0, ()),
        ("twenty times the budget for an hour", 20, 65, 0, (fast,)),
        ("twenty times the budget, which ended half an hour ago", 20, 95, 31, ()),
        ("eight times the budget for six hours", 8, 370, 0, (fast,)),
        ("twice the budget for three days", 2, MINUTES, 0, (slow,)),
    ):
        share = times * budget
        yield Burn(f"{what}: {name}", bad, good, 60 * share, 60 * (1 - share), begins, ends, fires)
    yield Burn(f"{what}: six events, all bad", bad, good, 0.1, 0, 60, 0, ())
    yield Burn(f"{what}: twelve events, all bad", bad, good, 0.2, 0, 60, 0, (fast, slow))


BURNS = tuple(burn for objective in _OBJECTIVES for burn in _list_burns(*objective))
