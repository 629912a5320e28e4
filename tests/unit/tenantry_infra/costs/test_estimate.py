"""Tests of the estimate of an environment's cost."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from tenantry_infra.costs.estimate import CLUSTER, Cost, estimate_environment, estimate_stack
from tenantry_infra.environment import Environment, find_environment
from tenantry_infra.stacks import INFRA, STACKS, Stack
from tenantry_infra.template import Template

from tools.cost_reference import ENVIRONMENTS, load_complete


def load(name: str) -> Environment:
    return load_complete(name)


def change(folder: Path, name: str, changes: dict[str, dict[str, Any]]) -> Environment:
    """Return an environment with other parameters, under its name."""
    document = yaml.safe_load(find_environment(name).read_text())
    for stack, parameters in changes.items():
        document["parameters"].setdefault(stack, {}).update(parameters)
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(document))
    return Environment.load(file)


def get_stack(name: str) -> Stack:
    (stack,) = (stack for stack in STACKS if stack.name == name)
    return stack


def count(cost: Cost, name: str) -> float:
    """Return the number of things with a price."""
    return float(sum(item.count for item in cost.items if item.price.name == name))


def test_all_environments_are_on_the_page() -> None:
    assert set(ENVIRONMENTS) == {file.stem for file in (INFRA / "environments").glob("*.yaml")}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_everything_in_the_repositorys_environments_has_a_price(name: str) -> None:
    for stack, cost in estimate_environment(load(name)).items():
        assert cost.unknown == (), stack


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_budget_of_an_environment_is_more_than_its_estimate(name: str) -> None:
    environment = load(name)
    estimate = sum(cost.dollars for cost in estimate_environment(environment).values())
    assert estimate <= int(environment.parameters["budget"]["MonthlyLimit"])


def test_the_small_environment_costs_at_most_500_dollars() -> None:
    assert sum(cost.dollars for cost in estimate_environment(load("small")).values()) <= 500


@pytest.mark.parametrize(("gateways", "number"), [("one", 1), ("per-zone", 2)])
def test_nat_gateways_and_their_addresses_are_counted(tmp_path: Path, gateways: str, number: int) -> None:
    environment = change(tmp_path, "dev", {"network": {"NatGateways": gateways}})
    cost = estimate_stack(environment, get_stack("network"))
    assert count(cost, "NAT gateway") == number
    assert count(cost, "public IPv4 address") == number


@pytest.mark.parametrize(("enabled", "number"), [(True, 12), (False, 0)])
def test_an_interface_endpoint_costs_in_each_zone_and_a_gateway_endpoint_nothing(
    tmp_path: Path, enabled: bool, number: int
) -> None:
    environment = change(tmp_path, "dev", {"network": {"InterfaceEndpoints": enabled}})
    cost = estimate_stack(environment, get_stack("network"))
    assert count(cost, "interface endpoint in a zone") == number


def test_a_standby_doubles_the_database_and_its_storage(tmp_path: Path) -> None:
    for standby, copies in ((False, 1), (True, 2)):
        parameters = {"DatabaseClass": "db.t4g.medium", "DatabaseStorage": 70, "MultiAz": standby}
        cost = estimate_stack(change(tmp_path, "dev", {"data": parameters}), get_stack("data"))
        assert count(cost, "database db.t4g.medium") == copies
        assert count(cost, "storage of the database") == 70 * copies


def test_without_a_cache_neither_it_nor_its_passwords_cost(tmp_path: Path) -> None:
    cost = estimate_stack(change(tmp_path, "dev", {"data": {"Cache": False}}), get_stack("data"))
    assert count(cost, "cache node cache.t4g.micro") == 0
    assert count(cost, "secret in Secrets Manager") == 1


def test_what_has_no_price_is_named_and_left_out(tmp_path: Path) -> None:
    environment = change(tmp_path, "dev", {"data": {"DatabaseClass": "db.r5b.24xlarge"}})
    cost = estimate_stack(environment, get_stack("data"))
    assert cost.unknown == ("db.r5b.24xlarge",)
    assert str(cost).endswith("a month, without db.r5b.24xlarge")
    assert cost.dollars > 0


def test_a_type_without_a_rule_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "template.yaml"
    file.write_text("Resources: {Lake: {Type: AWS::Water::Lake}, Key: {Type: AWS::KMS::Key}}")
    environment = load("dev")
    monkeypatch.setattr(Stack, "template", Template.load(file))
    cost = estimate_stack(environment, get_stack("keys"))
    assert cost.unknown == ("AWS::Water::Lake",)
    assert cost.dollars == 1


def test_the_cluster_has_its_nodes_and_the_volumes_of_nodes_and_peers() -> None:
    cost = estimate_environment(load("prod"))[CLUSTER]
    assert count(cost, "control plane of EKS") == 1
    assert count(cost, "node m7i.2xlarge") == 3
    assert count(cost, "node r7i.xlarge") == 2  # one in each zone
    assert count(cost, "volumes of gp3") == 5 * 80 + 2 * 100


def test_the_load_balancer_is_counted_once(tmp_path: Path) -> None:
    without_edge = change(tmp_path, "prod", {})
    assert count(estimate_environment(without_edge)[CLUSTER], "application load balancer") == 1
    costs = estimate_environment(load("prod"))
    assert [stack for stack, cost in costs.items() if count(cost, "application load balancer")] == ["edge"]


def test_an_hour_is_charged_730_times_and_a_gigabyte_once() -> None:
    (item,) = (
        item
        for item in estimate_environment(load("dev"))["network"].items
        if item.price.name == "NAT gateway"
    )
    assert item.dollars == Decimal("0.045") * 730


def test_the_expected_use_changes_the_estimate(tmp_path: Path) -> None:
    document = yaml.safe_load(find_environment("dev").read_text())
    document["usage"] = {"documentsGb": 1000}
    file = tmp_path / "dev.yaml"
    file.write_text(yaml.safe_dump(document))
    assert estimate_stack(Environment.load(file), get_stack("storage")).dollars == 23


def test_an_environment_without_a_profile_has_the_charts_defaults(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(find_environment("dev").read_text())
    cost = estimate_environment(Environment.load(file))[CLUSTER]
    assert count(cost, "volumes of gp3") == 4 * 80 + 2 * 100
    assert count(cost, "application load balancer") == 0
