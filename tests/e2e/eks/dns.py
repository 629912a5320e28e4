"""Names of hosts outside the cluster, in the cluster's DNS."""

import re
from collections.abc import Mapping

from tests.support.backends.cluster import Cluster

__all__ = ["add_host_names", "insert_host_names"]


def add_host_names(cluster: Cluster, addresses: Mapping[str, str]) -> None:
    """Let pods resolve host names to addresses.

    Parameters
    ----------
    cluster
        Namespace of CoreDNS.
    addresses
        Address of each host name. Names of an earlier call are removed.
    """
    config = cluster.get("configmap", "coredns")
    corefile = insert_host_names(config["data"]["Corefile"], addresses)
    if corefile == config["data"]["Corefile"]:
        return
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "coredns"},
            "data": {"Corefile": corefile},
        }
    )
    cluster.run_kubectl("rollout", "restart", "deployment/coredns")
    cluster.wait_until_ready("deployment/coredns")


def insert_host_names(corefile: str, addresses: Mapping[str, str]) -> str:
    """Return CoreDNS' configuration with the host names of only these addresses."""
    without = re.sub(r"^ *hosts \{.*?^ *\}\n", "", corefile, flags=re.MULTILINE | re.DOTALL)
    lines = [f"        {address} {name}" for name, address in addresses.items()]
    block = "\n".join(["    hosts {", *lines, "        fallthrough", "    }"])
    return re.sub(r"^( *)forward ", f"{block}\n\\1forward ", without, count=1, flags=re.MULTILINE)
