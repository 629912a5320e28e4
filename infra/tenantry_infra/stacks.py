"""Table of the stacks, in the order in which they are created."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .template import Template

__all__ = ["DATA_TYPES", "INFRA", "STACKS", "Stack", "StackRegion"]

INFRA = Path(__file__).resolve().parents[1]
"""Folder with the templates, the environments and the policies of IAM."""


DATA_TYPES = {
    "AWS::Backup::BackupVault": "BackupVaultName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::KMS::Key": "",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::S3::Bucket": "BucketName",
}
"""Types of resources with data that cannot be created again, and the property with their name, if any."""


class StackRegion(Enum):
    """Region of a stack."""

    HOME = "region"
    """The environment's region."""

    REPLICA = "replicaRegion"
    """The region of copies. An environment without one has no such stack."""


@dataclass(frozen=True)
class Stack:
    """One stack of an environment. Its template is ``cloudformation/<name>.yaml``.

    A parameter that an environment does not set gets its value from an output of the same name of a stack in
    ``needs``.

    Parameters
    ----------
    name
        Name of the stack in an environment.
    purpose
        Text for people.
    needs
        Stacks that exist before this one, and whose outputs are this one's parameters.
    holds_data
        True if the stack has data that cannot be created again. Then its deletion is refused.
    region
        Region of the stack.
    """

    name: str
    purpose: str
    needs: tuple[str, ...] = ()
    holds_data: bool = False
    region: StackRegion = StackRegion.HOME

    @property
    def template_file(self) -> Path:
        """Return the file of the stack's template."""
        return INFRA / "cloudformation" / f"{self.name}.yaml"

    @property
    def template(self) -> Template:
        """Return the stack's template."""
        return Template.load(self.template_file)


STACKS = (
    Stack("keys", "encryption keys of the data tier, of the cluster and of alarms", holds_data=True),
    Stack("network", "VPC, subnets, NAT gateways, endpoints, security groups"),
    Stack("replica", "bucket of copies in another region", holds_data=True, region=StackRegion.REPLICA),
    Stack("storage", "buckets of documents, files and access logs", needs=("replica",), holds_data=True),
    Stack("registry", "repositories of images", holds_data=True),
    Stack("identity", "roles of the services", needs=("storage",)),
    Stack("data", "RDS for PostgreSQL, ElastiCache", needs=("network", "keys"), holds_data=True),
    Stack("backup", "AWS Backup", needs=("keys", "storage", "data"), holds_data=True),
    Stack("observability", "dashboard, alarms, log groups", needs=("keys", "data")),
    Stack("budget", "monthly budget of the account"),
)
