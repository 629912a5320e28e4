"""Token prices. They differ by region and change without notice, so the price table is a setting."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["EXAMPLE_PRICES", "Price", "calculate_cost"]

TOKENS_PER_PRICE = 1_000_000
"""Number of tokens that a price is for."""

Dollars = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=6)]


class Price(BaseModel):
    """Price in US dollars per million tokens; tokens of embeddings count as input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Dollars
    output: Dollars = Decimal(0)


EXAMPLE_PRICES: dict[str, Price] = {
    prefix: Price(input=Decimal(input_), output=Decimal(output))
    for prefix, input_, output in (
        ("us.anthropic.claude-sonnet-4-6", "3.30", "16.50"),
        ("global.anthropic.claude-sonnet-4-6", "3.00", "15.00"),
        ("us.anthropic.claude-haiku-4-5", "1.10", "5.50"),
        ("global.anthropic.claude-haiku-4-5", "1.00", "5.00"),
        ("us.amazon.nova-pro", "0.80", "3.20"),
        ("us.amazon.nova-lite", "0.06", "0.24"),
        ("amazon.titan-embed-text-v2", "0.02", "0"),
    )
}
"""Examples from secondary sources; replace them with the prices of your region and contract."""


def calculate_cost(
    prices: Mapping[str, Price], model: str, *, input_tokens: int, output_tokens: int
) -> Decimal | None:
    """Return the cost of tokens in US dollars; ``None`` if no prefix in the table matches the model.

    The longest matching prefix applies.
    """
    matching = max((prefix for prefix in prices if model.startswith(prefix)), key=len, default=None)
    if matching is None:
        return None
    price = prices[matching]
    return (price.input * input_tokens + price.output * output_tokens) / TOKENS_PER_PRICE
