"""Table of AWS' prices: ``infra/prices.yaml``."""

import datetime as dt
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..stacks import INFRA

__all__ = ["FROM_MEMORY", "HOURS_PER_MONTH", "PriceTable", "Source", "UnitPrice"]

FILE = INFRA / "prices.yaml"
FROM_MEMORY = "memory"
HOURS_PER_MONTH = 730
"""Hours that AWS' own calculator counts for a month."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Model):
    """Page that names a price.

    Parameters
    ----------
    title, url
        The page; without a URL the price is from memory.
    date
        Date of the page, or of the day on which it was read.
    """

    title: str
    url: str = ""
    date: dt.date | None = None


class UnitPrice(_Model):
    """Price of one unit.

    Parameters
    ----------
    name
        Text for people.
    usd
        US dollars.
    unit
        Unit. `month` is one thing for a month, `hour` one thing for an hour, and `GB` a gigabyte in a month.
    source
        Name of the source.
    """

    name: str
    usd: Annotated[Decimal, Field(gt=0)]
    unit: Literal["hour", "month", "GB", "minute"]
    source: str

    @property
    def monthly_units(self) -> int:
        """Return the number of units of one thing in a month."""
        return HOURS_PER_MONTH if self.unit == "hour" else 1


class PriceTable(_Model):
    """Prices by name.

    Parameters
    ----------
    region, date
        Region of the prices, and the date of the table.
    sources, prices
        Sources and prices by name.
    """

    region: str
    date: dt.date
    sources: dict[str, Source]
    prices: dict[str, UnitPrice]

    @classmethod
    @cache
    def load(cls, file: Path = FILE) -> Self:
        """Return the table of a file."""
        return cls.model_validate(yaml.safe_load(file.read_text()))

    @model_validator(mode="after")
    def _validate_sources(self) -> Self:
        for name, price in self.prices.items():
            if price.source not in self.sources:
                raise ValueError(f"the source {price.source} of {name} is not in sources")
        return self
