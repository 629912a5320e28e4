"""Tests of the classification of HTTP errors."""

import httpx
import pytest
from file_sync.adapters.http import classify, get_status, is_problem, parse_retry_after
from servicekit.errors import BackendUnavailable
from servicekit.remote import FailureClass

REQUEST = httpx.Request("GET", "http://gateway.test/")
PROBLEM = "application/problem+json"


def make_status_error(
    code: int, *, slug: str = "", retry: str = "", content_type: str = PROBLEM
) -> httpx.HTTPStatusError:
    headers = ({"Retry-After": retry} if retry else {}) | ({"Content-Type": content_type} if slug else {})
    body = f'{{"type": "https://tenantry.io/problems/{slug}"}}' if slug else ""
    response = httpx.Response(code, headers=headers, text=body, request=REQUEST)
    return httpx.HTTPStatusError("", request=REQUEST, response=response)


def make_backend_error(cause: Exception | None) -> BackendUnavailable:
    error = BackendUnavailable("gateway", "list", "it failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("code", [408, 409, 425, 429, 503])
def test_a_busy_service_does_not_open_the_circuit(code: int) -> None:
    assert classify(make_status_error(code)) is FailureClass.BUSY


@pytest.mark.parametrize("code", [500, 502, 504])
def test_an_error_of_the_service_is_transient(code: int) -> None:
    assert classify(make_status_error(code)) is FailureClass.TRANSIENT


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
def test_a_refusal_is_permanent(code: int) -> None:
    assert classify(make_status_error(code)) is FailureClass.PERMANENT


def test_a_held_deletion_is_permanent_whatever_its_status() -> None:
    assert classify(make_status_error(409, slug="deletions-held")) is FailureClass.PERMANENT
    assert classify(make_status_error(503, slug="deletions-held")) is FailureClass.PERMANENT


def test_an_error_without_a_response_is_transient_and_any_other_exception_is_not_classified() -> None:
    assert classify(httpx.ReadTimeout("slow")) is FailureClass.TRANSIENT
    assert classify(ValueError("a bug")) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("300", 300), ("301", 300), ("-1", None), ("1.5", None), ("Wed, 21 Oct", None), ("", None)],
)
def test_retry_after_is_a_bounded_number_of_seconds(value: str, seconds: float | None) -> None:
    assert parse_retry_after(make_backend_error(make_status_error(503, retry=value))) == seconds


def test_without_a_response_there_is_no_status_and_no_retry_after() -> None:
    for cause in (None, httpx.ConnectError("refused")):
        assert get_status(make_backend_error(cause)) == 0
        assert parse_retry_after(make_backend_error(cause)) is None
        assert not is_problem(make_backend_error(cause), "deletions-held")
    assert get_status(make_backend_error(make_status_error(503))) == 503


def test_a_problem_is_recognised_by_its_slug_and_content_type() -> None:
    assert is_problem(make_backend_error(make_status_error(409, slug="deletions-held")), "deletions-held")
    assert not is_problem(make_backend_error(make_status_error(409, slug="other")), "deletions-held")
    assert not is_problem(
        make_backend_error(make_status_error(409, slug="not-deletions-held")), "deletions-held"
    )
    html = make_status_error(409, slug="deletions-held", content_type="text/html")
    assert not is_problem(make_backend_error(html), "deletions-held")
    assert not is_problem(make_backend_error(make_status_error(502)), "deletions-held")
