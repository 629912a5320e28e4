"""Tests of properties of the network that the emulator does not show, in the template."""

from typing import Any

from tenantry_infra.stacks import STACKS

(NETWORK,) = (stack for stack in STACKS if stack.name == "network")
RESOURCES = NETWORK.template.document["Resources"]


def list_properties(kind: str) -> list[Any]:
    return [resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == kind]


def test_names_of_services_resolve_to_their_endpoints() -> None:
    endpoints = [
        each for each in list_properties("AWS::EC2::VPCEndpoint") if each["VpcEndpointType"] == "Interface"
    ]
    assert len(endpoints) == 6
    for endpoint in endpoints:
        assert endpoint["PrivateDnsEnabled"] is True
        assert endpoint["SecurityGroupIds"] == [{"Ref": "EndpointSecurityGroup"}]


def test_a_nat_gateway_has_the_address_of_its_zone() -> None:
    for zone in ("A", "B"):
        properties = RESOURCES[f"NatGateway{zone}"]["Properties"]
        assert properties["AllocationId"] == {"Fn::GetAtt": [f"NatAddress{zone}", "AllocationId"]}
        assert properties["SubnetId"] == {"Ref": f"PublicSubnet{zone}"}


def test_flow_logs_may_be_written_only_for_this_account() -> None:
    assert RESOURCES["FlowLog"]["Properties"]["DeliverLogsPermissionArn"] == {
        "Fn::GetAtt": ["FlowLogRole", "Arn"]
    }
    (statement,) = RESOURCES["FlowLogRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_without_a_prefix_list_the_load_balancer_is_open_to_the_internet() -> None:
    (rule,) = RESOURCES["LoadBalancerSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert rule["CidrIp"] == {"Fn::If": ["FromInternet", "0.0.0.0/0", {"Ref": "AWS::NoValue"}]}


def test_dev_has_one_nat_gateway_and_no_interface_endpoint() -> None:
    resources = NETWORK.template.list_resources({"NatGateways": "one", "InterfaceEndpoints": "false"})
    types = [resource["Type"] for resource in resources.values()]
    assert types.count("AWS::EC2::NatGateway") == 1
    assert [name for name in resources if name.endswith("Endpoint")] == ["S3Endpoint"]


def test_each_subnet_is_in_the_zone_that_the_environment_chooses() -> None:
    for kind in ("Public", "App", "Data"):
        for position, zone in enumerate("AB"):
            assert RESOURCES[f"{kind}Subnet{zone}"]["Properties"]["AvailabilityZone"] == {
                "Fn::Select": [
                    position,
                    {"Fn::If": ["FirstZones", {"Fn::GetAZs": ""}, {"Fn::Split": [",", {"Ref": "Zones"}]}]},
                ]
            }
