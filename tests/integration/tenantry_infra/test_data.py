"""Tests of the data tier and its keys, read back from RDS, ElastiCache, Secrets Manager and KMS."""

import json
from typing import Any

import pytest
from tenantry_local.redis_users import GATEWAY, OPERATOR, USERS

from tests.support.aws.running import DeployedEnvironment

IGNORED = {
    "AWS::ElastiCache::ReplicationGroup": ["CacheParameterGroupName", "KmsKeyId", "SecurityGroupIds"],
    "AWS::ElastiCache::User": ["AuthenticationMode"],
    "AWS::SecretsManager::Secret": ["GenerateSecretString.ExcludePunctuation"],
    "AWS::RDS::DBInstance": ["EnableCloudwatchLogsExports", "ManageMasterUserPassword", "MasterUserSecret"],
}
"""Properties that the emulator ignores. tests/unit/tenantry_infra/test_data.py tests them."""


@pytest.fixture(scope="module")
def database(production: DeployedEnvironment) -> Any:
    (found,) = production.connect("rds").describe_db_instances()["DBInstances"]
    return found


@pytest.fixture(scope="module")
def cache(production: DeployedEnvironment) -> Any:
    (found,) = production.connect("elasticache").describe_replication_groups()["ReplicationGroups"]
    return found


def test_the_database_survives_the_loss_of_a_zone_and_of_a_disk(database: Any) -> None:
    assert (database["Engine"], database["DBInstanceClass"]) == ("postgres", "db.t4g.medium")
    assert int(database["EngineVersion"].partition(".")[0]) >= 16
    assert database["MultiAZ"] is True
    assert database["BackupRetentionPeriod"] == 7
    assert database["MaxAllocatedStorage"] > database["AllocatedStorage"]


def test_the_database_cannot_be_deleted_by_mistake(database: Any) -> None:
    assert database["DeletionProtection"] is True
    assert database["CopyTagsToSnapshot"] is True


def test_the_database_is_encrypted_with_the_key_of_the_data_tier(
    database: Any, production: DeployedEnvironment
) -> None:
    assert database["StorageEncrypted"] is True
    assert database["KmsKeyId"] == production.get_outputs("keys")["DataKeyArn"]


def test_the_database_is_reachable_only_from_the_cluster(
    database: Any, production: DeployedEnvironment
) -> None:
    network = production.get_outputs("network")
    assert database["PubliclyAccessible"] is False
    groups = [group["VpcSecurityGroupId"] for group in database["VpcSecurityGroups"]]
    assert groups == [network["DatabaseSecurityGroup"]]
    subnets = [subnet["SubnetIdentifier"] for subnet in database["DBSubnetGroup"]["Subnets"]]
    assert subnets == network["DataSubnets"].split(",")


def test_the_database_refuses_connections_without_tls(database: Any, production: DeployedEnvironment) -> None:
    (group,) = database["DBParameterGroups"]
    found = production.connect("rds").describe_db_parameters(
        DBParameterGroupName=group["DBParameterGroupName"]
    )
    values = {each["ParameterName"]: each.get("ParameterValue") for each in found["Parameters"]}
    assert values["rds.force_ssl"] == "1"


def test_redis_is_encrypted_and_fails_over(cache: Any) -> None:
    assert (cache["TransitEncryptionEnabled"], cache["TransitEncryptionMode"]) == (True, "required")
    assert cache["AtRestEncryptionEnabled"] is True
    assert (cache["AutomaticFailover"], cache["MultiAZ"]) == ("enabled", "enabled")
    assert len(cache["MemberClusters"]) == 2
    zones = {each["PreferredAvailabilityZone"] for each in cache["NodeGroups"][0]["NodeGroupMembers"]}
    assert len(zones) == 2


def test_redis_never_evicts_a_job_of_the_queue(production: DeployedEnvironment) -> None:
    elasticache = production.connect("elasticache")
    names = [
        each["CacheParameterGroupName"]
        for each in elasticache.describe_cache_parameter_groups()["CacheParameterGroups"]
        if each["Description"] == "Redis of Tenantry"
    ]
    (name,) = names
    found = elasticache.describe_cache_parameters(CacheParameterGroupName=name)["Parameters"]
    values = {each["ParameterName"]: each.get("ParameterValue") for each in found}
    assert values["maxmemory-policy"] == "noeviction"


def test_redis_has_a_user_of_each_program_and_a_default_user_without_rights(
    cache: Any, production: DeployedEnvironment
) -> None:
    elasticache = production.connect("elasticache")
    assert cache["UserGroupIds"] == ["tenantry"]
    (group,) = elasticache.describe_user_groups()["UserGroups"]
    assert set(group["UserIds"]) == {*USERS, "tenantry-default"}
    # The emulator's answer about a user with an ampersand in its rules is no XML.
    for name, rules in {
        "tenantry-default": "off -@all",
        GATEWAY: f"on resetchannels {USERS[GATEWAY]}",
        OPERATOR: f"on resetchannels {USERS[OPERATOR]}",
    }.items():
        (user,) = elasticache.describe_users(UserId=name)["Users"]
        assert user["AccessString"] == rules


def test_redis_is_reachable_only_from_the_cluster(production: DeployedEnvironment) -> None:
    found = production.connect("ec2").describe_security_groups(
        Filters=[{"Name": "tag:Name", "Values": ["tenantry-prod-cache"]}]
    )
    (group,) = found["SecurityGroups"]
    (inbound,) = group["IpPermissions"]
    assert (inbound["FromPort"], inbound["ToPort"]) == (6379, 6379)
    sources = [each["GroupId"] for each in inbound["UserIdGroupPairs"]]
    assert sources == [production.get_outputs("network")["ClusterSecurityGroup"]]
    (outbound,) = group["IpPermissionsEgress"]
    assert [each["CidrIp"] for each in outbound["IpRanges"]] == ["127.0.0.1/32"]


def test_each_program_has_a_different_random_password(production: DeployedEnvironment) -> None:
    manager = production.connect("secretsmanager")
    key = production.get_outputs("keys")["DataKeyArn"]
    passwords = set()
    for name in USERS:
        assert manager.describe_secret(SecretId=f"tenantry/redis/{name}")["KmsKeyId"] == key
        secret = json.loads(manager.get_secret_value(SecretId=f"tenantry/redis/{name}")["SecretString"])
        assert secret["username"] == name
        assert len(secret["password"]) == 48
        passwords.add(secret["password"])
    assert len(passwords) == len(USERS)


def test_no_password_is_printed_or_an_output(production: DeployedEnvironment) -> None:
    manager = production.connect("secretsmanager")
    texts = [production.output, json.dumps(production.get_outputs("data"))]
    for name in USERS:
        secret = json.loads(manager.get_secret_value(SecretId=f"tenantry/redis/{name}")["SecretString"])
        assert not [text for text in texts if secret["password"] in text]


@pytest.mark.parametrize("output", ["DataKeyArn", "ClusterKeyArn"])
def test_a_key_is_rotated_and_has_an_alias(production: DeployedEnvironment, output: str) -> None:
    kms, key = production.connect("kms"), production.get_outputs("keys")[output]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    (alias,) = kms.list_aliases(KeyId=key)["Aliases"]
    assert alias["AliasName"].startswith("alias/tenantry-prod-")
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    principals = [statement["Principal"] for statement in policy["Statement"]]
    assert principals == [{"AWS": "arn:aws:iam::111122223333:root"}]
