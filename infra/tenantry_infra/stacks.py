"""Table of the stacks, in the order in which they are created."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .template import Template

__all__ = ["CHART", "DATA_TYPES", "INFRA", "STACKS", "Stack", "StackRegion", "find_profile", "find_stack"]

INFRA = Path(__file__).resolve().parents[1]
"""Folder with the templates, the environments and the policies of IAM."""

CHART = INFRA.parent / "charts" / "tenantry"
"""Folder of the chart."""


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
    """The region of copies."""

    GLOBAL = "us-east-1"
    """The region of CloudFront, whatever the environment's region is."""


@dataclass(frozen=True)
class Stack:
    """One stack of an environment.

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
    optional
        True if only environments with parameters of this stack have it.
    setting
        Field of the environment without which the stack is left out; empty for none.
    template_name
        Name of the template in ``cloudformation``; empty for the name of the stack.
    """

    name: str
    purpose: str
    needs: tuple[str, ...] = ()
    holds_data: bool = False
    region: StackRegion = StackRegion.HOME
    optional: bool = False
    setting: str = ""
    template_name: str = ""

    @property
    def template_file(self) -> Path:
        """Return the file of the stack's template."""
        return INFRA / "cloudformation" / f"{self.template_name or self.name}.yaml"

    @property
    def template(self) -> Template:
        """Return the stack's template."""
        return Template.load(self.template_file)


STACKS = (
    Stack("keys", "encryption keys of the data tier, of the cluster and of alarms", holds_data=True),
    Stack("network", "VPC, subnets, NAT gateways, endpoints, security groups"),
    Stack(
        "replica",
        "bucket of copies in another region",
        holds_data=True,
        region=StackRegion.REPLICA,
        setting="replica_region",
    ),
    Stack("storage", "buckets of documents, files and access logs", needs=("replica",), holds_data=True),
    Stack("registry", "repositories of images", holds_data=True),
    Stack("identity", "roles of the services", needs=("storage",)),
    Stack("data", "RDS for PostgreSQL, ElastiCache", needs=("network", "keys"), holds_data=True),
    Stack("backup", "AWS Backup", needs=("keys", "storage", "data"), holds_data=True),
    Stack("web-acl", "rules of AWS WAF for the load balancer", setting="edge"),
    Stack(
        "edge",
        "load balancer in front of Open WebUI",
        needs=("network", "storage", "web-acl"),
        setting="edge",
    ),
    Stack(
        "web-acl-global",
        "rules of AWS WAF for CloudFront",
        region=StackRegion.GLOBAL,
        setting="edge",
        template_name="web-acl",
    ),
    Stack(
        "edge-global",
        "CloudFront in front of the load balancer",
        needs=("storage", "edge", "web-acl-global"),
        region=StackRegion.GLOBAL,
        setting="edge",
    ),
    Stack("dns", "records of the host in Route 53", needs=("edge", "edge-global"), setting="edge"),
    Stack("observability", "dashboard, alarms, log groups", needs=("keys", "data")),
    Stack("budget", "monthly budget of the account"),
    Stack("deployer", "installation of releases by the pipeline", needs=("network",), optional=True),
    Stack(
        "pipeline",
        "pipeline of releases to all environments",
        needs=("storage",),
        holds_data=True,
        optional=True,
    ),
)


def find_stack(name: str) -> Stack:
    """Return the stack of a name; raise :class:`KeyError` if there is none."""
    return {stack.name: stack for stack in STACKS}[name]


def find_profile(environment: str) -> Path | None:
    """Return the file of the chart's profile for an environment; None if it has none."""
    file = CHART / f"values-eks-{environment}.yaml"
    return file if file.is_file() else None
