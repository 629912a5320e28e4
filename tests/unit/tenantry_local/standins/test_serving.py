"""A stand-in is reachable from this machine only, and ends in order."""

import argparse
import signal

import pytest
from tenantry_local.standins.serving import add_address

from tests.support.standins import running_bedrock


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_address(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_an_address_of_this_machine_is_taken(host: str) -> None:
    assert parse("--host", host, "--port", "7").host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "example.com", "localhost"])
def test_an_address_that_others_could_reach_is_refused(host: str) -> None:
    with pytest.raises(argparse.ArgumentError, match="is not a loopback address"):
        parse("--host", host)


def test_it_ends_when_it_is_told_to() -> None:
    with running_bedrock() as standin:
        standin.process.send_signal(signal.SIGTERM)
        standin.process.wait(10)
        assert standin.records[-1]["event"] == f"Finished server process [{standin.process.pid}]"
