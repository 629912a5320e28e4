"""Tests of the availability zones that EKS refuses."""

from pathlib import Path
from typing import Any

import pytest
from tenantry_infra.errors import DeploymentError
from tenantry_infra.zones import check_zones

from tests.unit.tenantry_infra.test_environment import load_environment, read_environment

# As AWS shuffles the names in one account.
ZONES = {
    "us-east-1a": "use1-az6",
    "us-east-1b": "use1-az3",
    "us-east-1c": "use1-az1",
    "us-east-1d": "use1-az2",
}


class FakeEc2:
    """EC2 with zones, of which some have a default subnet."""

    def __init__(self, zones: dict[str, str], default: tuple[str, ...] = ()) -> None:
        self._zones = zones
        self._default = default

    def describe_availability_zones(self, **_: Any) -> dict[str, Any]:
        zones = [{"ZoneName": name, "ZoneId": id_} for name, id_ in self._zones.items()]
        return {"AvailabilityZones": zones}

    def describe_subnets(self, **_: Any) -> dict[str, Any]:
        return {"Subnets": [{"AvailabilityZone": name} for name in self._default]}


def check(folder: Path, zones: Any, ec2: FakeEc2) -> None:
    document = read_environment()
    document["parameters"]["network"]["Zones"] = zones
    check_zones(load_environment(folder, document), ec2)


def test_a_first_zone_that_eks_refuses_is_named_with_those_that_it_accepts(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError) as caught:
        check(tmp_path, "", FakeEc2(ZONES))
    assert str(caught.value) == (
        "EKS creates no cluster in us-east-1b (use1-az3). Set parameters.network.Zones in the file of dev to "
        "the names of two of us-east-1a (use1-az6), us-east-1c (use1-az1), us-east-1d (use1-az2)."
    )


@pytest.mark.parametrize(
    ("zones", "message"),
    [
        (["us-east-1c", "us-east-1b"], r"EKS creates no cluster in us-east-1b \(use1-az3\)"),
        (["us-east-1a", "us-east-1f"], "The account has no zone us-east-1f"),
    ],
)
def test_a_chosen_zone_is_checked(tmp_path: Path, zones: list[str], message: str) -> None:
    with pytest.raises(DeploymentError, match=message):
        check(tmp_path, zones, FakeEc2(ZONES))


def test_accepted_zones_pass(tmp_path: Path) -> None:
    check(tmp_path, ["us-east-1a", "us-east-1c"], FakeEc2(ZONES))
    # CloudFormation takes the first zones with a default subnet.
    check(tmp_path, "", FakeEc2(ZONES, default=("us-east-1d", "us-east-1c")))
    with pytest.raises(DeploymentError, match="us-east-1b"):
        check(tmp_path, "", FakeEc2(ZONES, default=("us-east-1d", "us-east-1b")))


@pytest.mark.parametrize("refused", ["use1-az3", "usw1-az2", "cac1-az3"])
def test_each_zone_without_eks_is_refused(tmp_path: Path, refused: str) -> None:
    with pytest.raises(DeploymentError, match=refused):
        check(tmp_path, "", FakeEc2({"us-east-1a": refused, "us-east-1b": "use1-az1"}))
