"""Addresses and host names of the servers outside the cluster.

The host names are those in the profile, so that certificates are verified under these names.
"""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import yaml

from tools.chart_schema import CHART

__all__ = ["ADDRESSES", "Hosts"]

ADDRESSES = {
    # In the subnets of the chart's default network policies.
    "postgres": "10.0.20.10",
    "redis": "10.0.21.10",
    # Outside of all ranges in the profiles: these servers are on the internet.
    "keycloak": "203.0.113.10",
    "aws": "203.0.113.11",
    "bedrock": "203.0.113.12",
    # The address of EKS' agent on each node.
    "pod-identity": "169.254.170.23",
}
"""Address of each server. The machine gets these addresses while the servers run."""


@dataclass(frozen=True)
class Hosts:
    """Host names in a profile."""

    chat: str
    login: str
    postgres: str
    redis: str

    @classmethod
    def read(cls, profile: str) -> Self:
        """Return the host names in ``values-PROFILE.yaml``."""
        values = yaml.safe_load((CHART / f"values-{profile}.yaml").read_text())
        return cls(
            chat=urlsplit(values["global"]["openWebui"]["url"]).netloc,
            login=urlsplit(values["global"]["keycloak"]["url"]).netloc,
            postgres=values["n8n"]["postgres"]["host"],
            redis=values["n8n"]["redis"]["host"],
        )

    @property
    def addresses(self) -> dict[str, str]:
        """Return the addresses of the names that pods look up."""
        return {
            self.login: ADDRESSES["keycloak"],
            self.postgres: ADDRESSES["postgres"],
            self.redis: ADDRESSES["redis"],
        }
