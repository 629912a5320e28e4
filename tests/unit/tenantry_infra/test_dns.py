"""Tests of the records in Route 53 for one region and for two."""

from tenantry_infra.stacks import STACKS

(DNS,) = (stack for stack in STACKS if stack.name == "dns")


def test_one_region_needs_no_health_check() -> None:
    assert set(DNS.template.list_resources({})) == {"Address", "AddressV6", "Origin"}


def test_of_two_regions_only_the_primary_one_has_the_host() -> None:
    primary, secondary = (
        DNS.template.list_resources({"Failover": role}) for role in ("primary", "secondary")
    )
    assert set(primary) == {"Address", "AddressV6", "Origin", "NoHealthyPod", "HealthCheck"}
    assert set(secondary) == {"Origin", "NoHealthyPod", "HealthCheck"}


def test_a_region_without_metrics_is_not_healthy() -> None:
    resources = DNS.template.document["Resources"]
    assert resources["NoHealthyPod"]["Properties"]["TreatMissingData"] == "breaching"
    check = resources["HealthCheck"]["Properties"]["HealthCheckConfig"]
    assert check["InsufficientDataHealthStatus"] == "Unhealthy"
