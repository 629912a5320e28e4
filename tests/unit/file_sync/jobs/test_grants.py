"""Tests of the job that grants file-sync's rights, without a database. The rights: integration."""

from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from file_sync.jobs import grants
from pydantic import SecretStr

URL = "postgresql://owner:secret@db.test/openwebui"


class FakePostgres:
    """A database that is not ready for the first ``failures`` attempts, and a clock."""

    def __init__(self, error: type[psycopg.Error], failures: int) -> None:
        self.error = error
        self.failures = failures
        self.now = 0.0
        self.pauses: list[float] = []
        self.statements: list[str] = []

    def connect(self, url: str, *, connect_timeout: int) -> Any:
        assert (url, connect_timeout) == (URL, grants.CONNECT_SECONDS)
        return nullcontext(self)

    def execute(self, statements: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error("not ready")
        self.statements.append(statements.decode())

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def grant(postgres: FakePostgres, monkeypatch: pytest.MonkeyPatch, *, seconds: float = 60.0) -> None:
    monkeypatch.setattr(psycopg, "connect", postgres.connect)
    monkeypatch.setattr("file_sync.jobs.grants.time.sleep", postgres.sleep)
    monkeypatch.setattr("file_sync.jobs.grants.time.monotonic", lambda: postgres.now)
    grants.grant(grants.Settings(database_url=SecretStr(URL), seconds=seconds))


def test_all_rights_are_granted_in_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    postgres = FakePostgres(psycopg.OperationalError, failures=0)
    grant(postgres, monkeypatch)
    (statements,) = postgres.statements
    assert "grant select (id, oauth)" in statements
    assert postgres.pauses == []


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn],
)
def test_the_job_waits_for_the_tables_with_jitter(
    error: type[psycopg.Error], monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = FakePostgres(error, failures=20)
    grant(postgres, monkeypatch)
    assert len(postgres.statements) == 1
    assert len(set(postgres.pauses)) > 10, "the pauses differ"
    shortest, longest = grants.PAUSE_SECONDS
    assert all(shortest <= pause <= longest for pause in postgres.pauses)


def test_the_job_fails_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    postgres = FakePostgres(psycopg.errors.UndefinedTable, failures=1000)
    with pytest.raises(psycopg.errors.UndefinedTable):
        grant(postgres, monkeypatch, seconds=60)
    assert 60 < postgres.now < 70


def test_a_permanent_error_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    postgres = FakePostgres(psycopg.errors.InsufficientPrivilege, failures=1)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grant(postgres, monkeypatch)
    assert postgres.pauses == []
