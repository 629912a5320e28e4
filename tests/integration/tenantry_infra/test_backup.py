"""Tests of backups and the budget, read back from AWS Backup and AWS Budgets."""

from typing import Any

import pytest

from tests.support.aws.running import ACCOUNT, DeployedEnvironment

IGNORED = {"AWS::Backup::BackupVault": ["LockConfiguration"]}
"""Properties that the emulator ignores. tests/unit/tenantry_infra/test_backup.py tests them."""


@pytest.fixture(scope="module")
def backup(production: DeployedEnvironment) -> Any:
    return production.connect("backup")


@pytest.fixture(scope="module")
def plans(backup: Any) -> dict[str, Any]:
    """Return the rule and the selections of each plan by its name."""
    found = {}
    for plan in backup.list_backup_plans()["BackupPlansList"]:
        (rule,) = backup.get_backup_plan(BackupPlanId=plan["BackupPlanId"])["BackupPlan"]["Rules"]
        listed = backup.list_backup_selections(BackupPlanId=plan["BackupPlanId"])["BackupSelectionsList"]
        selections = [
            backup.get_backup_selection(BackupPlanId=plan["BackupPlanId"], SelectionId=each["SelectionId"])
            for each in listed
        ]
        found[plan["BackupPlanName"]] = rule, [each["BackupSelection"] for each in selections]
    return found


def test_the_vault_is_encrypted_with_the_key_of_the_data_tier(
    backup: Any, production: DeployedEnvironment
) -> None:
    vault = backup.describe_backup_vault(BackupVaultName="tenantry-prod")
    assert vault["EncryptionKeyArn"] == production.get_outputs("keys")["DataKeyArn"]


def test_the_database_and_the_volumes_of_the_release_are_saved_daily(
    plans: dict[str, Any], production: DeployedEnvironment
) -> None:
    rule, selections = plans["tenantry-prod-daily"]
    assert rule["TargetBackupVaultName"] == "tenantry-prod"
    assert rule["ScheduleExpression"] == "cron(0 4 * * ? *)"
    assert int(rule["Lifecycle"]["DeleteAfterDays"]) == 35
    assert not rule.get("EnableContinuousBackup")
    by_name = {each["SelectionName"]: each for each in selections}
    assert by_name["database"]["Resources"] == [production.get_outputs("data")["DatabaseArn"]]
    assert by_name["volumes"]["ListOfTags"] == [
        {
            "ConditionType": "STRINGEQUALS",
            "ConditionKey": "kubernetes.io/created-for/pvc/namespace",
            "ConditionValue": "tenantry",
        }
    ]


def test_documents_can_be_restored_to_any_second_of_35_days(plans: dict[str, Any]) -> None:
    rule, (selection,) = plans["tenantry-prod-documents"]
    assert rule["EnableContinuousBackup"] is True
    assert int(rule["Lifecycle"]["DeleteAfterDays"]) == 35
    assert selection["Resources"] == ["arn:aws:s3:::digital-twin-docs-prod"]


def test_the_budget_covers_the_whole_account(production: DeployedEnvironment) -> None:
    (budget,) = production.connect("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]
    assert (budget["BudgetType"], budget["TimeUnit"]) == ("COST", "MONTHLY")
    assert float(budget["BudgetLimit"]["Amount"]) == 2100
    assert not budget.get("CostFilters")
