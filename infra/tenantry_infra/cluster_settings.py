"""Settings of an environment's EKS cluster."""

import ipaddress
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

__all__ = ["KUBERNETES_VERSION", "ClusterSettings", "NodeGroupSettings"]

KUBERNETES_VERSION = "1.36"
"""Default version: the newest in EKS' standard support on 2026-11-29."""


def _check_network(value: str) -> str:
    ipaddress.IPv4Network(value)
    return value


class _Settings(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True)


class NodeGroupSettings(_Settings):
    """A group of nodes. Qdrant's settings apply to the group of each zone.

    Parameters
    ----------
    instance_types
        Types of EC2 instances of the same size.
    min_size, max_size
        Number of nodes. The group starts with the minimum.
    """

    instance_types: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9]+$")]], Field(min_length=1)
    ]
    min_size: Annotated[int, Field(ge=1)] = 1
    max_size: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _validate_sizes(self) -> Self:
        if self.min_size > self.max_size:
            raise ValueError(f"minSize is {self.min_size}, more than maxSize, which is {self.max_size}")
        return self


class ClusterSettings(_Settings):
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

    version: Annotated[str, Field(pattern=r"^1\.\d{2}$")] = KUBERNETES_VERSION
    administrators: list[Annotated[str, Field(pattern=r"^arn:[a-z-]+:iam::\d{12}:role/.+$")]] = []
    api_cidrs: list[Annotated[str, AfterValidator(_check_network)]] = []
    log_days: Annotated[int, Field(ge=1)] = 90
    karpenter_version: Annotated[str, Field(pattern=r"^(v?\d+\.\d+\.\d+)?$")] = ""
    general_nodes: NodeGroupSettings
    qdrant_nodes: NodeGroupSettings
