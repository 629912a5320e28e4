"""What tokens cost. Prices differ by region and change without notice, so the table is a setting."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["EXAMPLES", "Price", "cost"]

MILLION = 1_000_000

Dollars = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=6)]


class Price(BaseModel):
    """US dollars for a million tokens. An embedding's tokens are input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Dollars
    output: Dollars = Decimal(0)


EXAMPLES: dict[str, Price] = {
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
"""Examples from secondary sources, to be replaced by the prices of one's own region and contract."""


def cost(prices: Mapping[str, Price], model: str, *, input_tokens: int, output_tokens: int) -> Decimal | None:
    """Return what tokens of a model cost in US dollars; ``None`` when the table does not know the model.

    Of several prefixes that fit, the longest counts.
    """
    fitting = max((prefix for prefix in prices if model.startswith(prefix)), key=len, default=None)
    if fitting is None:
        return None
    price = prices[fitting]
    return (price.input * input_tokens + price.output * output_tokens) / MILLION
