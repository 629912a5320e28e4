"""Tests of the template of Keycloak's database, with small programs in place of Postgres and Keycloak."""

import sys
from pathlib import Path

import pytest
from tenantry_local.context import Context
from tenantry_local.part import Command, PlatformPart
from tenantry_local.parts import keycloak_database as module
from tenantry_local.parts.keycloak_database import build_template, get_template_file, restore_template
from tenantry_local.processes import LocalError, Processes
from typing_extensions import override


class SleepingPart(PlatformPart):
    """A program that sleeps."""

    summary = "a program"
    version = "1"
    fails = False

    @override
    def build_command(self) -> Command:
        return Command([sys.executable, "-c", "import time; time.sleep(600)"])

    @override
    def is_healthy(self) -> bool:
        if self.fails:
            raise LocalError("it does not start")
        return True


class FakeServer(SleepingPart):
    name = "keycloak"


class FailingServer(FakeServer):
    fails = True


class FakePostgres(SleepingPart):
    """Fake Postgres that records SQL, and has one table."""

    name = "postgres"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.log: list[str] = []
        self.tables = ""

    def run(self, sql: str, database: str) -> str:
        assert database == "keycloak"
        self.log.append(sql)
        return self.tables

    def dump(self, database: str) -> str:
        assert database == "keycloak"
        assert self.log == [module.REMOVE_SECRETS], "no secret is in the dump"
        assert not Processes(self.context.state).find("keycloak"), "Keycloak is stopped before the dump"
        return "create table one ();"


@pytest.fixture(autouse=True)
def postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePostgres:
    monkeypatch.setattr(module, "Postgres", FakePostgres)
    return FakePostgres(Context.open(tmp_path / "state", ephemeral=True))


def test_a_template_is_built_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    build_template(tmp_path, FakeServer)
    file = get_template_file(tmp_path)
    assert file.read_text() == "create table one ();"
    assert file.stat().st_mode & 0o077 == 0
    build_template(tmp_path, FailingServer)


def test_a_build_deletes_its_temporary_folder(tmp_path: Path) -> None:
    build_template(tmp_path, FakeServer)
    assert not (tmp_path / "database.new").exists()


def test_a_failed_build_leaves_no_template_no_program_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="does not start"):
        build_template(tmp_path, FailingServer)
    assert not get_template_file(tmp_path).exists()
    assert not (tmp_path / "database.new").exists()


def test_a_build_stops_the_programs_of_a_killed_build(tmp_path: Path) -> None:
    killed = Processes(tmp_path / "database.new")
    killed.start("postgres", FakeServer(Context.open(tmp_path / "state")).build_command().argv, {})
    stale = killed.find("postgres")
    assert stale
    build_template(tmp_path, FakeServer)
    assert (
        not Path(f"/proc/{stale.pid}/cmdline").exists() or not Path(f"/proc/{stale.pid}/cmdline").read_text()
    )


def test_a_copy_is_one_transaction_and_has_the_hashed_password_of_its_platform(
    tmp_path: Path, postgres: FakePostgres
) -> None:
    build_template(tmp_path, FakeServer)
    restore_template(postgres, get_template_file(tmp_path), "secret")  # type: ignore[arg-type]
    _, sql = postgres.log
    assert sql.startswith("begin;\ncreate table one ();")
    assert sql.endswith("commit;")
    assert "insert into credential" in sql
    assert 'secret"' not in sql.replace("secret_data", "")


def test_a_database_with_tables_stays_as_it_is(tmp_path: Path, postgres: FakePostgres) -> None:
    build_template(tmp_path, FakeServer)
    postgres.tables = "databasechangelog"
    restore_template(postgres, get_template_file(tmp_path), "secret")  # type: ignore[arg-type]
    assert len(postgres.log) == 1
