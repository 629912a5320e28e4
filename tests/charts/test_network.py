"""Tests of the network policies: they allow the connections of the AWS architecture and no others.

The tests evaluate the rendered policies as Kubernetes does: both sides must allow a connection. They do so
for both positions of the filter for egress: VPC CNI filters before the translation of Services' addresses.
"""

import json
from collections import Counter

import pytest

from tests.support.charts.cluster_objects import (
    API_SERVICE,
    DNS_SERVICE,
    AddressedRelease,
    assign_addresses,
    make_pod,
)
from tests.support.charts.rendering import PROFILES, RELEASE, HelmError, Object, Release, render
from tests.support.network.policies import EgressFilter, list_named_ports, resolve_rules
from tests.support.network.reachability import Reachability

WORLD = "203.0.113.7"
LOAD_BALANCER = "10.0.1.9"
POSTGRES = "10.0.20.9"
KUBERNETES = "10.0.10.3"
INGRESS = "10.244.0.7"
"""Address of an ingress controller's pod in kind."""
METADATA = "169.254.169.254"
"""Address of a node's metadata service, which has the node's credentials."""
AGENTS = ("169.254.170.23", "fd00:ec2::23")
"""Addresses of EKS' Pod Identity agent."""
FOREIGN = make_pod("foreign-pod", "10.0.11.250", {"app.kubernetes.io/name": "shell"})
"""A pod in the same namespace that is not part of the release."""

AWS_CLIENTS = ("gateway", "operator", "file-sync", "open-webui", "qdrant-snapshots", "smoke-test")
API_CLIENTS = ("gateway", "operator", "file-sync", "n8n-initial-scale", "qdrant-snapshots")

ALLOWED = {
    (LOAD_BALANCER, "open-webui", 8080),
    ("operator", "open-webui", 8080),
    ("open-webui-install", "open-webui", 8080),
    ("open-webui", "gateway", 8080),
    ("open-webui", "file-sync", 8080),
    ("open-webui", "n8n-webhook", 5678),
    ("open-webui", POSTGRES, 5432),
    ("open-webui", POSTGRES, 6379),
    ("open-webui", WORLD, 443),
    ("open-webui", POSTGRES, 443),
    ("open-webui", KUBERNETES, 443),
    ("open-webui", LOAD_BALANCER, 443),
    ("open-webui-migrate", POSTGRES, 5432),
    ("file-sync-grants", POSTGRES, 5432),
    ("databases-install", POSTGRES, 5432),
    ("gateway", "qdrant", 6333),
    ("operator", "qdrant", 6333),
    ("file-sync", "gateway", 8080),
    ("n8n-worker", "gateway", 8080),
    ("file-sync", "n8n-webhook", 5678),
    ("n8n-install", "n8n-webhook", 5678),
    ("n8n-install", "n8n", 5678),
    ("n8n", POSTGRES, 5432),
    ("n8n", POSTGRES, 6379),
    ("n8n-webhook", POSTGRES, 5432),
    ("n8n-webhook", POSTGRES, 6379),
    ("n8n-worker", POSTGRES, 5432),
    ("n8n-worker", POSTGRES, 6379),
    ("n8n-initial-scale", KUBERNETES, 443),
    ("n8n-initial-scale", LOAD_BALANCER, 443),
    ("n8n-initial-scale", POSTGRES, 443),
    ("gateway", WORLD, 443),
    ("operator", WORLD, 443),
    ("file-sync", WORLD, 443),
    ("file-sync", POSTGRES, 5432),
    ("gateway", POSTGRES, 6379),
    ("operator", POSTGRES, 6379),
    ("gateway", KUBERNETES, 443),
    ("operator", KUBERNETES, 443),
    ("file-sync", KUBERNETES, 443),
    ("gateway", POSTGRES, 443),
    ("operator", POSTGRES, 443),
    ("file-sync", POSTGRES, 443),
    ("gateway", LOAD_BALANCER, 443),
    ("operator", LOAD_BALANCER, 443),
    ("file-sync", LOAD_BALANCER, 443),
    ("qdrant-snapshots", "qdrant", 6333),
    ("smoke-test", "gateway", 8080),
    ("smoke-test", "file-sync", 8080),
    ("smoke-test", "n8n-webhook", 5678),
    ("smoke-test", "open-webui", 8080),
    ("smoke-test", "qdrant", 6333),
    *(
        (client, address, 443)
        for client in ("qdrant-snapshots", "smoke-test")
        for address in (WORLD, POSTGRES, KUBERNETES, LOAD_BALANCER)
    ),
}
"""Allowed connections. Port 443 is open to all addresses, because Bedrock, S3 and STS have no fixed
addresses. Clients of only the Kubernetes API may reach port 443 in the whole VPC."""

INCLUDED = {
    ("keycloak", "postgres", 5432),
    ("n8n", "postgres", 5432),
    ("n8n-webhook", "postgres", 5432),
    ("n8n-worker", "postgres", 5432),
    ("file-sync", "postgres", 5432),
    ("file-sync-grants", "postgres", 5432),
    ("open-webui", "postgres", 5432),
    ("open-webui-migrate", "postgres", 5432),
    ("open-webui", "redis", 6379),
    ("open-webui", "keycloak", 8080),
    ("gateway", "redis", 6379),
    ("operator", "redis", 6379),
    ("n8n", "redis", 6379),
    ("n8n-webhook", "redis", 6379),
    ("n8n-worker", "redis", 6379),
    ("gateway", "keycloak", 8080),
    ("operator", "keycloak", 8080),
    ("file-sync", "keycloak", 8080),
    ("smoke-test", "keycloak", 8080),
}
"""Additional connections in kind, to the release's own Postgres, Redis and Keycloak."""

PORTS = (80, 443, 5432, 5678, 6333, 6335, 6379, 8080, 8081, 9000, 9090)
OUTSIDE = (WORLD, LOAD_BALANCER, POSTGRES, KUBERNETES)

pytestmark = pytest.mark.parametrize("egress_filter", EgressFilter)


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart without monitoring."""
    return render("values-eks-prod.yaml", "--set", "global.network.monitoringNamespace=")


def list_connections(
    release: AddressedRelease, egress_filter: EgressFilter, outside: tuple[str, ...] = ()
) -> set[tuple[str, str, int]]:
    """Return the allowed connections with pods: source, target and port."""
    reachability = Reachability(release.objects, egress_filter)
    ends = {**release.pods, FOREIGN["metadata"]["name"]: FOREIGN["status"]["podIP"]}
    ends |= {address: address for address in outside}
    return {
        (source, target, port)
        for source, from_ in ends.items()
        for target, to in ends.items()
        for port in PORTS
        if source != target
        and {source, target} & set(release.pods)
        and target != FOREIGN["metadata"]["name"]  # no policy of this release restricts connections to it
        and reachability.can_connect(from_, to, port)
    }


def list_sources(
    release: AddressedRelease, egress_filter: EgressFilter, target: str, port: int, protocol: str = "TCP"
) -> set[str]:
    """Return the workloads whose pods may connect to an address."""
    reachability = Reachability(release.objects, egress_filter)
    return {
        name for name, pod in release.pods.items() if reachability.can_connect(pod, target, port, protocol)
    }


def test_exactly_these_connections_are_allowed(release: Release, egress_filter: EgressFilter) -> None:
    addressed = assign_addresses(release, other_pods=[FOREIGN])
    assert list_connections(addressed, egress_filter, OUTSIDE) == ALLOWED


@pytest.mark.parametrize("profile", PROFILES)
def test_a_service_is_reachable_exactly_if_its_pods_are(profile: str, egress_filter: EgressFilter) -> None:
    release = assign_addresses(render(profile), other_pods=[FOREIGN])
    assert release.services
    for target, (address, ports) in release.services.items():
        for port in ports:
            assert list_sources(release, egress_filter, address, port) - {target} == (
                list_sources(release, egress_filter, release.pods[target], port) - {target}
            )


@pytest.mark.parametrize(
    ("profile", "endpoint"), [("values-eks-prod.yaml", KUBERNETES), ("values-kind.yaml", "172.18.0.2")]
)
@pytest.mark.parametrize("narrowed", [False, True])
def test_exactly_its_clients_reach_the_kubernetes_api_through_its_service(
    profile: str, endpoint: str, narrowed: bool, egress_filter: EgressFilter
) -> None:
    options = ["--set", "global.network.kubernetes.port=443"]  # the port of the test's endpoint
    if profile == "values-kind.yaml":
        options += ["--set", f"global.network.kubernetes.serviceCidrs={{{API_SERVICE}/32}}"]
    if narrowed:
        options += ["--set", "global.network.aws.cidrs={10.0.30.0/24}"]
        options += ["--set", f"global.network.kubernetes.cidrs={{{endpoint}/32}}"]
    if narrowed and profile != "values-kind.yaml":
        options += ["--set", "global.network.keycloak.cidrs={10.0.40.0/24}"]
    release = assign_addresses(render(profile, *options), api_endpoint=endpoint)
    clients = list_sources(release, egress_filter, API_SERVICE, 443)
    # Without narrowed addresses, clients of AWS may reach port 443 of all addresses.
    assert clients == set(API_CLIENTS) | (set() if narrowed else set(AWS_CLIENTS))


@pytest.mark.parametrize("profile", [name for name in PROFILES if "eks" in name])
def test_exactly_the_clients_of_aws_reach_the_pod_identity_agent(
    profile: str, egress_filter: EgressFilter
) -> None:
    release = assign_addresses(render(profile))
    for agent in AGENTS:
        assert list_sources(release, egress_filter, agent, 80) == set(AWS_CLIENTS)
    assert list_sources(release, egress_filter, METADATA, 80) == set()


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize("namespace", ["kube-system", "dns"])
@pytest.mark.parametrize("profile", PROFILES)
def test_every_pod_resolves_names_with_dns_pods(
    profile: str, namespace: str, protocol: str, egress_filter: EgressFilter
) -> None:
    options = () if namespace == "kube-system" else ("--set", f"global.network.dns.namespace={namespace}")
    release = assign_addresses(render(profile, *options), dns_namespace=namespace)
    assert list_sources(release, egress_filter, DNS_SERVICE, 53, protocol) == set(release.pods)


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize("server", ["10.100.0.10", "172.20.0.10", "169.254.20.10"])
def test_every_pod_resolves_names_with_dns_on_its_node(
    server: str, protocol: str, egress_filter: EgressFilter
) -> None:
    release = assign_addresses(render("values-eks-prod.yaml"), dns_namespace=None)
    assert list_sources(release, egress_filter, server, 53, protocol) == set(release.pods)
    assert list_sources(release, egress_filter, WORLD, 53, protocol) == set()


def test_clients_of_aws_and_keycloak_have_both_families_of_addresses(
    release: Release, egress_filter: EgressFilter
) -> None:
    addressed = assign_addresses(release)
    for address in ("2600:1f18::1", WORLD):
        assert list_sources(addressed, egress_filter, address, 443) == set(AWS_CLIENTS)


def test_ipv6_addresses_in_values_are_addresses_of_peers(egress_filter: EgressFilter) -> None:
    service, endpoint = "fd5c:1::1", "2600:1f18::3"
    network = {
        "kubernetes": {"cidrs": [f"{endpoint}/128"], "serviceCidrs": [f"{service}/128"]},
        "postgres": {"cidrs": ["2600:1f18:20::/64"]},
        "loadBalancer": {"cidrs": ["2600:1f18:1::/64"]},
    }
    options = [
        option for name, value in network.items()
        for option in ("--set-json", f"global.network.{name}={json.dumps(value)}")
    ]  # fmt: skip
    release = assign_addresses(render("values-eks-prod.yaml", *options))
    for address in (service, endpoint):
        assert set(API_CLIENTS) <= list_sources(release, egress_filter, address, 443)
    assert "n8n" in list_sources(release, egress_filter, "2600:1f18:20::9", 5432)
    reachability = Reachability(release.objects, egress_filter)
    assert reachability.can_connect("2600:1f18:1::9", release.pods["open-webui"], 8080)
    assert not reachability.can_connect(LOAD_BALANCER, release.pods["open-webui"], 8080)


LISTS = (
    "loadBalancer.cidrs",
    "dns.cidrs",
    "aws.cidrs",
    "aws.podIdentityCidrs",
    "kubernetes.cidrs",
    "kubernetes.serviceCidrs",
)
"""Lists of addresses that can be empty in every profile."""


@pytest.mark.parametrize("value", ["[]", "null"])
@pytest.mark.parametrize("path", [*LISTS, "monitoringNamespace"])
def test_an_empty_list_allows_none(path: str, value: str, egress_filter: EgressFilter) -> None:
    if path == "monitoringNamespace":
        value = '""'
    before = assign_addresses(render("values-eks-prod.yaml"))
    after = assign_addresses(render("values-eks-prod.yaml", "--set-json", f"global.network.{path}={value}"))
    outside = (*OUTSIDE, *AGENTS, API_SERVICE, "10.100.0.10")
    assert list_connections(after, egress_filter, outside) <= list_connections(before, egress_filter, outside)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("empty", [False, True])
def test_every_rule_names_its_peers_and_ports(profile: str, empty: bool, egress_filter: EgressFilter) -> None:
    del egress_filter  # the rules are the same
    options = (
        [option for path in LISTS for option in ("--set-json", f"global.network.{path}=[]")] if empty else []
    )
    options += ["--set", "global.network.dns.namespace="] if empty else []
    for policy in render(profile, *options).list_objects("NetworkPolicy"):
        spec = policy["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(direction) or []:
                assert rule[peers], policy["metadata"]["name"]
                # VPC CNI ignores a block of addresses whose ports have names.
                assert rule["ports"], policy["metadata"]["name"]
                assert all(isinstance(port["port"], int) for port in rule["ports"])


def test_an_external_qdrant_has_its_addresses(egress_filter: EgressFilter) -> None:
    options = (
        "--set", "qdrant.enabled=false,global.qdrant.url=https://qdrant.example.com:6334",
        "--set", "global.network.qdrant.cidrs={198.51.100.0/24},global.network.qdrant.port=6334",
    )  # fmt: skip
    release = assign_addresses(render("values-eks-prod.yaml", *options))
    assert list_sources(release, egress_filter, "198.51.100.9", 6334) == {
        "gateway",
        "operator",
        "smoke-test",
    }
    with pytest.raises(HelmError, match=r"global/network/qdrant/cidrs|global\.network\.qdrant\.cidrs"):
        render("values-eks-prod.yaml", *options[:2])


def test_only_qdrant_reaches_qdrants_peer_port(egress_filter: EgressFilter) -> None:
    release = assign_addresses(render("values-kind.yaml", "--set", "qdrant.autoscaling.maxReplicas=2"))
    reachability = Reachability(release.objects, egress_filter)
    qdrant = release.pods["qdrant"]
    assert {name for name, pod in release.pods.items() if reachability.can_connect(pod, qdrant, 6335)} == {
        "qdrant"
    }
    assert not reachability.can_connect(FOREIGN["status"]["podIP"], qdrant, 6335)


def test_included_and_external_databases_have_the_same_clients(egress_filter: EgressFilter) -> None:
    inside = list_connections(assign_addresses(render("values-kind.yaml")), egress_filter)
    between_pods = {edge for edge in ALLOWED if not set(edge) & set(OUTSIDE)}
    assert inside == between_pods | INCLUDED


def test_the_ingress_controller_reaches_only_keycloak_and_open_webui(egress_filter: EgressFilter) -> None:
    connections = list_connections(assign_addresses(render("values-kind.yaml")), egress_filter, (INGRESS,))
    assert {edge for edge in connections if edge[0] == INGRESS} == {
        (INGRESS, "keycloak", 8080),
        (INGRESS, "open-webui", 8080),
    }


def test_the_monitoring_namespace_may_scrape_metrics(egress_filter: EgressFilter) -> None:
    prometheus = make_pod("prometheus", "10.0.11.240", {}, namespace="monitoring")
    release = assign_addresses(render("values-eks-prod.yaml"), other_pods=[prometheus])
    reachability = Reachability(release.objects, egress_filter)
    scraped = {
        (name, port)
        for name, pod in release.pods.items()
        for port in PORTS
        if reachability.can_connect("10.0.11.240", pod, port)
    }
    assert scraped == {
        ("operator", 9090),
        ("gateway", 9090),
        ("file-sync", 9090),
        ("open-webui", 9090),
        ("n8n", 5678),
        ("n8n-webhook", 5678),
        ("n8n-worker", 5678),
        ("qdrant", 6333),
    }


KEDA = make_pod("keda-operator", "10.0.11.241", {"app": "keda-operator"}, namespace="keda")


@pytest.mark.parametrize("namespace", ["", "keda", "monitoring"])
def test_keda_reaches_only_the_included_redis(namespace: str, egress_filter: EgressFilter) -> None:
    options = ["--set", f"global.network.kedaNamespace={namespace}"]
    options += ["--set", "n8n.worker.autoscaling.source=keda"] if namespace else []
    release = assign_addresses(render("values-kind.yaml", *options), other_pods=[KEDA])
    reachability = Reachability(release.objects, egress_filter)
    reached = {
        (name, port)
        for name, pod in release.pods.items()
        for port in PORTS
        if reachability.can_connect(KEDA["status"]["podIP"], pod, port)
    }
    assert reached == ({("redis", 6379)} if namespace == "keda" else set())


def test_jobs_allow_no_ingress(release: Release, egress_filter: EgressFilter) -> None:
    addressed = assign_addresses(release)
    jobs = {item["metadata"]["labels"]["app.kubernetes.io/name"] for item in release.list_objects("Job")}
    assert "n8n-initial-scale" in jobs
    targets = {target for _, target, _ in list_connections(addressed, egress_filter, OUTSIDE)}
    assert not targets & jobs


def test_the_default_deny_policy_selects_every_pod(release: Release, egress_filter: EgressFilter) -> None:
    del egress_filter  # the policy is the same
    (policy,) = [
        item
        for item in release.list_objects("NetworkPolicy")
        if item["metadata"]["name"] == f"{RELEASE}-default-deny"
    ]
    wanted = policy["spec"]["podSelector"]["matchLabels"]
    for name, pod in release.iter_pods():
        assert wanted.items() <= pod["metadata"]["labels"].items(), name


@pytest.mark.parametrize("profile", PROFILES)
def test_every_policy_exists_before_the_pods_that_it_selects(
    profile: str, egress_filter: EgressFilter
) -> None:
    """Helm creates policies first, but hooks before the installation need policies that are earlier hooks."""
    del egress_filter  # the order is the same
    release = render(profile)
    policies = [
        (policy["spec"]["podSelector"]["matchLabels"], _read_hooks(policy))
        for policy in release.list_objects("NetworkPolicy")
    ]
    for workload in release.list_objects("Deployment", "StatefulSet", "Job", "CronJob", "Pod"):
        labels = _read_pod_labels(workload)
        for events, weight in [_read_hooks(workload)] if _read_hooks(workload)[0] else [({"install"}, 0)]:
            for event in events:
                assert [
                    selected
                    for selected, (policy_events, policy_weight) in policies
                    if selected.items() <= labels.items()
                    and len(selected) > 1  # not only the policy for all pods
                    and (
                        event in policy_events and policy_weight < weight
                        if event.startswith("pre-")
                        else not policy_events
                    )
                ], f"{workload['metadata']['name']} has no policy at {event}"


def _read_hooks(item: Object) -> tuple[set[str], int]:
    """Return the events of an object's hooks, and their weight."""
    annotations = item["metadata"].get("annotations") or {}
    events = annotations.get("helm.sh/hook", "")
    return set(filter(None, events.split(","))), int(annotations.get("helm.sh/hook-weight", "0"))


def _read_pod_labels(workload: Object) -> dict[str, str]:
    if workload["kind"] == "Pod":
        labels: dict[str, str] = workload["metadata"]["labels"]
    elif workload["kind"] == "CronJob":
        labels = workload["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    else:
        labels = workload["spec"]["template"]["metadata"]["labels"]
    return labels


@pytest.mark.parametrize("profile", PROFILES)
def test_a_service_has_the_port_and_the_name_of_a_container_port(
    profile: str, egress_filter: EgressFilter
) -> None:
    """VPC CNI requires it of every Service."""
    del egress_filter  # the Services are the same
    release = render(profile)
    pods = {name: list_named_ports(template) for name, template in release.iter_pods()}
    for service in release.list_objects("Service"):
        for port in service["spec"]["ports"]:
            declared = (port["targetPort"], port.get("protocol", "TCP"), port["port"])
            workload = service["spec"]["selector"]["app.kubernetes.io/name"]
            assert declared in pods[workload], service["metadata"]["name"]
            assert port["name"] == port["targetPort"]


MAX_PORTS = 24
"""Ports and protocols that VPC CNI allows for one block of addresses, over all policies of a pod."""


@pytest.mark.parametrize("profile", PROFILES)
def test_no_address_has_more_ports_than_vpc_cni_allows(profile: str, egress_filter: EgressFilter) -> None:
    for rules in resolve_rules(assign_addresses(render(profile)).objects, egress_filter).values():
        for direction in (rules.ingress, rules.egress):
            blocks = Counter(rule.block.network for rule in direction or ())
            assert max(blocks.values(), default=0) <= MAX_PORTS
