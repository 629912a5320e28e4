"""Tests of the estimate of tokens."""

import pytest
from gateway.token_estimate import estimate_tokens


@pytest.mark.parametrize(
    ("texts", "tokens"),
    [
        pytest.param(("", ""), 0, id="nothing"),
        pytest.param(("abcd",), 2, id="rounded-up"),
        pytest.param(("abc", "a"), 2, id="two-texts"),
        pytest.param(("年度予算",), 4, id="one-token-per-multibyte-character"),
    ],
)
def test_an_estimate_rounds_up(texts: tuple[str, ...], tokens: int) -> None:
    assert estimate_tokens(*texts) == tokens
