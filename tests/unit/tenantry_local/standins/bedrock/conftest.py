from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.programs.standins import Standin, make_bedrock_client, run_bedrock

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient


@pytest.fixture(scope="session")
def program() -> Iterator[Standin]:
    with run_bedrock(BEDROCK_BLOCKED_WORDS="launch code, zebra") as standin:
        yield standin


@pytest.fixture
def standin(program: Standin) -> Iterator[Standin]:
    """Return the running stand-in without faults and recorded calls."""
    httpx.delete(f"{program.url}/standin/calls")
    yield program
    httpx.delete(f"{program.url}/standin/faults")


@pytest.fixture(scope="session")
def client(program: Standin) -> "Iterator[BedrockRuntimeClient]":
    client = make_bedrock_client(program)
    yield client
    client.close()


@pytest.fixture
def bedrock(standin: Standin, client: "BedrockRuntimeClient") -> "BedrockRuntimeClient":
    """Return a client of the running stand-in."""
    return client
