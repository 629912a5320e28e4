"""Tests of the job that grants file-sync's rights, without a database. Integration tests cover the rights."""

from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from file_sync.jobs import grants
from pydantic import SecretStr

URL = "postgresql://owner:secret@db.test/openwebui"


class FakeDatabaseServer:
    """A database that refuses the first ``failures`` attempts, and a clock."""

    def __init__(self, error: type[psycopg.Error], failures: int) -> None:
        self.error = error
        self.failures = failures
        self.now = 0.0
        self.pauses: list[float] = []
        self.statements: list[str] = []

    def connect(self, url: str, *, connect_timeout: int) -> Any:
        assert (url, connect_timeout) == (URL, grants.CONNECT_TIMEOUT_SECONDS)
        return nullcontext(self)

    def execute(self, statements: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error("not ready")
        self.statements.append(statements.decode())

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def grant(server: FakeDatabaseServer, monkeypatch: pytest.MonkeyPatch, *, seconds: float = 60.0) -> None:
    monkeypatch.setattr(psycopg, "connect", server.connect)
    monkeypatch.setattr("file_sync.jobs.grants.time.sleep", server.sleep)
    monkeypatch.setattr("file_sync.jobs.grants.time.monotonic", lambda: server.now)
    grants.grant(grants.GrantsSettings(database_url=SecretStr(URL), timeout_seconds=seconds))


def test_all_rights_are_granted_in_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeDatabaseServer(psycopg.OperationalError, failures=0)
    grant(server, monkeypatch)
    (statements,) = server.statements
    assert "grant select (id, oauth)" in statements
    assert server.pauses == []


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn],
)
def test_the_job_waits_for_the_tables_with_jitter(
    error: type[psycopg.Error], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FakeDatabaseServer(error, failures=20)
    grant(server, monkeypatch)
    assert len(server.statements) == 1
    assert len(set(server.pauses)) > 10, "the pauses differ"
    shortest, longest = grants.RETRY_DELAY_SECONDS
    assert all(shortest <= pause <= longest for pause in server.pauses)


def test_the_job_fails_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeDatabaseServer(psycopg.errors.UndefinedTable, failures=1000)
    with pytest.raises(psycopg.errors.UndefinedTable):
        grant(server, monkeypatch, seconds=60)
    assert 60 < server.now < 70


def test_a_permanent_error_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeDatabaseServer(psycopg.errors.InsufficientPrivilege, failures=1)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grant(server, monkeypatch)
    assert server.pauses == []
