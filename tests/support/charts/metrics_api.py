"""Fake of metrics-server and prometheus-adapter, with configurable metrics for autoscalers.

The API server calls the fake through APIServices, as it would call the real servers.
"""

import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes import client
from kubernetes.utils.quantity import parse_quantity
from tenantry_local.parts.kubernetes import run_kubectl
from tenantry_local.platform import Platform
from typing_extensions import override

from tests.support.backends.api_server import apply, open_admin_client, to_manifest_list

from .rendering import RELEASE

__all__ = ["FROM_CACHE", "CpuLoad", "serve_metrics"]

RESOURCE = "metrics.k8s.io/v1beta1"
EXTERNAL = "external.metrics.k8s.io/v1beta1"
CUSTOM = "custom.metrics.k8s.io/v1beta2"
GROUPS = (RESOURCE, EXTERNAL, CUSTOM)

RESIDENT_MEMORY = "container_memory_rss"

WINDOW = "30s"

FROM_CACHE = "0"
"""Version of a list that the API server returns from its cache, without a call to etcd."""


@dataclass
class CpuLoad:
    """Simulated metrics of a release's pods, and external metrics.

    Attributes
    ----------
    cpu, memory
        Used share of a pod's request, by workload; 0.5 by default.
    resident_memory
        Used share of a pod's memory request without mapped files, by workload; None: unavailable.
    external
        External metrics by name; a missing one is unavailable.
    """

    cpu: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    external: dict[str, int] = field(default_factory=dict)
    resident_memory: dict[str, float] | None = field(default_factory=dict)


@contextmanager
def serve_metrics(platform: Platform) -> Iterator[CpuLoad]:
    """Serve metrics of all pods inside the block."""
    load = CpuLoad()
    with open_admin_client(platform) as api, _run_server(platform, load, client.CoreV1Api(api)) as port:
        registered = _make_registrations(port)
        apply(platform, registered)
        try:
            names = [f"apiservice/{_get_service_name(group)}" for group in GROUPS]
            run_kubectl(platform.context, "wait", "--for=condition=Available", "--timeout=60s", *names)
            yield load
        finally:
            # While a registered APIService is unavailable, no namespace can be deleted.
            run_kubectl(
                platform.context,
                "delete",
                "--ignore-not-found",
                "-f",
                "-",
                stdin=to_manifest_list(registered),
            )


@contextmanager
def _run_server(platform: Platform, load: CpuLoad, api: client.CoreV1Api) -> Iterator[int]:
    """Listen on 127.0.0.1 with the API server's certificate, which no client verifies."""

    class MetricsRequestHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections: a TLS handshake takes longer than an answer

        def do_GET(self) -> None:
            document = _answer(self.path, load, api)
            body = json.dumps(document or {"kind": "Status", "apiVersion": "v1", "code": 404}).encode()
            with suppress(OSError):  # the client may have disconnected
                self.send_response(200 if document else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    certificate = platform.context.state / "kube" / "certs" / "apiserver.crt"
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with ThreadingHTTPServer(("127.0.0.1", 0), MetricsRequestHandler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _answer(target: str, load: CpuLoad, api: client.CoreV1Api) -> dict[str, Any] | None:
    parts = urlsplit(target)
    for group in GROUPS:
        if parts.path == f"/apis/{group}":
            resource = {"name": "pods", "kind": "PodMetrics", "namespaced": True, "verbs": ["get", "list"]}
            resources = [resource | {"singularName": ""}] if group == RESOURCE else []
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": group,
                "resources": resources,
            }
    selector = parse_qs(parts.query).get("labelSelector", [""])[0]
    if match := re.fullmatch(rf"/apis/{RESOURCE}/namespaces/([^/]+)/pods", parts.path):
        items = [_make_usage(pod, load) for pod in _list_pods(api, match[1], selector)]
        return {"kind": "PodMetricsList", "apiVersion": RESOURCE, "metadata": {}, "items": items}
    resident = rf"/apis/{CUSTOM}/namespaces/([^/]+)/pods/(\*|%2A)/{RESIDENT_MEMORY}"
    if load.resident_memory is not None and (match := re.fullmatch(resident, parts.path)):
        shares = load.resident_memory
        items = [_make_resident_memory(pod, shares) for pod in _list_pods(api, match[1], selector)]
        return {"kind": "MetricValueList", "apiVersion": CUSTOM, "metadata": {}, "items": items}
    if match := re.fullmatch(rf"/apis/{EXTERNAL}/namespaces/[^/]+/([^/]+)", parts.path):
        # As prometheus-adapter, the fake serves series with labels.
        if match[1] not in load.external or f"release={RELEASE}" not in selector.split(","):
            return None
        value = {"metricName": match[1], "timestamp": _format_now(), "value": str(load.external[match[1]])}
        return {
            "kind": "ExternalMetricValueList",
            "apiVersion": EXTERNAL,
            "metadata": {},
            "items": [value | {"metricLabels": {}}],
        }
    return None


def _list_pods(api: client.CoreV1Api, namespace: str, selector: str) -> list[dict[str, Any]]:
    listed: Any = api.list_namespaced_pod(
        namespace, label_selector=selector, resource_version=FROM_CACHE, _preload_content=False
    )
    pods: list[dict[str, Any]] = json.loads(listed.data)["items"]
    return pods


def _make_resident_memory(pod: dict[str, Any], shares: dict[str, float]) -> dict[str, Any]:
    metadata = pod["metadata"]
    share = shares.get(metadata["labels"]["app.kubernetes.io/name"], 0.5)
    (container,) = pod["spec"]["containers"]
    described = {"kind": "Pod", "apiVersion": "v1"} | {key: metadata[key] for key in ("name", "namespace")}
    return {
        "describedObject": described,
        "metric": {"name": RESIDENT_MEMORY},
        "timestamp": _format_now(),
        "value": f"{float(parse_quantity(container['resources']['requests']['memory'])) * share:.0f}",
    }


def _make_usage(pod: dict[str, Any], load: CpuLoad) -> dict[str, Any]:
    metadata = pod["metadata"]
    workload = metadata["labels"]["app.kubernetes.io/name"]
    parts = {"cpu": load.cpu.get(workload, 0.5), "memory": load.memory.get(workload, 0.5)}
    return {
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "timestamp": _format_now(),
        "window": WINDOW,
        "containers": [
            {
                "name": container["name"],
                "usage": {
                    resource: f"{float(parse_quantity(asked)) * parts[resource] * 1000:.0f}m"
                    for resource, asked in container["resources"]["requests"].items()
                    if resource in parts
                },
            }
            for container in pod["spec"]["containers"]
        ],
    }


def _make_registrations(port: int) -> list[dict[str, Any]]:
    service = {"name": "metrics", "namespace": "default"}
    items: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": service,
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }
    ]
    for registered in GROUPS:
        group, _, version = registered.partition("/")
        spec = {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": service | {"port": port},
        }
        metadata = {"name": _get_service_name(registered)}
        items.append(
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": metadata,
                "spec": spec,
            }
        )
    return items


def _get_service_name(registered: str) -> str:
    group, _, version = registered.partition("/")
    return f"{version}.{group}"


def _format_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
