"""Tests of the sanitizing of file names."""

import pytest
from file_sync.planner.filenames import MAX_BYTES, sanitize_filename
from hypothesis import given
from hypothesis import strategies as st
from tenancy.names import build_object_key, parse_object_key

LONGEST = ("t" * 40, "p" * 40, "owui-" + "f" * 64)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plan.pdf", "plan.pdf"),
        ("Müller's Plan 2026.pdf", "Müller's Plan 2026.pdf"),
        ("u\u0308ber.txt", "über.txt"),
        ("🎉 party 👩‍👩‍👧.txt", "🎉 party 👩👩👧.txt"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("..\\..\\windows\\system32", ".._.._windows_system32"),
        ("a/b.txt", "a_b.txt"),
        ("plan\x00\r\n\t.pdf", "plan .pdf"),
        ("fdp.\u202eexe", "fdp.exe"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        (" \u200b ", "file"),
        (".gitignore", ".gitignore"),
        ("x" * 5000 + ".pdf", "x" * 196 + ".pdf"),
        ("ü" * 5000 + ".pdf", "ü" * 98 + ".pdf"),
        ("x." + "y" * 5000, "x." + "y" * 198),
    ],
)
def test_an_invalid_name_becomes_valid(given: str, expected: str) -> None:
    assert sanitize_filename(given) == expected


@given(st.text(max_size=400))
def test_a_sanitized_name_is_read_back_from_its_key(name: str) -> None:
    clean = sanitize_filename(name)
    assert sanitize_filename(clean) == clean
    assert len(clean.encode()) <= MAX_BYTES
    tenant_id, persona_id, document_id = LONGEST
    key = build_object_key(tenant_id, persona_id, document_id, clean)
    assert len(key.encode()) <= 1024
    assert parse_object_key(tenant_id, key) == (persona_id, document_id, clean)
