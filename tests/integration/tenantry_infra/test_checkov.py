"""checkov on all templates. Each finding is either repaired or exempted with a reason."""

import json
import subprocess

from tenantry_infra.stacks import INFRA

from tools.linters import checkov

CLUSTER_LOGS = ("ApplicationLogs", "DataplaneLogs", "HostLogs", "MetricLogs", "PerformanceLogs")

EXEMPTIONS = {
    ("CKV_AWS_18", "Logs"): "Logs of access to the logs would be logged without an end.",
    ("CKV_AWS_18", "Replica"): "Only S3 itself writes there, and access logs must be in the same region.",
    ("CKV_AWS_21", "Files"): "An erased tenant must leave nothing. Each file that matters is a document.",
    ("CKV_AWS_21", "Logs"): "Only S3 writes there, and it overwrites nothing.",
    (
        "CKV_AWS_86",
        "Distribution",
    ): "The check knows only old logs, which need ACLs. See AccessLogs.",
    ("CKV_AWS_118", "Database"): "The alarms use metrics that RDS has without an agent.",
    ("CKV_AWS_136", "*"): "ECR encrypts images with AES-256; they hold no secret that needs a separate key.",
    (
        "CKV_AWS_149",
        "OriginHeaderA",
    ): "The value is copied to us-east-1, which has no key of the stacks.",
    ("CKV_AWS_158", "BlockedRequests"): "CloudWatch encrypts logs; sessions are not in them.",
    ("CKV_AWS_158", "FlowLogGroup"): "CloudWatch encrypts logs; addresses need no separate key.",
    ("CKV_AWS_158", "LogGroup"): "CloudWatch encrypts logs; helm prints names of objects, and no secret.",
    **{
        ("CKV_AWS_158", group): "CloudWatch encrypts logs; programs log no text of a document or a question."
        for group in CLUSTER_LOGS
    },
}
"""Check and logical id of a resource (or ``*``) to the reason."""


def run_checkov() -> set[tuple[str, str]]:
    """Return the check and the logical id of each failed check."""
    program = checkov.install(print)
    options = ["--framework", "cloudformation", "-o", "json", "--quiet", "--compact"]
    done = subprocess.run(
        [program, "-d", INFRA / "cloudformation", *options], capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 100
    return {
        (each["check_id"], each["resource"].rpartition(".")[2]) for each in report["results"]["failed_checks"]
    }


def test_every_finding_has_a_reason_and_every_reason_a_finding() -> None:
    findings = run_checkov()
    unexplained = {each for each in findings if each not in EXEMPTIONS and (each[0], "*") not in EXEMPTIONS}
    assert unexplained == set()
    found = findings | {(check, "*") for check, _ in findings}
    assert EXEMPTIONS.keys() - found == set(), "exemptions that no template needs"
