"""Objects of a cluster with a rendered release: its pods have addresses, and its Services are resolved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count
from typing import Any

from tests.support.network.policies import ClusterObjects

from .rendering import Release

__all__ = ["AddressedRelease", "assign_addresses", "make_pod"]

Object = dict[str, Any]

NAMESPACE = "chart-test"

FIRST_POD = ip_address("10.0.11.1")
FIRST_SERVICE = ip_address("10.100.1.1")

API_SERVICE = "10.100.0.1"
"""Address of the Service ``kubernetes``, one of the two default ones on EKS."""

DNS_SERVICE = "10.100.0.10"


@dataclass(frozen=True)
class AddressedRelease:
    """A release whose pods and Services have addresses.

    Parameters
    ----------
    objects
        All objects that decide which connections are allowed.
    pods
        Address of a pod of each workload, by the workload's name.
    services
        Address and ports of each Service that has an address, by the name of its workload.
    """

    objects: ClusterObjects
    pods: Mapping[str, str]
    services: Mapping[str, tuple[str, tuple[int, ...]]]


def assign_addresses(
    release: Release,
    *,
    other_pods: Iterable[Object] = (),
    api_endpoint: str = "10.0.10.3",
    dns_namespace: str | None = "kube-system",
) -> AddressedRelease:
    """Return a release with one pod of each workload, and with the API server and DNS of an EKS cluster.

    Parameters
    ----------
    release
        The rendered release.
    other_pods
        Additional pods.
    api_endpoint
        Address of the API server.
    dns_namespace
        Namespace of the DNS pods; None: there are none, as in EKS Auto Mode.
    """
    numbers = count()
    pods = [
        make_pod(name, str(FIRST_POD + next(numbers)), template["metadata"]["labels"], spec=template["spec"])
        for name, template in release.iter_pods()
    ]
    services = [
        item | {"spec": item["spec"] | {"clusterIP": str(FIRST_SERVICE + number)}}
        for number, item in enumerate(release.list_objects("Service"))
        if item["spec"].get("clusterIP") != "None"
    ]
    namespaces = {
        NAMESPACE,
        "default",
        "keda",
        "kube-system",
        "monitoring",
        *([dns_namespace] if dns_namespace else []),
    }
    dns = [_make_dns_pod(dns_namespace)] if dns_namespace else []
    dns_services = [_make_dns_service(dns_namespace)] if dns_namespace else []
    objects = ClusterObjects(
        pods=[*pods, *dns, *other_pods],
        namespaces=[_make_namespace(name) for name in sorted(namespaces)],
        policies=release.list_objects("NetworkPolicy"),
        services=[*services, *dns_services, API_SERVICE_OBJECT],
        endpoint_slices=[_make_api_endpoints(api_endpoint)],
    )
    return AddressedRelease(
        objects,
        {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods},
        {
            item["metadata"]["labels"]["app.kubernetes.io/name"]: (
                item["spec"]["clusterIP"],
                tuple(port["port"] for port in item["spec"]["ports"]),
            )
            for item in services
        },
    )


def make_pod(
    name: str,
    address: str,
    labels: Mapping[str, str],
    *,
    namespace: str = NAMESPACE,
    spec: Object | None = None,
) -> Object:
    """Return a running pod."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": spec or {"containers": []},
        "status": {"podIP": address, "phase": "Running"},
    }


def _make_namespace(name: str) -> Object:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}


def _make_dns_pod(namespace: str) -> Object:
    ports = [
        {"name": "dns", "protocol": "UDP", "containerPort": 53},
        {"name": "dns-tcp", "protocol": "TCP", "containerPort": 53},
    ]
    labels = {"k8s-app": "kube-dns"}
    return make_pod(
        "coredns", "10.0.10.53", labels, namespace=namespace, spec={"containers": [{"ports": ports}]}
    )


def _make_dns_service(namespace: str) -> Object:
    ports = [{"name": f"dns-{protocol}", "protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {
        "metadata": {"name": "kube-dns", "namespace": namespace},
        "spec": {"clusterIP": DNS_SERVICE, "selector": {"k8s-app": "kube-dns"}, "ports": ports},
    }


API_SERVICE_OBJECT: Object = {
    "metadata": {"name": "kubernetes", "namespace": "default"},
    "spec": {"clusterIP": API_SERVICE, "ports": [{"name": "https", "port": 443, "targetPort": 443}]},
}


def _make_api_endpoints(address: str) -> Object:
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "ports": [{"name": "https", "port": 443}],
        "endpoints": [{"addresses": [address]}],
    }
