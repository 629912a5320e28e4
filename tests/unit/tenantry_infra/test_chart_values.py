"""Tests of the values for the chart."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from tenantry_infra.chart_values import VALUES, build_values, list_missing, list_unset
from tenantry_infra.environment import EdgeSettings, Environment, find_environment
from tenantry_infra.stacks import STACKS

from tools.version import REPOSITORY

CHART = REPOSITORY / "charts" / "tenantry"
OUTPUTS = {
    "network": {
        "PublicCidrs": "10.0.1.0/24,10.0.2.0/24", "AppCidrs": "10.0.10.0/24,10.0.11.0/24",
        "DataCidrs": "10.0.20.0/24,10.0.21.0/24", "LoadBalancerPrefixList": "pl-3b927c52",
    },
    "storage": {"DocumentsBucket": "digital-twin-docs-prod", "FilesBucket": "open-webui-files-prod"},
    "registry": {
        f"{name}Repository": f"111122223333.dkr.ecr.us-east-1.amazonaws.com/tenantry/{name.lower()}"
        for name in ("Operator", "Gateway", "FileSync", "Jobs")
    },
    "identity": {
        "TenantRoleArn": "arn:aws:iam::111122223333:role/tenantry-tenant",
        "ModelsRoleArn": "arn:aws:iam::111122223333:role/tenantry-models",
    },
    "data": {"DatabaseHost": "tenantry-prod.abc.us-east-1.rds.amazonaws.com", "CacheHost": "master.x"},
    "edge": {
        "TargetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/tenantry-prod/1"
    },
}  # fmt: skip


@pytest.fixture
def production() -> Environment:
    return Environment.load(find_environment("prod"))


@pytest.fixture
def public(production: Environment) -> Environment:
    """Return production with a host."""
    edge = EdgeSettings(host="chat.example.com", hosted_zone_id="Z0123456789ABCDEFGHIJ")
    return production.model_copy(update={"edge": edge})


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        merged[key] = merge(merged.get(key, {}), value) if isinstance(value, dict) else value
    return merged


def test_every_value_is_an_output_of_its_stack() -> None:
    outputs = {stack.name: stack.template.outputs for stack in STACKS}
    for value in VALUES:
        assert value.output in outputs[value.stack], value.path


def test_the_chart_accepts_the_values_over_its_example_of_production(production: Environment) -> None:
    values = build_values(production, OUTPUTS)
    assert list_missing(production, OUTPUTS) == []
    defaults, example = (
        yaml.safe_load((CHART / name).read_text()) for name in ("values.yaml", "values-eks-prod.yaml")
    )
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert [
        error.message
        for error in Draft7Validator(schema).iter_errors(merge(merge(defaults, example), values))
    ] == []


def test_the_values_name_the_networks_and_the_prefix_list(production: Environment) -> None:
    values = build_values(production, OUTPUTS)
    assert values["global"]["network"]["postgres"]["cidrs"] == ["10.0.20.0/24", "10.0.21.0/24"]
    assert values["global"]["network"]["loadBalancer"]["cidrs"] == ["10.0.1.0/24", "10.0.2.0/24"]
    # The addresses of the API server, and that of its Service, which pods use.
    assert values["global"]["network"]["kubernetes"] == {
        "cidrs": ["10.0.10.0/24", "10.0.11.0/24"],
        "serviceCidrs": ["172.20.0.1/32"],
    }
    assert values["ingress"]["alb"]["prefixLists"] == ["pl-3b927c52"]


def test_a_stack_that_does_not_exist_leaves_out_its_values(production: Environment) -> None:
    values = build_values(production, {"storage": OUTPUTS["storage"]})
    assert values["global"]["aws"]["documentsBucket"] == "digital-twin-docs-prod"
    assert "n8n" not in values
    assert "n8n.postgres.host" in list_missing(production, {"storage": OUTPUTS["storage"]})


def test_with_a_host_the_pods_belong_to_the_load_balancer_of_the_stacks(public: Environment) -> None:
    values = build_values(public, OUTPUTS)
    assert values["global"]["openWebui"]["url"] == "https://chat.example.com"
    assert values["targetGroupBinding"] == {
        "targetGroupArn": OUTPUTS["edge"]["TargetGroupArn"],
        "enabled": True,
    }
    assert values["ingress"]["enabled"] is False


def test_without_a_host_the_chart_decides(production: Environment) -> None:
    without_edge = {name: values for name, values in OUTPUTS.items() if name != "edge"}
    values = build_values(production, without_edge)
    assert "openWebui" not in values["global"]
    assert "targetGroupBinding" not in values
    assert "enabled" not in values["ingress"]
    assert list_missing(production, without_edge) == []


def test_a_load_balancer_that_does_not_exist_yet_is_missing(public: Environment) -> None:
    without_edge = {name: values for name, values in OUTPUTS.items() if name != "edge"}
    assert list_missing(public, without_edge) == ["targetGroupBinding.targetGroupArn"]


def test_without_a_cache_its_host_and_addresses_are_left_to_a_person(production: Environment) -> None:
    parameters = {**production.parameters, "data": {**production.parameters["data"], "Cache": "false"}}
    environment = production.model_copy(update={"parameters": parameters})
    outputs = {**OUTPUTS, "data": {"DatabaseHost": "tenantry-prod.abc.us-east-1.rds.amazonaws.com"}}
    values = build_values(environment, outputs)
    assert list_missing(environment, outputs) == []
    assert "redis" not in values["global"]["network"]
    assert {"n8n.redis.host", "global.network.redis.cidrs"} <= set(list_unset(environment, values))


def test_pods_may_ask_the_dns_of_the_cluster(production: Environment) -> None:
    environment = production.model_copy(update={"service_cidr": "10.200.0.0/16"})
    dns = build_values(environment, OUTPUTS)["global"]["network"]["dns"]
    assert dns == {"cidrs": ["10.200.0.10/32", "169.254.20.10/32"]}


def test_the_values_that_no_stack_determines_are_listed(production: Environment, public: Environment) -> None:
    without_edge = {name: values for name, values in OUTPUTS.items() if name != "edge"}
    assert list_unset(production, build_values(production, without_edge)) == [
        "global.keycloak.url",
        "global.openWebui.url",
        "ingress.alb.webAclArn",
    ]
    assert list_unset(public, build_values(public, OUTPUTS)) == ["global.keycloak.url"]


def test_an_environment_without_a_profile_gets_the_list_of_all_profiles(production: Environment) -> None:
    environment = production.model_copy(update={"name": "eu"})
    without_edge = {name: values for name, values in OUTPUTS.items() if name != "edge"}
    unset = list_unset(environment, build_values(environment, without_edge))
    assert unset == [
        "global.keycloak.url",
        "global.openWebui.url",
        "ingress.alb.inboundCidrs",
        "ingress.alb.webAclArn",
    ]
