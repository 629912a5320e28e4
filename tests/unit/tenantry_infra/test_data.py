"""Tests of properties of the data tier that the emulator ignores, in the template."""

from typing import Any

import pytest
from tenantry_infra.stacks import STACKS
from tenantry_local.redis_users import USERS

(DATA,) = (stack for stack in STACKS if stack.name == "data")
RESOURCES = DATA.template.document["Resources"]


def get_properties(name: str) -> Any:
    return RESOURCES[name]["Properties"]


def test_rds_manages_the_password_of_the_administrator() -> None:
    database = get_properties("Database")
    assert database["ManageMasterUserPassword"] is True
    assert database["MasterUserSecret"] == {"KmsKeyId": {"Ref": "DataKeyArn"}}
    assert "MasterUserPassword" not in database


def test_a_removed_database_leaves_a_snapshot() -> None:
    for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
        assert RESOURCES["Database"][policy] == "Snapshot"
    assert get_properties("Database")["DeleteAutomatedBackups"] is False


def test_logs_of_the_database_are_kept() -> None:
    assert get_properties("Database")["EnableCloudwatchLogsExports"] == ["postgresql", "upgrade"]


def test_redis_uses_the_key_the_group_and_the_parameters_of_this_stack() -> None:
    cache = get_properties("CacheCluster")
    assert cache["KmsKeyId"] == {"Ref": "DataKeyArn"}
    assert cache["SecurityGroupIds"] == [{"Ref": "CacheSecurityGroup"}]
    assert cache["CacheParameterGroupName"] == {"Ref": "CacheParameters"}


@pytest.mark.parametrize("name", USERS)
def test_a_user_of_redis_has_the_rules_of_the_local_platform_and_a_password(name: str) -> None:
    (resource,) = (
        key for key, value in RESOURCES.items() if value.get("Properties", {}).get("UserName") == name
    )
    user, secret = get_properties(resource), resource.replace("User", "Password")
    assert user["AccessString"] == f"on resetchannels {USERS[name]}"
    assert user["AuthenticationMode"]["Type"] == "password"
    reference = f"{{{{resolve:secretsmanager:${{{secret}}}:SecretString:password}}}}"
    assert user["AuthenticationMode"]["Passwords"] == [{"Fn::Sub": reference}]
    assert get_properties(secret)["Name"] == f"tenantry/redis/{name}"
    # A password is part of a URL.
    assert get_properties(secret)["GenerateSecretString"]["ExcludePunctuation"] is True


def test_without_the_cache_nothing_of_it_is_created() -> None:
    types = {
        resource["Type"].rpartition("::")[0]
        for resource in DATA.template.list_resources({"Cache": "false"}).values()
    }
    assert types == {"AWS::RDS"}


def test_a_major_version_is_upgraded_only_on_demand() -> None:
    allowed = DATA.template.parameters["AllowMajorVersionUpgrade"]
    assert allowed.default == "false"
    assert get_properties("Database")["AllowMajorVersionUpgrade"] == {"Ref": "AllowMajorVersionUpgrade"}
