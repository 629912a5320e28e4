"""Tests of the stand-ins' server: loopback addresses only, and an orderly shutdown."""

import argparse
import signal

import pytest
from tenantry_local.standins.serving import add_address

from tests.support.programs.standins import run_bedrock


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_address(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_a_loopback_address_is_accepted(host: str) -> None:
    assert parse("--host", host, "--port", "7").host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "example.com", "localhost"])
def test_any_other_address_is_refused(host: str) -> None:
    with pytest.raises(argparse.ArgumentError, match="is not a loopback address"):
        parse("--host", host)


def test_a_stand_in_ends_after_sigterm() -> None:
    with run_bedrock() as standin:
        standin.process.send_signal(signal.SIGTERM)
        standin.process.wait(10)
        assert standin.records[-1]["event"] == f"Finished server process [{standin.process.pid}]"
