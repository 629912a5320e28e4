"""Tests of the buckets, read back from S3 after their deployment."""

import json
from typing import Any

import pytest

from tests.support.aws.running import DeployedEnvironment

IGNORED = (
    "BucketEncryption", "LifecycleConfiguration", "LoggingConfiguration", "OwnershipControls",
    "ReplicationConfiguration",
)  # fmt: skip
"""Properties of a bucket that the emulator ignores. tests/unit/tenantry_infra/test_storage.py tests them."""

BUCKETS = ("DocumentsBucket", "FilesBucket", "LogsBucket")
buckets = pytest.mark.parametrize("output", BUCKETS)


@pytest.fixture(scope="module")
def s3(production: DeployedEnvironment) -> Any:
    return production.connect("s3")


@pytest.fixture(scope="module")
def outputs(production: DeployedEnvironment) -> dict[str, str]:
    return production.get_outputs("storage")


def test_only_documents_have_versions(s3: Any, outputs: dict[str, str]) -> None:
    states = {name: s3.get_bucket_versioning(Bucket=outputs[name]).get("Status") for name in BUCKETS}
    assert states == {"DocumentsBucket": "Enabled", "FilesBucket": None, "LogsBucket": None}


@buckets
def test_no_bucket_can_become_public(s3: Any, outputs: dict[str, str], output: str) -> None:
    block = s3.get_public_access_block(Bucket=outputs[output])["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )


@buckets
def test_plain_http_is_denied_for_everything_in_a_bucket(
    s3: Any, outputs: dict[str, str], output: str
) -> None:
    bucket = outputs[output]
    statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert {
        "Sid": "DenyPlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    } in statements


@buckets
def test_no_bucket_policy_allows_access_but_the_one_for_access_logs(
    s3: Any, outputs: dict[str, str], output: str
) -> None:
    statements = json.loads(s3.get_bucket_policy(Bucket=outputs[output])["Policy"])["Statement"]
    allowed = {each["Sid"]: each for each in statements if each["Effect"] == "Allow"}
    writers = {"WriteAccessLogs", "WriteLoadBalancerLogs", "WriteCloudFrontLogs"}
    assert set(allowed) == (writers if output == "LogsBucket" else set())
    for statement in allowed.values():
        assert statement["Action"] == "s3:PutObject"
        # Otherwise another account's logs could be written there.
        assert "111122223333" in json.dumps([statement["Resource"], statement.get("Condition")])
