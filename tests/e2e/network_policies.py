"""Enforcement of network policies on the local node: ``python -m tests.e2e.network_policies FILTER NETWORK``.

It replaces the node's program, which only filters egress after the translation of Services' addresses. That
program also refuses policies that contain IPv6 addresses; this one ignores them, as the node has none.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from tests.support.network.nftables import render_table
from tests.support.network.policies import ClusterObjects, EgressFilter, resolve_rules

POLL_INTERVAL_SECONDS = 0.5


def main(egress_filter: str, pod_network: str) -> None:
    """Apply the policies of the cluster in ``KUBECONFIG`` until the process is stopped."""
    api = config.new_client_from_config()
    applied = ""
    while True:
        try:
            rules = resolve_rules(read_objects(api), EgressFilter(egress_filter))
            table = render_table(rules, IPv4Network(pod_network), EgressFilter(egress_filter))
            if table != applied:
                subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True)
                applied = table
                print(f"applied the rules of {len(rules)} pods", flush=True)
        except (ApiException, HTTPError, subprocess.CalledProcessError) as error:
            print(f"retry after {error!r}", flush=True)
        time.sleep(POLL_INTERVAL_SECONDS)


def read_objects(api: client.ApiClient) -> ClusterObjects:
    """Return the objects that decide which connections are allowed."""
    core = client.CoreV1Api(api)
    return ClusterObjects(
        pods=_list(core.list_pod_for_all_namespaces),
        namespaces=_list(core.list_namespace),
        policies=_list(client.NetworkingV1Api(api).list_network_policy_for_all_namespaces),
        services=_list(core.list_service_for_all_namespaces),
    )


def _list(call: Callable[..., Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(call(_preload_content=False, _request_timeout=10).data)["items"]
    return items


if __name__ == "__main__":
    main(*sys.argv[1:])
