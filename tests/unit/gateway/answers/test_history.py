"""Tests of the selection of earlier messages."""

import pytest
from gateway.answers.history import select_recent
from gateway.bedrock import Turn


def make_turns(text: str) -> list[Turn]:
    """Return turns from ``u:text a:text``."""
    sides = {"u": "user", "a": "assistant"}
    return [Turn(sides[turn[0]], turn[2:]) for turn in text.split()]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("history", "selected"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("u:a a:b", "u:a a:b", id="all"),
        pytest.param("a:hello u:a a:b", "u:a a:b", id="begins-with-the-user"),
        pytest.param("u:a a:b u:c", "u:a a:b", id="ends-with-the-assistant"),
        pytest.param("u:aaaaaaaaa a:b u:c a:d", "u:c a:d", id="the-oldest-goes-first"),
        pytest.param("u:a a:bbbbbbbbbbbb u:c", "", id="too-long-is-left-out-with-all-before"),
    ],
)
def test_the_latest_turns_within_the_limit_are_selected(history: str, selected: str) -> None:
    assert select_recent(make_turns(history), 4) == make_turns(selected)


def test_consecutive_turns_of_one_role_are_joined() -> None:
    history = [Turn("user", "a"), Turn("user", "b"), Turn("assistant", " "), Turn("assistant", "c")]
    assert select_recent(history, 100) == [Turn("user", "a\n\nb"), Turn("assistant", "c")]
