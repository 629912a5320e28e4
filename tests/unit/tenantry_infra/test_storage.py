"""Tests of properties of buckets that the emulator ignores, in the templates."""

from typing import Any

import pytest
from gateway.settings import GatewaySettings
from qdrant_snapshots.settings import SnapshotSettings
from tenantry_infra.stacks import STACKS

BUCKETS = {
    name: resource["Properties"]
    for stack in STACKS
    for name, resource in stack.template.document["Resources"].items()
    if resource["Type"] == "AWS::S3::Bucket"
}
SNAPSHOTS = SnapshotSettings.model_fields["prefix"].default
READABLE_IMMEDIATELY = {"GLACIER_IR", "STANDARD_IA", "INTELLIGENT_TIERING"}


def get_rules(bucket: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = BUCKETS[bucket]["LifecycleConfiguration"]["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in rules)
    return rules


def test_there_is_no_other_bucket() -> None:
    assert set(BUCKETS) == {"Documents", "Files", "Logs", "Replica", "Releases"}


# Other accounts can read releases only if a key of this account encrypts them: test_pipeline.py.
@pytest.mark.parametrize("bucket", sorted(BUCKETS.keys() - {"Releases"}))
def test_a_bucket_is_encrypted_by_s3_and_owns_its_objects(bucket: str) -> None:
    assert BUCKETS[bucket]["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    ]
    assert BUCKETS[bucket]["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_parts_of_incomplete_uploads_are_deleted(bucket: str) -> None:
    assert any("AbortIncompleteMultipartUpload" in rule for rule in get_rules(bucket))


@pytest.mark.parametrize("bucket", ["Documents", "Replica"])
def test_documents_move_after_90_days_to_a_class_that_can_be_read_immediately(bucket: str) -> None:
    transitions = [each for rule in get_rules(bucket) for each in rule.get("Transitions", [])]
    assert transitions == [{"TransitionInDays": 90, "StorageClass": "GLACIER_IR"}]
    assert transitions[0]["StorageClass"] in READABLE_IMMEDIATELY


@pytest.mark.parametrize("bucket", ["Documents", "Replica"])
def test_old_versions_outlive_the_trash(bucket: str) -> None:
    days = [
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for rule in get_rules(bucket)
        if "NoncurrentVersionExpiration" in rule and rule.get("Prefix") != SNAPSHOTS
    ]
    assert days == [GatewaySettings.model_fields["trash_days"].default + 1]


@pytest.mark.parametrize("bucket", ["Documents", "Replica"])
def test_deleted_snapshots_of_qdrant_do_not_remain_as_old_versions(bucket: str) -> None:
    (rule,) = (rule for rule in get_rules(bucket) if rule.get("Prefix") == SNAPSHOTS)
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


@pytest.mark.parametrize("bucket", ["Documents", "Files", "Replica"])
def test_no_rule_deletes_a_current_object(bucket: str) -> None:
    for rule in get_rules(bucket):
        assert not {"ExpirationInDays", "ExpirationDate"} & rule.keys()
        assert "NoncurrentVersionTransitions" not in rule, "the trash reads old versions"


@pytest.mark.parametrize("bucket", ["Documents", "Files"])
def test_access_is_logged(bucket: str) -> None:
    assert BUCKETS[bucket]["LoggingConfiguration"] == {
        "DestinationBucketName": {"Ref": "Logs"},
        "LogFilePrefix": f"{bucket.lower()}/",
    }


def test_copies_arrive_within_15_minutes_and_only_if_there_is_a_bucket_for_them() -> None:
    condition, configuration, otherwise = BUCKETS["Documents"]["ReplicationConfiguration"]["Fn::If"]
    assert (condition, otherwise) == ("Replicated", {"Ref": "AWS::NoValue"})
    (rule,) = configuration["Rules"]
    destination = rule["Destination"]
    assert destination["Bucket"] == {"Ref": "ReplicaBucketArn"}
    assert destination["ReplicationTime"] == {"Status": "Enabled", "Time": {"Minutes": 15}}
    assert destination["Metrics"]["Status"] == "Enabled"
