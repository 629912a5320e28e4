"""Kubernetes quantities (``50Gi``, ``250m``) as numbers.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import Decimal

__all__ = ["QUANTITY_PATTERN", "parse_quantity"]

QUANTITY_PATTERN = r"^[0-9]+([.][0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
"""What the Tenant resource accepts. Signs and exponents are legal in Kubernetes but no use in a limit."""

_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: str) -> Decimal:
    """Return the number that a quantity stands for, in its base unit (bytes, cores, pieces).

    Raises
    ------
    ValueError
        The text is no quantity.
    """
    match = re.fullmatch(QUANTITY_PATTERN, text)
    if not match:
        raise ValueError(f"{text!r} is no quantity: write it like 50Gi, 500M or 250m")
    unit = match[2] or ""
    return Decimal(text.removesuffix(unit)) * _FACTORS[unit]
