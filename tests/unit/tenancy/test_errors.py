"""Errors are problem documents, and tell callers nothing that is not theirs to know."""

from collections.abc import Iterator

import pytest
from servicekit.errors import RemoteError, RemoteRefused, RemoteUnavailable, TenantryError
from tenancy.errors import NoTenant


def _kinds(kind: type[TenantryError] = TenantryError) -> Iterator[type[TenantryError]]:
    for each in kind.__subclasses__():
        if each.__module__ in ("servicekit.errors", "tenancy.errors"):
            yield each
        yield from _kinds(each)


def test_problem_has_the_standard_members_and_its_own() -> None:
    assert NoTenant("No tenant claims this address.", address="a@b.c").to_problem() == {
        "type": "https://tenantry.io/problems/no-tenant",
        "title": "No tenant for this account",
        "status": 403,
        "detail": "No tenant claims this address.",
        "address": "a@b.c",
    }


def test_error_reads_as_its_detail() -> None:
    assert str(NoTenant("No tenant claims this address.")) == "No tenant claims this address."


@pytest.mark.parametrize("kind", [RemoteUnavailable, RemoteRefused])
def test_backends_words_are_for_the_log_and_not_for_the_caller(kind: type[RemoteError]) -> None:
    error = kind("s3", "put-object", "AccessDenied for arn:aws:iam::1:role/x on tenant-other/secret.pdf")
    assert "tenant-other/secret.pdf" in str(error)
    told = str(error.to_problem())
    assert "tenant-other" not in told
    assert "arn:" not in told
    assert kind.title in told


def test_backends_wish_for_a_pause_is_kept() -> None:
    assert RemoteUnavailable("redis", "read", "busy").retry_after is None
    assert RemoteUnavailable("redis", "read", "busy", retry_after=2.5).retry_after == 2.5


def test_every_kind_of_problem_has_a_type_of_its_own() -> None:
    # RemoteError only gathers its two kinds.
    slugs = [kind.slug for kind in _kinds() if kind is not RemoteError]
    assert len(slugs) == len(set(slugs))
    assert TenantryError.slug not in slugs


@pytest.mark.parametrize("kind", [kind for kind in _kinds() if kind is not RemoteError])
def test_every_kind_of_problem_has_an_http_error_status(kind: type[TenantryError]) -> None:
    assert 400 <= kind.status < 600
