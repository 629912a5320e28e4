"""Tests that each profile for EKS fits on the nodes of the environment of the same name."""

import pytest
from tenantry_infra.environment import Environment, find_environment

from tests.support.charts.capacity import (
    KEYCLOAK,
    SIZES,
    PodRequests,
    list_job_pods,
    list_nodes,
    list_pods,
    list_unplaced,
    parse_cpu,
)
from tests.support.charts.rendering import render

ENVIRONMENTS = ("dev", "small", "staging", "prod")
environments = pytest.mark.parametrize("name", ENVIRONMENTS)


def load(name: str) -> Environment:
    return Environment.load(find_environment(name))


@environments
def test_all_pods_fit_on_the_smallest_number_of_nodes(name: str) -> None:
    assert list_unplaced(list_nodes(load(name)), list_pods(render(f"values-eks-{name}.yaml"), name)) == []


@environments
def test_there_is_room_for_any_job_and_for_a_new_pod_during_an_update(name: str) -> None:
    release = render(f"values-eks-{name}.yaml")
    pods = list(list_pods(release, name))
    for extra in {*list_job_pods(release), *(pod for pod in pods if pod.nodes == "general")}:
        assert list_unplaced(list_nodes(load(name)), [*pods, extra]) == [], extra


def test_the_small_environment_keeps_two_pods_of_each_scaled_service_and_what_fits_at_most() -> None:
    release = render("values-eks-small.yaml")
    scalers = release.list_objects("HorizontalPodAutoscaler")
    assert {scaler["spec"]["minReplicas"] for scaler in scalers} == {2}
    for scaler in scalers:
        pods = list(list_pods(release, "small"))
        name = scaler["spec"]["scaleTargetRef"]["name"]
        one = next(pod for pod in pods if pod.name == name)
        more = [one] * (scaler["spec"]["maxReplicas"] - scaler["spec"]["minReplicas"])
        assert list_unplaced(list_nodes(load("small")), [*pods, *more]) == [], name


def test_a_fourth_node_of_the_small_environment_has_room_for_prometheus_and_a_second_keycloak() -> None:
    environment, prometheus = load("small"), PodRequests("prometheus", cpu=500, memory=2048)
    nodes, pods = list_nodes(environment), [*list_pods(render("values-eks-small.yaml"), "small"), prometheus]
    assert list_unplaced(nodes, pods) != []
    assert environment.cluster.general_nodes.max_size == 4
    assert list_unplaced([*list_nodes(environment), list_nodes(environment)[0]], [*pods, KEYCLOAK]) == []


def test_a_pod_that_is_too_large_and_a_third_peer_have_no_node() -> None:
    nodes = list_nodes(load("small"))
    large = PodRequests("large", cpu=SIZES["t4g.large"][0], memory=64)
    assert list_unplaced(nodes, [large]) == [large]
    peers = [PodRequests("qdrant", cpu=500, memory=64, nodes="qdrant")] * 3
    assert list_unplaced(nodes, peers) == peers[:1]


def test_processors_are_read_as_kubernetes_writes_them() -> None:
    assert [parse_cpu(text) for text in ("250m", "1", "0.5")] == [250, 1000, 500]
