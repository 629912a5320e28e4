"""Tests of errors as problem documents without internal details."""

from collections.abc import Iterator

import pytest
from servicekit.errors import BackendError, BackendRefused, BackendUnavailable, TenantryError
from tenancy.errors import NoTenant


def _iterate_kinds(kind: type[TenantryError] = TenantryError) -> Iterator[type[TenantryError]]:
    for subclass in kind.__subclasses__():
        if subclass.__module__ in ("servicekit.errors", "tenancy.errors"):
            yield subclass
        yield from _iterate_kinds(subclass)


def test_problem_has_standard_and_additional_members() -> None:
    assert NoTenant("No tenant claims this address.", address="a@b.c").to_problem() == {
        "type": "https://tenantry.io/problems/no-tenant",
        "title": "No tenant for this account",
        "status": 403,
        "detail": "No tenant claims this address.",
        "address": "a@b.c",
    }


def test_str_of_an_error_is_its_detail() -> None:
    assert str(NoTenant("No tenant claims this address.")) == "No tenant claims this address."


@pytest.mark.parametrize("kind", [BackendUnavailable, BackendRefused])
def test_a_backends_message_is_logged_and_not_returned(kind: type[BackendError]) -> None:
    error = kind("s3", "put-object", "AccessDenied for arn:aws:iam::1:role/x on tenant-other/secret.pdf")
    assert "tenant-other/secret.pdf" in str(error)
    document = str(error.to_problem())
    assert "tenant-other" not in document
    assert "arn:" not in document
    assert kind.title in document


def test_retry_after_of_a_backend_is_kept() -> None:
    assert BackendUnavailable("redis", "read", "busy").retry_after is None
    assert BackendUnavailable("redis", "read", "busy", retry_after=2.5).retry_after == 2.5


def test_every_problem_has_a_unique_type() -> None:
    # BackendError is only the base of two kinds.
    slugs = [kind.slug for kind in _iterate_kinds() if kind is not BackendError]
    assert len(slugs) == len(set(slugs))
    assert TenantryError.slug not in slugs


@pytest.mark.parametrize("kind", [kind for kind in _iterate_kinds() if kind is not BackendError])
def test_every_problem_has_an_http_error_status(kind: type[TenantryError]) -> None:
    assert 400 <= kind.status < 600
