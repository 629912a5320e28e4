"""Tests of parsing and formatting quantities."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenancy.quantities import format_bytes, parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("4", 4),
        ("20", 20),
        ("007", 7),
        ("1.5", Decimal("1.5")),
        ("250m", Decimal("0.25")),
        ("500u", Decimal("0.0005")),
        ("7n", Decimal("0.000000007")),
        ("1k", 1000),
        ("500M", 500_000_000),
        ("1E", 10**18),
        ("1Ki", 1024),
        ("50Gi", 50 * 2**30),
        ("0.5Gi", 2**29),
        ("1Ei", 2**60),
    ],
)
def test_quantity_is_parsed_as_by_kubernetes(text: str, number: Decimal | int) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Gi",
        "50GB",
        "50gi",
        "50 Gi",
        " 50Gi",
        "50Gi\n",
        "-1",
        "+1",
        "1e3",
        "1.",
        ".5",
        "1.5.5",
        "1KK",
        "٣",
        "0x10",
        "1_0",
    ],
)
def test_an_invalid_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as 50Gi"):
        parse_quantity(text)


@given(number=st.integers(min_value=0, max_value=10**6), unit=st.sampled_from("KMGTPE"))
def test_binary_units_are_exact(number: int, unit: str) -> None:
    assert parse_quantity(f"{number}{unit}i") == number * 1024 ** ("KMGTPE".index(unit) + 1)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1 << 20, "1.0 MiB"),
        (50 << 30, "50.0 GiB"),
        (53_150_220_288, "49.5 GiB"),
        (1 << 80, "1048576.0 EiB"),
    ],
)
def test_bytes_are_formatted_in_binary_units(number: int, text: str) -> None:
    assert format_bytes(number) == text
