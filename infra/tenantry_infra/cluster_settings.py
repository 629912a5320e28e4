"""Settings of an environment's EKS cluster."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from .aws_limits import LogDays, check_instance_types
from .file_model import FileModel
from .network_limits import check_public_networks

__all__ = ["KUBERNETES_VERSION", "ClusterSettings", "NodeGroupSettings"]

KUBERNETES_VERSION = "1.36"
"""Default version: the newest in EKS' standard support on 2026-11-29."""


OLDEST_MINOR = 32
"""Oldest minor version in EKS' extended support on that day: 1.31 left it on 2026-11-26."""


def _check_version(value: str) -> str:
    newest = int(KUBERNETES_VERSION.removeprefix("1."))
    if not OLDEST_MINOR <= int(value.removeprefix("1.")) <= newest:
        raise ValueError(
            f"{value} is no version of EKS that this release knows: these are 1.{OLDEST_MINOR} to 1.{newest}"
        )
    return value


def _check_roles(values: list[str]) -> list[str]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is listed twice, and EKS accepts a role once")
    return values


class NodeGroupSettings(FileModel):
    """A group of nodes. Qdrant's settings apply to the group of each zone.

    Parameters
    ----------
    instance_types
        Types of EC2 instances of the same size.
    min_size, max_size
        Number of nodes. The group starts with the minimum.
    """

    instance_types: Annotated[list[str], Field(min_length=1), AfterValidator(check_instance_types)]
    min_size: Annotated[int, Field(ge=1)] = 1
    max_size: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _validate_sizes(self) -> Self:
        if self.min_size > self.max_size:
            raise ValueError(f"minSize is {self.min_size}, more than maxSize, which is {self.max_size}")
        return self


class ClusterSettings(FileModel):
    """Settings of the cluster.

    Parameters
    ----------
    version
        Version of Kubernetes.
    administrators
        ARNs of the IAM roles whose members administer the cluster.
    api_cidrs
        Addresses that may reach the public endpoint of the API server. Empty: it has no public endpoint.
    log_days
        Days for which the logs of the control plane are kept.
    karpenter_version
        Version of Karpenter, which then creates the nodes that the groups do not have. Empty: no Karpenter.
    general_nodes, qdrant_nodes
        Groups of nodes. One group of Qdrant's is created in each zone.
    """

    version: Annotated[str, Field(pattern=r"^1\.[1-9]\d$"), AfterValidator(_check_version)] = (
        KUBERNETES_VERSION
    )
    administrators: Annotated[
        list[Annotated[str, Field(pattern=r"^arn:aws:iam::\d{12}:role/.+$")]], AfterValidator(_check_roles)
    ] = Field(default_factory=list)
    api_cidrs: Annotated[list[str], AfterValidator(check_public_networks)] = Field(default_factory=list)
    log_days: LogDays = 90
    karpenter_version: Annotated[str, Field(pattern=r"^(v?\d+\.\d+\.\d+)?$")] = ""
    general_nodes: NodeGroupSettings
    qdrant_nodes: NodeGroupSettings
