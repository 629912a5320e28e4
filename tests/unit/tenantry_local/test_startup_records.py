"""Tests of the records of parts that a command brings up."""

import subprocess
import sys
from pathlib import Path

import pytest
from tenantry_local.startup_records import StartupRecords

COMMAND = """
import sys, time
from pathlib import Path
from tenantry_local.startup_records import StartupRecords

with StartupRecords(Path(sys.argv[1])).record("gateway") as enter:
    enter("building")
    print("recorded", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def records(tmp_path: Path) -> StartupRecords:
    (tmp_path / "run").mkdir()
    return StartupRecords(tmp_path)


def test_the_last_phase_is_read_until_the_end_of_the_block(records: StartupRecords) -> None:
    assert records.read("gateway") is None
    with records.record("gateway") as enter:
        enter("not answering")
        enter("up")
        assert records.read("gateway") == "up"
        assert records.read("operator") is None
    assert records.read("gateway") is None


def test_a_record_ends_with_a_killed_command(records: StartupRecords, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", COMMAND, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "recorded\n"
        assert records.read("gateway") == "building"
        command.kill()
    assert records.read("gateway") is None


def test_the_first_of_two_commands_records_the_phase(records: StartupRecords) -> None:
    with records.record("gateway") as first:
        first("building")
        with records.record("gateway") as second:
            second("starting")
            assert records.read("gateway") == "building"
        assert records.read("gateway") == "building"
