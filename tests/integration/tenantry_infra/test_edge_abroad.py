"""Tests of an environment outside of CloudFront's region: other regions, failover, rotation and removal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws.running import (
    DeployedEnvironment,
    Emulator,
    create_hosted_zone,
    make_environment_file,
)

from .test_edge import get_forwarding_rule, list_headers, list_records

ACCOUNT, REGION = "333322221111", "eu-west-1"


def test_a_plan_of_an_empty_account_lists_the_stacks_of_the_edge(emulator: Emulator, tmp_path: Path) -> None:
    aws = replace(emulator, account="333322224444")
    file = make_file(tmp_path, "Z0123456789ABCDEFGHIJ", account=aws.account)
    status, output = aws.run_command("plan", str(file))
    assert status == 0, output
    for resource in ("Distribution", "LoadBalancer", "OriginHeaderA", "HealthCheck", "NoHealthyPod"):
        assert f"  + {resource} (" in output
    assert "OriginHeaderB" not in output


@pytest.fixture(scope="module")
def abroad(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> DeployedEnvironment:
    """Return staging in Europe, as the primary one of two regions."""
    aws = replace(emulator, account=ACCOUNT)
    folder, zone = tmp_path_factory.mktemp("abroad"), create_hosted_zone(aws, "example.eu")
    environment = DeployedEnvironment(aws, make_file(folder, zone), "")
    deploy(environment)
    return environment


def make_file(folder: Path, zone: str, *, account: str = ACCOUNT, **edge: Any) -> Path:
    """Write the environment with parameters of its edge; return its file."""
    return make_environment_file(
        folder, "staging", account,
        fields={"region": REGION, "edge": {"host": "chat.example.eu", "hostedZoneId": zone}},
        network={"LoadBalancerPrefixList": "pl-4fa04526"}, dns={"Failover": "primary"}, edge=edge,
    )  # fmt: skip


def change(environment: DeployedEnvironment, **edge: Any) -> None:
    """Deploy the environment again, with parameters of its edge."""
    (zone,) = environment.connect("route53").list_hosted_zones()["HostedZones"]
    make_file(environment.file.parent, zone["Id"].removeprefix("/hostedzone/"), **edge)
    deploy(environment)


def deploy(environment: DeployedEnvironment) -> None:
    status, output = environment.emulator.run_command("up", str(environment.file))
    assert status == 0, output


def get_sent_header(environment: DeployedEnvironment) -> str:
    """Return the header that CloudFront sends."""
    (found,) = environment.connect("cloudfront").list_distributions()["DistributionList"]["Items"]
    config = environment.connect("cloudfront").get_distribution_config(Id=found["Id"])["DistributionConfig"]
    (origin,) = config["Origins"]["Items"]
    (header,) = origin["CustomHeaders"]["Items"]
    return str(header["HeaderValue"])


def get_accepted_headers(environment: DeployedEnvironment) -> list[str]:
    """Return the headers that the load balancer accepts."""
    elb = environment.connect("elbv2", REGION)
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    return list_headers(get_forwarding_rule(elb, listener))


def list_stacks(environment: DeployedEnvironment, region: str) -> set[str]:
    found = environment.connect("cloudformation", region).describe_stacks()["Stacks"]
    return {
        stack["StackName"].removeprefix("tenantry-staging-")
        for stack in found
        if stack["StackStatus"] != "DELETE_COMPLETE"
    }


def test_only_cloudfronts_stacks_are_in_its_region(abroad: DeployedEnvironment) -> None:
    assert list_stacks(abroad, "us-east-1") == {"web-acl-global", "edge-global"}
    assert {"network", "web-acl", "edge", "dns"} <= list_stacks(abroad, REGION)


def test_the_header_is_copied_to_cloudfronts_region(abroad: DeployedEnvironment) -> None:
    assert [get_sent_header(abroad)] == get_accepted_headers(abroad)


def test_a_second_deployment_changes_nothing(abroad: DeployedEnvironment) -> None:
    stacks = list_stacks(abroad, REGION) | list_stacks(abroad, "us-east-1")
    status, output = abroad.emulator.run_command("up", str(abroad.file))
    assert status == 0
    assert output.count("no change") == len(stacks)


def test_the_primary_region_serves_while_a_pod_is_healthy(abroad: DeployedEnvironment) -> None:
    origin = list_records(abroad)["origin.chat.example.eu.", "A"]
    assert (origin["SetIdentifier"], origin["Failover"]) == (REGION, "PRIMARY")
    assert origin["AliasTarget"]["EvaluateTargetHealth"] is True
    (check,) = abroad.connect("route53").list_health_checks()["HealthChecks"]
    assert origin["HealthCheckId"] == check["Id"]
    assert check["HealthCheckConfig"]["Type"] == "CLOUDWATCH_METRIC"
    (alarm,) = abroad.connect("cloudwatch", REGION).describe_alarms(
        AlarmNames=["tenantry-staging-no-healthy-pod"]
    )["MetricAlarms"]
    edge = abroad.get_outputs("edge", REGION)
    assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == {
        "LoadBalancer": edge["LoadBalancerName"],
        "TargetGroup": edge["TargetGroupName"],
    }
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")


def test_a_rotation_of_the_header_never_sends_one_that_is_refused(abroad: DeployedEnvironment) -> None:
    first = get_sent_header(abroad)
    change(abroad, OriginHeader=["b", "a"])
    second = get_sent_header(abroad)
    assert second != first
    assert set(get_accepted_headers(abroad)) == {first, second}
    change(abroad, OriginHeader="b")
    assert get_accepted_headers(abroad) == [get_sent_header(abroad)] == [second]

    change(abroad, OriginHeader=["a", "b"])
    third = get_sent_header(abroad)
    assert third not in (first, second), "a used value is generated again"
    assert set(get_accepted_headers(abroad)) == {second, third}


def test_a_protected_load_balancer_stops_a_removal(abroad: DeployedEnvironment) -> None:
    before = {region: list_stacks(abroad, region) for region in ("us-east-1", REGION)}
    status, output = abroad.emulator.run_command("down", str(abroad.file), "--yes")
    assert status == 1
    assert "protected from deletion: arn:aws:elasticloadbalancing:eu-west-1" in output
    assert "Set parameters.edge.DeletionProtection to false" in output
    assert {region: list_stacks(abroad, region) for region in before} == before

    change(abroad, DeletionProtection=False)
    status, output = abroad.emulator.run_command("down", str(abroad.file), "--yes")
    assert status == 0, output
    assert list_stacks(abroad, "us-east-1") == set()
    assert not {"web-acl", "edge", "dns"} & list_stacks(abroad, REGION)
    assert list_records(abroad) == {}
