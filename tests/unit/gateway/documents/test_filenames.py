"""Tests of the names of documents: one stored form, and refused names."""

import pytest
from gateway.documents.filenames import validate_filename
from gateway.problems import FilenameRefused


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        pytest.param("budget 2026.pdf", "budget 2026.pdf", id="plain"),
        pytest.param(" budget.pdf ", "budget.pdf", id="surrounding-space"),
        pytest.param("u\u0308ber.md", "über.md", id="one-unicode-form"),
        pytest.param("预算.pdf", "预算.pdf", id="any-script"),
        pytest.param("tenant-tenantb.pdf", "tenant-tenantb.pdf", id="another-tenants-key-is-only-a-name"),
        pytest.param("ü" * 127, "ü" * 127, id="254-bytes"),
    ],
)
def test_names_are_stored_in_one_form(given: str, stored: str) -> None:
    assert validate_filename(given) == stored


@pytest.mark.parametrize(
    "given",
    [
        "",
        "  ",
        ".",
        "..",
        "../x",
        "a/b",
        "tenant-b/finance/x",
        "a\\b",
        "a\nb",
        "a\x00b",
        "a\x7fb",
        "fdp\u202egpj.exe",
        "a\u2028b",
        "ü" * 128,
    ],
)
def test_ambiguous_names_are_refused(given: str) -> None:
    with pytest.raises(FilenameRefused):
        validate_filename(given)
