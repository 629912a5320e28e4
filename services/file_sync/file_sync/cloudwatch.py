"""Metrics of file-sync in CloudWatch: those that the alarms of ``infra`` need."""

from servicekit.cloudwatch import CloudWatchMetric, Count
from servicekit.remote import FAILURES

__all__ = ["METRICS"]

METRICS: tuple[CloudWatchMetric, ...] = (
    Count(
        "S3ClientErrors",
        FAILURES,
        "Calls that S3 or STS refused (4xx)",
        {"system": "s3", "outcome": "permanent"},
    ),
)
