"""Clients of AWS: one session for all of them, until its credentials are no longer good."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from servicekit.remote import Fault
from tenant_operator.clients.aws import AwsClients


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[boto3.Session]:
    """Return the sessions as they are opened."""
    opened: list[boto3.Session] = []

    def open_session(**arguments: Any) -> boto3.Session:
        opened.append(boto3.session.Session(**arguments))
        return opened[-1]

    for name, value in {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr("boto3.Session", open_session)
    return opened


def key_of(client: Any) -> str:
    return str(client._get_credentials().access_key)


def test_threads_that_come_together_share_one_session_and_one_client(sessions: list[boto3.Session]) -> None:
    clients = AwsClients()
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(lambda: clients.s3) for _ in range(8)]
    assert len({id(each.result()) for each in made}) == 1
    assert clients.sts.meta.service_model.service_name == "sts"
    assert len(sessions) == 1


def test_a_role_has_its_own_key_and_costs_no_session(sessions: list[boto3.Session]) -> None:
    clients = AwsClients()
    role: Any = {"AccessKeyId": "role", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": None}
    assert key_of(clients.s3_with(role)) == "role"
    assert key_of(clients.s3) == "own"
    assert len(sessions) == 1


def test_a_session_that_aws_no_longer_knows_is_opened_again(sessions: list[boto3.Session]) -> None:
    clients = AwsClients()
    first = clients.s3
    refused = ClientError({"Error": {"Code": "ExpiredToken"}}, "PutObject")
    assert clients.classify(refused) is Fault.BUSY
    assert clients.s3 is not first
    assert len(sessions) == 2
    assert clients.classify(ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")) is Fault.PERMANENT
    assert len(sessions) == 2
