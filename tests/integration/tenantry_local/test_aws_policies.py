"""Tests of the policies of infra/iam as ministack enforces them.

The session policy is the gateway's own, so a widening of it fails here, too. ``${aws:PrincipalTag}`` cannot
be tried here (see ``tenantry_local.parts.aws``).
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tenancy.sessions import build_session_policy
from tenantry_local.parts.aws import ACCOUNT, BUCKET, FILES_BUCKET, REGION, Aws
from tenantry_local.parts.services import build_file_sync_env, build_gateway_env, build_operator_env
from tenantry_local.platform import Platform

from tests.support.tenants.manifests import make_tenant

TENANT_ROLE = f"arn:aws:iam::{ACCOUNT}:role/tenantry-tenant"
MODEL_ROLE = f"arn:aws:iam::{ACCOUNT}:role/tenantry-models"
OWN, OTHER = "policy-own", "policy-other"
DOCUMENT = "p/documents/d/report.txt"

Connect = Callable[..., Any]


@pytest.fixture
def aws(platform: Platform) -> Iterator[Aws]:
    """Return S3 with a bucket that has one document of each of two tenants."""
    part = platform.parts["aws"]
    assert isinstance(part, Aws)
    for tenant in (OWN, OTHER):
        part.s3.put_object(Bucket=BUCKET, Key=f"tenant-{tenant}/{DOCUMENT}", Body=tenant.encode())
    yield part
    for tenant in (OWN, OTHER):
        versions = part.s3.list_object_versions(Bucket=BUCKET, Prefix=f"tenant-{tenant}/")
        for each in (*versions.get("Versions", []), *versions.get("DeleteMarkers", [])):
            part.s3.delete_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])


@pytest.fixture
def connect(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Return a factory of clients for a profile or for the credentials of an assumed role."""
    environments = {
        "operator": build_operator_env(aws.context),
        "gateway": build_gateway_env(aws.context),
        "file-sync": build_file_sync_env(aws.context),
    }
    opened = []

    def connect(service: str, profile: str | None = None, credentials: Any = None) -> Any:
        if profile:
            for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
                monkeypatch.setenv(name, environments[profile.removesuffix("-user")][name])
        session = boto3.Session(
            profile_name=profile,
            region_name=REGION,
            aws_access_key_id=credentials and credentials["AccessKeyId"],
            aws_secret_access_key=credentials and credentials["SecretAccessKey"],
            aws_session_token=credentials and credentials["SessionToken"],
        )
        client = session.client(service, endpoint_url=aws.url)  # type: ignore[call-overload]
        opened.append(client)
        return client

    yield connect
    for client in opened:
        client.close()


def is_refused(call: Callable[..., Any], **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as exc:
        assert exc.response["Error"]["Code"] == "AccessDenied"  # noqa: PT017
        return True
    return False


def make_key(tenant: str, rest: str = DOCUMENT) -> Any:
    """Return the parameters of an object; untyped because boto3's stubs accept no mapping of strings."""
    return {"Bucket": BUCKET, "Key": f"tenant-{tenant}/{rest}"}


def assume_tenant_role(connect: Connect, service: str = "gateway") -> Any:
    """Return credentials of the tenant role, assumed by a service for one tenant."""
    policy = build_session_policy(BUCKET, make_tenant(OWN))
    answer = connect("sts", service).assume_role(
        RoleArn=TENANT_ROLE,
        RoleSessionName="test",
        Policy=json.dumps(policy),
        Tags=[{"Key": "tenant", "Value": f"tenant-{OWN}"}],
    )
    return connect("s3", credentials=answer["Credentials"])


def test_the_operator_writes_markers_and_tags(connect: Connect) -> None:
    s3 = connect("s3", "operator")
    for marker in (make_key(OWN, ""), make_key(OWN, "p/documents/")):
        s3.put_object(**marker, Body=b"", Tagging="managed-by=tenantry")
        s3.put_object_tagging(**marker, Tagging={"TagSet": [{"Key": "tenant", "Value": OWN}]})
        assert s3.get_object_tagging(**marker)["TagSet"] == [{"Key": "tenant", "Value": OWN}]


def test_the_operator_cannot_read_or_write_a_document(connect: Connect) -> None:
    s3 = connect("s3", "operator")
    assert is_refused(s3.get_object, **make_key(OWN))
    assert is_refused(s3.get_object_tagging, **make_key(OWN))
    assert is_refused(s3.put_object, **make_key(OWN), Body=b"overwritten")
    assert is_refused(s3.put_object_tagging, **make_key(OWN), Tagging={"TagSet": []})


def test_the_operator_deletes_every_version_of_a_tenants_objects_and_nothing_else(
    connect: Connect, aws: Aws
) -> None:
    s3 = connect("s3", "operator")
    aws.s3.put_object(**make_key(OWN), Body=b"a second version")
    found = s3.list_object_versions(Bucket=BUCKET, Prefix=f"tenant-{OWN}/")["Versions"]
    gone = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
    assert not s3.delete_objects(Bucket=BUCKET, Delete={"Objects": gone}).get("Errors")
    assert "Versions" not in s3.list_object_versions(Bucket=BUCKET, Prefix=f"tenant-{OWN}/")
    assert is_refused(s3.delete_object, Bucket=BUCKET, Key="backup/everything")
    assert is_refused(s3.list_object_versions, Bucket=BUCKET)


def test_the_operator_cannot_act_for_a_tenant(connect: Connect) -> None:
    assume = connect("sts", "operator").assume_role
    assert is_refused(assume, RoleArn=TENANT_ROLE, RoleSessionName="test")


@pytest.mark.parametrize("service", ["gateway", "file-sync"])
def test_a_service_role_reaches_no_object_of_a_tenant(connect: Connect, service: str) -> None:
    s3 = connect("s3", service)
    assert is_refused(s3.get_object, **make_key(OWN))
    assert is_refused(s3.put_object, **make_key(OWN), Body=b"")
    assert is_refused(s3.list_objects_v2, Bucket=BUCKET)


@pytest.mark.parametrize("service", ["gateway", "file-sync"])
def test_a_session_for_one_tenant_reads_and_writes_its_documents(connect: Connect, service: str) -> None:
    s3 = assume_tenant_role(connect, service)
    s3.put_object(**make_key(OWN), Body=b"new")
    assert s3.get_object(**make_key(OWN))["Body"].read() == b"new"


@pytest.mark.parametrize("service", ["gateway", "file-sync"])
def test_a_session_for_one_tenant_reaches_nothing_of_another(connect: Connect, service: str) -> None:
    s3 = assume_tenant_role(connect, service)
    for tenant in (OTHER, f"{OWN}-two", ""):
        assert is_refused(s3.get_object, **make_key(tenant)), tenant
        assert is_refused(s3.put_object, **make_key(tenant), Body=b""), tenant
    assert is_refused(s3.list_objects_v2, Bucket=BUCKET)
    assert is_refused(s3.list_objects_v2, Bucket=BUCKET, Prefix=f"tenant-{OTHER}/")


@pytest.mark.parametrize("service", ["gateway", "file-sync"])
@pytest.mark.parametrize("role", [TENANT_ROLE, MODEL_ROLE])
def test_no_session_opens_with_a_tag_that_is_no_tenants_key(
    connect: Connect, service: str, role: str
) -> None:
    assume = connect("sts", service).assume_role
    assert is_refused(assume, RoleArn=role, RoleSessionName="test")
    for tag in ("snapshots", "receipts", "retained", f"retained/tenant-{OWN}", OWN, "tenant-", ""):
        tags = [{"Key": "tenant", "Value": tag}]
        assert is_refused(assume, RoleArn=role, RoleSessionName="test", Tags=tags), tag


def test_only_the_gateway_assumes_the_role_for_models(connect: Connect) -> None:
    request: Any = {
        "RoleArn": MODEL_ROLE,
        "RoleSessionName": "test",
        "Tags": [{"Key": "tenant", "Value": f"tenant-{OWN}"}],
    }
    assert connect("sts", "gateway").assume_role(**request)["Credentials"]
    for service in ("file-sync", "operator"):
        assert is_refused(connect("sts", service).assume_role, **request), service


def test_a_session_for_models_reaches_no_document(connect: Connect) -> None:
    answer = connect("sts", "gateway").assume_role(
        RoleArn=MODEL_ROLE,
        RoleSessionName="test",
        Tags=[{"Key": "tenant", "Value": f"tenant-{OWN}"}],
    )
    s3 = connect("s3", credentials=answer["Credentials"])
    assert is_refused(s3.get_object, **make_key(OWN))
    assert is_refused(s3.put_object, **make_key(OWN), Body=b"")


@pytest.mark.parametrize("service", ["gateway", "file-sync"])
def test_a_services_user_can_only_assume_its_role(connect: Connect, service: str) -> None:
    assume = connect("sts", f"{service}-user").assume_role
    assert is_refused(assume, RoleArn=TENANT_ROLE, RoleSessionName="test")
    assert is_refused(
        assume, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/tenantry-operator", RoleSessionName="test"
    )
    assert is_refused(connect("s3", f"{service}-user").get_object, **make_key(OWN))


@pytest.fixture
def uploaded_file(aws: Aws) -> Iterator[dict[str, Any]]:
    """Store a file as Open WebUI does; return its parameters."""
    file: dict[str, Any] = {"Bucket": FILES_BUCKET, "Key": "policy-test_report.txt"}
    aws.s3.put_object(**file, Body=b"given")
    yield file
    aws.s3.delete_object(**file)


@pytest.fixture
def open_webui(connect: Connect, aws: Aws) -> Any:
    """Return S3 with the key pair of Open WebUI."""
    identifier, secret = aws.get_key_pair("open-webui")
    key_pair = {"AccessKeyId": identifier, "SecretAccessKey": secret, "SessionToken": None}
    return connect("s3", credentials=key_pair)


def test_open_webui_reads_and_writes_its_files(open_webui: Any, uploaded_file: dict[str, Any]) -> None:
    open_webui.put_object(**uploaded_file, Body=b"given again")
    assert open_webui.get_object(**uploaded_file)["Body"].read() == b"given again"
    assert open_webui.list_objects_v2(Bucket=FILES_BUCKET)["Contents"]
    open_webui.delete_object(**uploaded_file)


def test_open_webui_reaches_no_document(open_webui: Any) -> None:
    assert is_refused(open_webui.get_object, **make_key(OWN))
    assert is_refused(open_webui.put_object, **make_key(OWN), Body=b"")
    assert is_refused(open_webui.delete_object, **make_key(OWN))
    assert is_refused(open_webui.list_objects_v2, Bucket=BUCKET)


def test_open_webui_can_assume_no_role(connect: Connect, aws: Aws) -> None:
    identifier, secret = aws.get_key_pair("open-webui")
    key_pair = {"AccessKeyId": identifier, "SecretAccessKey": secret, "SessionToken": None}
    assume = connect("sts", credentials=key_pair).assume_role
    for role in ("tenant", "gateway", "file-sync", "operator"):
        arn = f"arn:aws:iam::{ACCOUNT}:role/tenantry-{role}"
        assert is_refused(assume, RoleArn=arn, RoleSessionName="test"), role


def test_file_sync_only_reads_uploaded_files(connect: Connect, uploaded_file: dict[str, Any]) -> None:
    s3 = connect("s3", "file-sync")
    assert s3.get_object(**uploaded_file)["Body"].read() == b"given"
    assert is_refused(s3.put_object, **uploaded_file, Body=b"overwritten")
    assert is_refused(s3.delete_object, **uploaded_file)


@pytest.mark.parametrize("service", ["operator", "gateway"])
def test_no_other_service_reads_an_uploaded_file(
    connect: Connect, uploaded_file: dict[str, Any], service: str
) -> None:
    assert is_refused(connect("s3", service).get_object, **uploaded_file)


def test_a_session_for_a_tenant_does_not_read_an_uploaded_file(
    connect: Connect, uploaded_file: dict[str, Any]
) -> None:
    assert is_refused(assume_tenant_role(connect, "file-sync").get_object, **uploaded_file)


def test_a_key_that_s3_has_lost_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Platform.open_ephemeral(tmp_path)
    try:
        alone.start("aws")
        alone.stop("aws", kill=True)  # it saves its users when it ends in order, and only then
        alone.start("aws")
        for name, value in build_operator_env(alone.context).items():
            monkeypatch.setenv(name, value)
        client = boto3.Session().client("s3")
        client.put_object(Bucket=BUCKET, Key="tenant-a/", Body=b"")
        client.close()
    finally:
        alone.stop_all()
