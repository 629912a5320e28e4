"""Connections that a cluster allows: between pods, to Services, and with addresses outside."""

from ipaddress import ip_address

from .policies import Address, ClusterObjects, EgressFilter, Rules, resolve_backends, resolve_rules

__all__ = ["Reachability"]


class Reachability:
    """Allowed connections in a cluster.

    Parameters
    ----------
    objects
        Objects of the cluster.
    egress_filter
        Position of the filter for egress.
    """

    def __init__(self, objects: ClusterObjects, egress_filter: EgressFilter) -> None:
        self._objects = objects
        self._egress_filter = egress_filter
        self._rules = resolve_rules(objects, egress_filter)

    def can_connect(self, source: str, target: str, port: int, protocol: str = "TCP") -> bool:
        """Return True if a connection between two addresses is allowed.

        The target can be the address of a Service. No policy restricts addresses outside.
        """
        sender, dialled = ip_address(source), ip_address(target)
        egress = self._rules[sender].egress if sender in self._rules else None
        before = self._egress_filter is EgressFilter.BEFORE_DNAT
        return any(
            _is_allowed(egress, *((dialled, port) if before else backend), protocol)
            and self._can_enter(sender, *backend, protocol)
            for backend in self._list_backends(dialled, port, protocol)
        )

    def _list_backends(self, target: Address, port: int, protocol: str) -> list[tuple[Address, int]]:
        for service in self._objects.services:
            if service["spec"].get("clusterIP") == str(target):
                return [
                    backend
                    for listening in service["spec"]["ports"]
                    if (listening["port"], listening.get("protocol", "TCP")) == (port, protocol)
                    for backend in resolve_backends(self._objects, service, listening)
                ]
        return [(target, port)]

    def _can_enter(self, source: Address, target: Address, port: int, protocol: str) -> bool:
        ingress = self._rules[target].ingress if target in self._rules else None
        return _is_allowed(ingress, source, port, protocol)


def _is_allowed(rules: Rules, address: Address, port: int, protocol: str) -> bool:
    return rules is None or any(rule.matches(address, port, protocol) for rule in rules)
