"""Tests of the lock of the vault and of the messages of the budget, in the templates."""

import re
from datetime import timedelta

from tenantry_infra.stacks import STACKS

TEMPLATES = {stack.name: stack.template for stack in STACKS}


def test_backups_cannot_be_deleted_within_a_week() -> None:
    vault = TEMPLATES["backup"].document["Resources"]["Vault"]
    lock = vault["Properties"]["LockConfiguration"]
    assert lock["MinRetentionDays"] == 7
    # Without a number of days, the lock can still be changed.
    assert lock["ChangeableForDays"] == {"Fn::If": ["Compliance", 3, {"Ref": "AWS::NoValue"}]}
    assert TEMPLATES["backup"].parameters["Lock"].default == "governance"


def test_documents_can_be_left_out() -> None:
    assert "DocumentPlan" in TEMPLATES["backup"].list_resources({})
    assert "DocumentPlan" not in TEMPLATES["backup"].list_resources({"DocumentDays": "0"})


def test_messages_come_before_and_at_the_limit() -> None:
    budget = TEMPLATES["budget"].document["Resources"]["Budget"]["Properties"]
    condition, notifications, _ = budget["NotificationsWithSubscribers"]["Fn::If"]
    assert condition == "WithMessages"
    listed = [each["Notification"] for each in notifications]
    kinds = {(each["NotificationType"], each["Threshold"]) for each in listed}
    assert kinds == {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}


def test_backups_of_the_database_start_an_hour_before_its_windows_or_after_them() -> None:
    """RDS cannot start a backup of AWS Backup during its two windows, and in the hour before them."""
    (rule,) = TEMPLATES["backup"].document["Resources"]["DailyPlan"]["Properties"]["BackupPlan"][
        "BackupPlanRule"
    ]
    daily = re.fullmatch(r"cron\((\d+) (\d+) \* \* \? \*\)", rule["ScheduleExpression"])
    assert daily
    first = timedelta(hours=int(daily[2]), minutes=int(daily[1]))
    last = first + timedelta(minutes=rule["StartWindowMinutes"])
    database = TEMPLATES["data"].document["Resources"]["Database"]["Properties"]
    for name in ("PreferredBackupWindow", "PreferredMaintenanceWindow"):
        start, end = (
            timedelta(hours=int(hour), minutes=int(minute))
            for hour, minute in re.findall(r"(\d\d):(\d\d)", database[name])
        )
        assert start < end, f"{name} passes midnight"
        assert last <= start - timedelta(hours=1) or first >= end, f"{name} is {database[name]}"
