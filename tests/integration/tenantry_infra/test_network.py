"""Tests of the network, read back from EC2 after its deployment."""

from typing import Any

import pytest

from tests.support.aws.running import DeployedEnvironment

IGNORED = {
    "AWS::EC2::FlowLog": ["DeliverLogsPermissionArn"],
    "AWS::EC2::NatGateway": ["AllocationId"],
    "AWS::EC2::VPCEndpoint": ["PrivateDnsEnabled", "SecurityGroupIds"],
}
"""Properties that EC2 of the emulator does not show. tests/unit/tenantry_infra/test_network.py tests them."""

ANYWHERE, VPC = "0.0.0.0/0", "10.0.0.0/16"
Rule = tuple[str, int | None, str]


@pytest.fixture(scope="module")
def ec2(production: DeployedEnvironment) -> Any:
    return production.connect("ec2")


@pytest.fixture(scope="module")
def outputs(production: DeployedEnvironment) -> dict[str, str]:
    return production.get_outputs("network")


@pytest.fixture(scope="module")
def groups(ec2: Any, outputs: dict[str, str]) -> dict[str, Any]:
    """Return the security groups by the end of their names."""
    found = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [outputs["VpcId"]]}])
    return {
        get_tags(group)["Name"].removeprefix("tenantry-prod-"): group
        for group in found["SecurityGroups"]
        if group["GroupName"] != "default"
    }


def get_tags(resource: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


def list_subnets(ec2: Any, ids: str) -> list[Any]:
    found: list[Any] = ec2.describe_subnets(SubnetIds=ids.split(","))["Subnets"]
    return sorted(found, key=lambda subnet: subnet["AvailabilityZone"])


def list_rules(group: Any, direction: str, names: dict[str, str]) -> set[Rule]:
    """Return protocol, port and source or destination of each rule. Groups have their names."""
    rules = set[Rule]()
    for permission in group[direction]:
        port = permission.get("FromPort")
        assert port == permission.get("ToPort")
        others = [each["CidrIp"] for each in permission["IpRanges"]]
        others += [names[each["GroupId"]] for each in permission["UserIdGroupPairs"]]
        others += [each["PrefixListId"] for each in permission["PrefixListIds"]]
        assert not permission["Ipv6Ranges"]
        rules |= {(permission["IpProtocol"], port, other) for other in others}
    return rules


def list_routes(ec2: Any, subnet: str) -> dict[str, str]:
    """Return the target of each destination of a subnet's routes."""
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])[
        "RouteTables"
    ]
    return {
        route["DestinationCidrBlock"]: route.get("NatGatewayId") or route.get("GatewayId", "")
        for route in table["Routes"]
    }


def test_the_vpc_resolves_names_of_endpoints(ec2: Any, outputs: dict[str, str]) -> None:
    (vpc,) = ec2.describe_vpcs(VpcIds=[outputs["VpcId"]])["Vpcs"]
    assert vpc["CidrBlock"] == VPC
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        answer = ec2.describe_vpc_attribute(VpcId=outputs["VpcId"], Attribute=attribute)
        assert answer[attribute[0].upper() + attribute[1:]]["Value"] is True


@pytest.mark.parametrize(
    ("output", "cidrs", "tags"),
    [
        ("PublicSubnets", ["10.0.1.0/24", "10.0.2.0/24"], {"kubernetes.io/role/elb": "1"}),
        (
            "AppSubnets",
            ["10.0.10.0/24", "10.0.11.0/24"],
            {"kubernetes.io/role/internal-elb": "1", "karpenter.sh/discovery": "tenantry-prod"},
        ),
        ("DataSubnets", ["10.0.20.0/24", "10.0.21.0/24"], {}),
    ],
)
def test_subnets_have_the_addresses_of_the_architecture_in_two_zones(
    ec2: Any, outputs: dict[str, str], output: str, cidrs: list[str], tags: dict[str, str]
) -> None:
    subnets = list_subnets(ec2, outputs[output])
    assert sorted(subnet["CidrBlock"] for subnet in subnets) == cidrs
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2
    for subnet in subnets:
        assert subnet["MapPublicIpOnLaunch"] is False
        kubernetes = {key: value for key, value in get_tags(subnet).items() if "/" in key}
        assert kubernetes == tags


def test_subnets_are_in_the_zones_of_the_environment(ec2: Any, outputs: dict[str, str]) -> None:
    assert outputs["Zones"] == "us-east-1b,us-east-1a"
    for output in ("PublicSubnets", "AppSubnets", "DataSubnets"):
        found = {each["SubnetId"]: each["AvailabilityZone"] for each in list_subnets(ec2, outputs[output])}
        assert [found[subnet] for subnet in outputs[output].split(",")] == ["us-east-1b", "us-east-1a"]


def test_public_subnets_route_to_the_internet(ec2: Any, outputs: dict[str, str]) -> None:
    (gateway,) = ec2.describe_internet_gateways(
        Filters=[{"Name": "attachment.vpc-id", "Values": [outputs["VpcId"]]}]
    )["InternetGateways"]
    for subnet in outputs["PublicSubnets"].split(","):
        assert list_routes(ec2, subnet) == {VPC: "local", ANYWHERE: gateway["InternetGatewayId"]}


def test_application_subnets_route_to_the_nat_gateway_of_their_zone(
    ec2: Any, outputs: dict[str, str]
) -> None:
    found = ec2.describe_nat_gateways(Filters=[{"Name": "vpc-id", "Values": [outputs["VpcId"]]}])
    gateways = {gateway["SubnetId"]: gateway["NatGatewayId"] for gateway in found["NatGateways"]}
    public, app = (list_subnets(ec2, outputs[name]) for name in ("PublicSubnets", "AppSubnets"))
    for outside, inside in zip(public, app, strict=True):
        assert list_routes(ec2, inside["SubnetId"]) == {VPC: "local", ANYWHERE: gateways[outside["SubnetId"]]}


def test_data_subnets_have_no_route_out_of_the_vpc(ec2: Any, outputs: dict[str, str]) -> None:
    for subnet in outputs["DataSubnets"].split(","):
        assert list_routes(ec2, subnet) == {VPC: "local"}


def test_endpoints_cover_the_services_that_pods_call(ec2: Any, outputs: dict[str, str]) -> None:
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [outputs["VpcId"]]}])[
        "VpcEndpoints"
    ]
    by_service = {each["ServiceName"].removeprefix("com.amazonaws.us-east-1."): each for each in found}
    assert set(by_service) == {
        "s3", "sts", "ecr.api", "ecr.dkr", "bedrock-runtime", "logs", "secretsmanager",
    }  # fmt: skip
    gateway = by_service.pop("s3")
    assert gateway["VpcEndpointType"] == "Gateway"
    assert len(gateway["RouteTableIds"]) == 2
    for endpoint in by_service.values():
        assert endpoint["VpcEndpointType"] == "Interface"
        assert endpoint["SubnetIds"] == outputs["AppSubnets"].split(",")


@pytest.mark.parametrize(
    ("group", "inbound", "outbound"),
    [
        # In production, requests reach the load balancer only from CloudFront.
        ("load-balancer", {("tcp", 443, "pl-3b927c52")}, {("tcp", 8080, "cluster")}),
        (
            "cluster",
            {("tcp", 8080, "load-balancer"), ("tcp", 5678, "cluster"), ("tcp", 6333, "cluster")},
            {("-1", None, VPC), ("tcp", 443, ANYWHERE)},
        ),
        ("api", {("tcp", 443, "10.0.10.0/24"), ("tcp", 443, "10.0.11.0/24")}, {("-1", None, "127.0.0.1/32")}),
        ("deploy", set(), {("tcp", 443, ANYWHERE)}),
        # A rule to the own address is CloudFormation's way to allow nothing.
        ("database", {("tcp", 5432, "cluster")}, {("-1", None, "127.0.0.1/32")}),
        ("endpoints", {("tcp", 443, VPC)}, {("-1", None, "127.0.0.1/32")}),
    ],
)
def test_security_groups_have_exactly_the_rules_of_the_architecture(
    groups: dict[str, Any], group: str, inbound: set[Rule], outbound: set[Rule]
) -> None:
    names = {each["GroupId"]: name for name, each in groups.items()}
    assert list_rules(groups[group], "IpPermissions", names) == inbound
    assert list_rules(groups[group], "IpPermissionsEgress", names) == outbound


def test_there_is_no_other_security_group(groups: dict[str, Any]) -> None:
    assert set(groups) == {
        "load-balancer", "cluster", "api", "deploy", "database", "cache", "endpoints",
    }  # fmt: skip


def test_karpenter_finds_the_group_of_the_nodes(groups: dict[str, Any]) -> None:
    assert [name for name, group in groups.items() if "karpenter.sh/discovery" in get_tags(group)] == [
        "cluster"
    ]


def test_traffic_is_logged(ec2: Any, outputs: dict[str, str], production: DeployedEnvironment) -> None:
    (log,) = ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [outputs["VpcId"]]}])[
        "FlowLogs"
    ]
    assert (log["TrafficType"], log["LogDestinationType"]) == ("ALL", "cloud-watch-logs")
    (group,) = production.connect("logs").describe_log_groups(logGroupNamePrefix="/tenantry/prod/flow-logs")[
        "logGroups"
    ]
    assert group["retentionInDays"] == 90
