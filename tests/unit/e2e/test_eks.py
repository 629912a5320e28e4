"""Tests of what the installations of the profiles for EKS read and write."""

import base64
import json

import pytest

from tests.e2e.eks.dns import insert_host_names
from tests.e2e.eks.endpoints import ADDRESSES, Hosts
from tests.e2e.eks.pod_identity import read_service
from tests.e2e.profiles import EKS_PROFILES

COREFILE = """.:53 {
    errors
    forward . /etc/resolv.conf
    cache 30
}
"""


def test_host_names_are_looked_up_before_other_servers_are_asked() -> None:
    assert insert_host_names(COREFILE, {"db.example": "10.0.20.10"}) == COREFILE.replace(
        "    forward",
        "    hosts {\n        10.0.20.10 db.example\n        fallthrough\n    }\n    forward",
    )


def test_host_names_of_another_profile_are_replaced() -> None:
    earlier = insert_host_names(COREFILE, {"old.example": "10.0.20.10"})
    new = {"new.example": "10.0.20.10"}
    assert insert_host_names(earlier, new) == insert_host_names(COREFILE, new)


@pytest.mark.parametrize("profile", EKS_PROFILES)
def test_each_host_name_of_a_profile_has_an_address(profile: str) -> None:
    hosts = Hosts.read(profile)
    assert hosts.addresses == {
        hosts.postgres: ADDRESSES["postgres"],
        hosts.redis: ADDRESSES["redis"],
        hosts.login: ADDRESSES["keycloak"],
    }


@pytest.mark.parametrize(
    ("account", "service"),
    [
        ("system:serviceaccount:tenantry:tenantry-gateway", "gateway"),
        ("system:serviceaccount:tenantry:tenantry-qdrant-snapshots", "qdrant-snapshots"),
        ("system:serviceaccount:tenantry:tenantry-open-webui", "open-webui"),
        ("system:serviceaccount:tenantry:tenantry-n8n", ""),
        ("system:serviceaccount:tenantry:default", ""),
    ],
)
def test_the_agent_gives_only_the_role_of_the_pods_service_account(account: str, service: str) -> None:
    payload = base64.urlsafe_b64encode(json.dumps({"sub": account}).encode()).decode().rstrip("=")
    assert read_service(f"header.{payload}.signature") == service


@pytest.mark.parametrize("token", ["", "one", "one.two", "a..c"])
def test_the_agent_gives_no_role_without_a_token(token: str) -> None:
    assert read_service(token) == ""
