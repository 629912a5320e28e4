"""The AWS account of an environment: its identity and its clients."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from .cloudformation import CloudFormation
from .environment import Environment
from .errors import DeploymentError
from .zones import check_zones

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_s3 import S3Client

    from .stacks import Stack

__all__ = ["AwsAccount"]

RETRIES = Config(connect_timeout=10, read_timeout=60, retries={"mode": "adaptive", "total_max_attempts": 10})


class AwsAccount:
    """The account of an environment, with the credentials of the shell.

    Parameters
    ----------
    environment
        The environment.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._session = boto3.Session(region_name=environment.region)
        self._regions: dict[str, CloudFormation] = {}

    @cached_property
    def identity(self) -> tuple[str, str]:
        """Return the account's number and the ARN of the caller."""
        identity = self._session.client("sts", config=RETRIES).get_caller_identity()
        return identity["Account"], identity["Arn"]

    def check(self) -> None:
        """Check that the credentials belong to the environment's account.

        Raises
        ------
        DeploymentError
            They belong to another account, or the environment names none.
        """
        number, arn = self.identity
        name, expected = self.environment.name, self.environment.account
        if not expected:
            raise DeploymentError(
                f"The environment {name} names no account. Your credentials belong to {number} ({arn}). "
                f'If that is the account of {name}, set account: "{number}" in its file.'
            )
        if number != expected:
            raise DeploymentError(
                f"The environment {name} is in account {expected}, but your credentials belong to {number} "
                f"({arn}). Select other credentials, for example with AWS_PROFILE."
            )

    def get_cloudformation(self, stack: "Stack") -> CloudFormation:
        """Return CloudFormation in the region of a stack."""
        return self.open_cloudformation(self.environment.get_region(stack))

    def open_cloudformation(self, region: str) -> CloudFormation:
        """Return CloudFormation in a region."""
        if region not in self._regions:
            client = self._session.client("cloudformation", region_name=region, config=RETRIES)
            self._regions[region] = CloudFormation(client)
        return self._regions[region]

    def check_zones(self) -> None:
        """Check that EKS accepts the zones of the environment; raise DeploymentError otherwise."""
        check_zones(self.environment, self._session.client("ec2", config=RETRIES))

    def has_cluster(self) -> bool:
        """Return True if the environment's EKS cluster exists."""
        eks = self._session.client("eks", config=RETRIES)
        try:
            eks.describe_cluster(name=self.environment.cluster_name)
        except eks.exceptions.ResourceNotFoundException:
            return False
        return True

    def get_s3(self, stack: "Stack") -> "S3Client":
        """Return S3 in the region of a stack."""
        client: Any = self._session.client(
            "s3", region_name=self.environment.get_region(stack), config=RETRIES
        )
        return client  # type: ignore[no-any-return]

    def get_rds(self, stack: "Stack") -> Any:
        """Return RDS in the region of a stack."""
        return self._session.client("rds", region_name=self.environment.get_region(stack), config=RETRIES)

    def get_elb(self, stack: "Stack") -> Any:
        """Return Elastic Load Balancing in the region of a stack."""
        return self._session.client("elbv2", region_name=self.environment.get_region(stack), config=RETRIES)

    def get_secrets_manager(self) -> Any:
        """Return Secrets Manager in the environment's region."""
        return self._session.client("secretsmanager", config=RETRIES)

    def get_backup(self, stack: "Stack") -> Any:
        """Return AWS Backup in the region of a stack."""
        return self._session.client("backup", region_name=self.environment.get_region(stack), config=RETRIES)

    def get_ecr(self, stack: "Stack") -> "ECRClient":
        """Return ECR in the region of a stack."""
        client: Any = self._session.client(
            "ecr", region_name=self.environment.get_region(stack), config=RETRIES
        )
        return client  # type: ignore[no-any-return]
