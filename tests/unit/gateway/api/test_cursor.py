"""Tests of list cursors."""

import pytest
from gateway.api.cursor import from_cursor, to_cursor
from gateway.problems import CursorRefused
from tenancy.names import build_tenant_prefix

from tests.support.tenants.manifests import make_tenant

A, B = make_tenant("tenanta"), make_tenant("tenantb")
POSITION = "finance/documents/d1/a.md"


def test_a_cursor_is_decoded_to_its_key() -> None:
    key = f"{build_tenant_prefix(A.id)}{POSITION}"
    assert from_cursor(A, to_cursor(A, key)) == key


def test_a_cursor_does_not_name_its_tenant() -> None:
    assert to_cursor(A, f"{build_tenant_prefix(A.id)}{POSITION}") == to_cursor(
        B, f"{build_tenant_prefix(B.id)}{POSITION}"
    )


@pytest.mark.parametrize(
    "key", [f"{build_tenant_prefix(B.id)}{POSITION}", f"../{build_tenant_prefix(B.id)}", "\x00"]
)
def test_a_key_of_any_cursor_is_in_the_callers_prefix(key: str) -> None:
    assert from_cursor(A, to_cursor(A, key)) == f"{build_tenant_prefix(A.id)}{key}"
    assert from_cursor(A, to_cursor(B, key)).startswith(build_tenant_prefix(A.id))


def test_without_a_key_there_is_no_cursor() -> None:
    assert to_cursor(A, "") is None
    assert from_cursor(A, None) == ""


@pytest.mark.parametrize("cursor", ["%", "YQ", "a b", "//79"])
def test_an_invalid_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(CursorRefused):
        from_cursor(A, cursor)
