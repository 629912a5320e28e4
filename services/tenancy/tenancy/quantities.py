"""Kubernetes quantities (``50Gi``, ``250m``) as numbers.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import Decimal

__all__ = ["QUANTITY_PATTERN", "format_bytes", "parse_quantity"]

QUANTITY_PATTERN = r"^[0-9]+([.][0-9]{1,3})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
"""Quantities that the Tenant resource accepts. Kubernetes also allows signs and exponents."""

_QUANTITY = re.compile(r"([0-9]+(?:[.][0-9]+)?)([numkMGTPE]|[KMGTPE]i)?")
_UNITS = "KMGTPE"
_FACTORS = {
    "": Decimal(1),
    **{suffix: Decimal(1000) ** -power for power, suffix in enumerate("mun", start=1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: str) -> Decimal:
    """Return the number of a quantity, in its base unit (bytes, cores, pieces).

    It accepts more than users may write in a Tenant, because the API server rewrites ``0.5m`` as ``500u``.

    Raises
    ------
    ValueError
        The text is not a quantity.
    """
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a quantity such as 50Gi, 500M or 250m")
    return Decimal(match[1]) * _FACTORS[match[2] or ""]


def format_bytes(number: int) -> str:
    """Return a number of bytes in the largest binary unit that it fills, such as ``49.5 GiB``."""
    power = min(max(number.bit_length() - 1, 0) // 10, len(_UNITS))
    return f"{number / 1024**power:.1f} {_UNITS[power - 1]}iB" if power else f"{number} bytes"
