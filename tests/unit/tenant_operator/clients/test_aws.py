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
from servicekit.remote import FailureClass
from tenant_operator.clients.aws import AwsClients

from tests.support.fakes.aws_errors import make_client_error


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


def get_key(client: Any) -> str:
    return str(client._get_credentials().access_key)


def test_concurrent_threads_share_one_session_and_one_client(sessions: list[boto3.Session]) -> None:
    clients = AwsClients()
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(lambda: clients.s3) for _ in range(8)]
    assert len({id(each.result()) for each in made}) == 1
    assert clients.sts.meta.service_model.service_name == "sts"
    assert len(sessions) == 1


def test_a_role_has_a_separate_key_and_needs_no_session(sessions: list[boto3.Session]) -> None:
    clients = AwsClients()
    role: Any = {"AccessKeyId": "role", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": None}
    assert get_key(clients.create_s3_client(role)) == "role"
    assert get_key(clients.s3) == "own"
    assert len(sessions) == 1


def test_an_expired_session_is_opened_again(sessions: list[boto3.Session]) -> None:
    clients = AwsClients()
    first = clients.s3
    refused = ClientError({"Error": {"Code": "ExpiredToken"}}, "PutObject")
    assert clients.classify(refused) is FailureClass.BUSY
    assert clients.s3 is not first
    assert len(sessions) == 2
    assert clients.classify(make_client_error("AccessDenied", 403)) is FailureClass.PERMANENT
    assert len(sessions) == 2


@pytest.mark.parametrize(
    "exc",
    [
        NoCredentialsError(),
        NoRegionError(),
        PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        ParamValidationError(report="bucket"),
        CredentialRetrievalError(provider="web-identity", error_msg="unavailable"),
        EndpointConnectionError(endpoint_url="http://x"),
        make_client_error("TooManyRequestsException", 400),
        make_client_error("Unknown", 408),
        make_client_error("ModelErrorException", 424),
        make_client_error("SlowDown", 503),
        make_client_error("InternalError", 200),
        make_client_error("ServiceUnavailable", 200),
        make_client_error("AccessDenied", 403),
        ClientError({}, "PutObject"),
        KeyError("x"),
    ],
    ids=str,
)
def test_errors_are_classified_as_in_all_services(exc: Exception) -> None:
    assert AwsClients().classify(exc) is servicekit.aws.classify(exc)


@pytest.mark.parametrize("exc", [NoCredentialsError(), NoRegionError()], ids=["credentials", "region"])
def test_a_missing_setting_of_aws_is_not_retried(exc: Exception) -> None:
    assert AwsClients().classify(exc) is FailureClass.PERMANENT
