"""What of a long chat the model is told."""

import pytest
from gateway.answers.history import select_recent
from gateway.bedrock import Turn


def turns(text: str) -> list[Turn]:
    """Return turns from ``u:text a:text``."""
    sides = {"u": "user", "a": "assistant"}
    return [Turn(sides[each[0]], each[2:]) for each in text.split()]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("u:a a:b", "u:a a:b", id="all"),
        pytest.param("a:hello u:a a:b", "u:a a:b", id="begins-with-the-user"),
        pytest.param("u:a a:b u:c", "u:a a:b", id="ends-with-the-assistant"),
        pytest.param("u:aaaaaaaaa a:b u:c a:d", "u:c a:d", id="the-oldest-goes-first"),
        pytest.param("u:a a:bbbbbbbbbbbb u:c", "", id="too-long-is-left-out-with-all-before"),
    ],
)
def test_the_latest_turns_that_fit_are_kept(said: str, kept: str) -> None:
    assert select_recent(turns(said), 4) == turns(kept)


def test_what_one_side_said_twice_is_joined() -> None:
    said = [Turn("user", "a"), Turn("user", "b"), Turn("assistant", " "), Turn("assistant", "c")]
    assert select_recent(said, 100) == [Turn("user", "a\n\nb"), Turn("assistant", "c")]
