"""Expected use of an environment in a month, for the estimate of its cost."""

from typing import Annotated

from pydantic import Field

from .file_model import FileModel

__all__ = ["ExpectedUsage"]

Quantity = Annotated[int, Field(ge=0)]


class ExpectedUsage(FileModel):
    """Expected use in a month. It changes nothing but the estimate.

    Parameters
    ----------
    documents_gb
        Documents and uploaded files in S3, with their versions.
    images_gb
        Images in ECR.
    backup_gb
        Backups in AWS Backup.
    logs_gb
        Logs of the control plane and of the pods.
    flow_logs_gb
        Flow logs of the VPC.
    metrics
        Metrics that the services write for CloudWatch: ten, and one for each tenant with questions.
    deployments
        Releases that the pipeline installs.
    traffic_gb
        Data between the cluster and the internet.
    """

    documents_gb: Quantity = 10
    images_gb: Quantity = 10
    backup_gb: Quantity = 20
    logs_gb: Quantity = 10
    flow_logs_gb: Quantity = 2
    metrics: Quantity = 20
    deployments: Quantity = 10
    traffic_gb: Quantity = 20
