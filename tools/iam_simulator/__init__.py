"""Simulator of AWS' evaluation of policies, without an account: the npm package iam-simulate.

Tests use it for what the local stand-in of AWS does not evaluate, for example session tags in policies.
"""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenantry_local.programs.node import find_node, install_packages

__all__ = ["PINS", "Request", "SimulationError", "install", "simulate"]

PINS = Path(__file__).parent
TIMEOUT_SECONDS = 120

Policy = Mapping[str, Any]


class SimulationError(Exception):
    """The simulator refused a request or a policy; the message is the simulator's."""


@dataclass(frozen=True)
class Request:
    """A request of a principal.

    Parameters
    ----------
    principal
        ARN of the principal.
    action
        The action: ``s3:GetObject``.
    resource
        ARN of the resource.
    account
        Account of the resource.
    identity_policies
        Policies of the principal, by name.
    session_policy
        Policy of the principal's session, if it has one.
    resource_policy
        Policy of the resource, if it has one: the trust policy of a role, for example.
    boundary
        Permission boundary of the principal, if it has one.
    context
        Context keys: ``aws:PrincipalTag/tenant``.
    """

    principal: str
    action: str
    resource: str
    account: str
    identity_policies: Mapping[str, Policy]
    session_policy: Policy | None = None
    resource_policy: Policy | None = None
    boundary: Policy | None = None
    context: Mapping[str, str] = field(default_factory=dict)

    def to_simulation(self) -> dict[str, Any]:
        """Return the request in the simulator's form."""
        optional = {
            "sessionPolicy": self.session_policy,
            "resourcePolicy": self.resource_policy,
            "permissionBoundaryPolicies": self.boundary and [{"name": "boundary", "policy": self.boundary}],
        }
        return {
            "request": {
                "principal": self.principal,
                "action": self.action,
                "resource": {"resource": self.resource, "accountId": self.account},
                "contextVariables": dict(self.context),
            },
            "identityPolicies": [
                {"name": name, "policy": policy} for name, policy in self.identity_policies.items()
            ],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
            **{name: value for name, value in optional.items() if value},
        }


def install(report: Callable[[str], None]) -> Path:
    """Return the folder of the installed packages; install them if the cache lacks them.

    Raises
    ------
    LocalError
        The installation failed; the message gives the reason.
    """
    return install_packages("iam-simulator", PINS, report, doing="downloading the simulator of IAM (19 MB)")


def simulate(requests: Sequence[Request]) -> list[bool]:
    """Return for each request whether AWS would allow it.

    Raises
    ------
    SimulationError
        The simulator refused a request or a policy.
    LocalError
        The simulator cannot be installed.
    """
    done = subprocess.run(
        [find_node().program, PINS / "simulate.mjs", install(lambda _: None)],
        input=json.dumps([request.to_simulation() for request in requests]),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    if done.returncode:
        raise SimulationError(done.stderr)
    results = json.loads(done.stdout)
    for request, result in zip(requests, results, strict=True):
        if "error" in result:
            raise SimulationError(f"{request.action} on {request.resource}: {result['error']}")
    return [result["result"] == "Allowed" for result in results]
