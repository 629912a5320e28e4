"""Availability zones of an environment, and those in which EKS creates no cluster."""

from typing import Any

from .environment import Environment
from .errors import DeploymentError

__all__ = ["check_zones"]

REFUSED_BY_EKS = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})
"""Ids of the zones in which EKS creates no cluster. An id names the same zone in all accounts."""


def check_zones(environment: Environment, ec2: Any) -> None:
    """Check that EKS accepts the zones of an environment.

    Parameters
    ----------
    environment
        The environment.
    ec2
        Client of EC2 in the environment's region.

    Raises
    ------
    DeploymentError
        The account does not have a zone, or EKS refuses it.
    """
    ids = _list_zones(ec2)
    chosen = environment.zones or _list_first_zones(ec2, ids)
    absent = [zone for zone in chosen if zone not in ids]
    refused = [f"{zone} ({ids[zone]})" for zone in chosen if ids.get(zone) in REFUSED_BY_EKS]
    if absent or refused:
        accepted = [f"{zone} ({ids[zone]})" for zone in sorted(ids) if ids[zone] not in REFUSED_BY_EKS]
        fault = (
            f"The account has no zone {', '.join(absent)}."
            if absent
            else f"EKS creates no cluster in {', '.join(refused)}."
        )
        raise DeploymentError(
            f"{fault} Set parameters.network.Zones in the file of {environment.name} to the names of two of "
            f"{', '.join(accepted)}."
        )


def _list_zones(ec2: Any) -> dict[str, str]:
    """Return the ids of the account's zones by their names."""
    filters = [
        {"Name": "zone-type", "Values": ["availability-zone"]},
        {"Name": "state", "Values": ["available"]},
    ]
    found = ec2.describe_availability_zones(Filters=filters)["AvailabilityZones"]
    return {zone["ZoneName"]: zone["ZoneId"] for zone in found}


def _list_first_zones(ec2: Any, ids: dict[str, str]) -> list[str]:
    """Return the zones that CloudFormation chooses: of those with a default subnet, if there are any."""
    subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    zones = {subnet["AvailabilityZone"] for subnet in subnets} & ids.keys()
    return sorted(zones or ids)[:2]
