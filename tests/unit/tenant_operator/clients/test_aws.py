"""Tests of the operator's clients of AWS."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
import servicekit.aws
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)
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
    assert key_of(clients.create_s3_client(role)) == "role"
    assert key_of(clients.s3) == "own"
    assert len(sessions) == 1


def test_a_session_that_aws_no_longer_knows_is_opened_again(sessions: list[boto3.Session]) -> None:
    clients = AwsClients()
    first = clients.s3
    refused = ClientError({"Error": {"Code": "ExpiredToken"}}, "PutObject")
    assert clients.classify(refused) is Fault.BUSY
    assert clients.s3 is not first
    assert len(sessions) == 2
    assert clients.classify(error_of("AccessDenied", 403)) is Fault.PERMANENT
    assert len(sessions) == 2


def error_of(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "exc",
    [
        NoCredentialsError(),
        NoRegionError(),
        PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        ParamValidationError(report="bucket"),
        CredentialRetrievalError(provider="web-identity", error_msg="unavailable"),
        EndpointConnectionError(endpoint_url="http://x"),
        error_of("TooManyRequestsException", 400),
        error_of("Unknown", 408),
        error_of("ModelErrorException", 424),
        error_of("SlowDown", 503),
        error_of("InternalError", 200),
        error_of("ServiceUnavailable", 200),
        error_of("AccessDenied", 403),
        ClientError({}, "PutObject"),
        KeyError("x"),
    ],
    ids=str,
)
def test_the_operator_classifies_an_error_as_every_service_does(exc: Exception) -> None:
    assert AwsClients().classify(exc) is servicekit.aws.classify(exc)


@pytest.mark.parametrize("exc", [NoCredentialsError(), NoRegionError()], ids=["credentials", "region"])
def test_a_missing_setting_of_aws_is_not_retried(exc: Exception) -> None:
    assert AwsClients().classify(exc) is Fault.PERMANENT
