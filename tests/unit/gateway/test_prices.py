"""Tests of the prices of models."""

from decimal import Decimal
from pathlib import Path

import pytest
from gateway.prices import EXAMPLE_PRICES, Price, calculate_cost

TABLE = {
    "amazon.nova": Price(input=Decimal("0.1"), output=Decimal("0.7")),
    "amazon.nova-pro": Price(input=Decimal("0.80"), output=Decimal("3.20")),
}


@pytest.mark.parametrize(
    ("model", "input_tokens", "output_tokens", "dollars"),
    [
        pytest.param("amazon.nova-lite-v1:0", 1_000_000, 0, "0.1", id="input"),
        pytest.param("amazon.nova-lite-v1:0", 0, 1_000_000, "0.7", id="output"),
        pytest.param("amazon.nova-lite-v1:0", 3, 0, "0.0000003", id="no-rounding-no-floats"),
        pytest.param("amazon.nova-pro-v1:0", 1_000, 100, "0.00112", id="the-longest-prefix"),
        pytest.param("amazon.nova-pro-v1:0", 0, 0, "0", id="nothing"),
    ],
)
def test_cost_is_the_sum_of_tokens_times_prices(
    model: str, input_tokens: int, output_tokens: int, dollars: str
) -> None:
    assert calculate_cost(TABLE, model, input_tokens=input_tokens, output_tokens=output_tokens) == Decimal(
        dollars
    )


def test_the_cost_of_a_model_without_a_price_is_unknown() -> None:
    assert calculate_cost(TABLE, "us.amazon.nova-pro-v1:0", input_tokens=1, output_tokens=1) is None


def test_the_default_models_have_example_prices() -> None:
    for model in ("us.anthropic.claude-sonnet-4-6", "amazon.titan-embed-text-v2:0"):
        assert calculate_cost(EXAMPLE_PRICES, model, input_tokens=1, output_tokens=1)


def test_the_documentation_shows_the_example_prices() -> None:
    page = (Path(__file__).parents[3] / "docs" / "limits.md").read_text()
    for prefix, price in EXAMPLE_PRICES.items():
        assert f"| `{prefix}` | {price.input} | {price.output} |" in page
