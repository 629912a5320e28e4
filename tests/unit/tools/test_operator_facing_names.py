"""Tests of the names that administrators of the platform see: metrics and settings."""

import re

import pytest
from file_sync import metrics as file_sync_metrics
from gateway import metrics as gateway_metrics
from prometheus_client.metrics import MetricWrapperBase
from tenant_operator import metrics as operator_metrics

from tools.settings_reference import SERVICES

DURATION = re.compile(r"(^|_)(timeout|interval|ttl|delay|max_cpu)_seconds$")
"""Endings of a duration: they name its role. ``max_cpu_seconds`` limits processor time."""

METRICS = {
    "tenantry_operator": operator_metrics,
    "tenantry_gateway": gateway_metrics,
    "tenantry_file_sync": file_sync_metrics,
}


@pytest.mark.parametrize("prefix", METRICS)
def test_a_services_metrics_begin_with_its_name(prefix: str) -> None:
    found = [each for each in vars(METRICS[prefix]).values() if isinstance(each, MetricWrapperBase)]
    assert found
    for metric in found:
        (family,) = metric.describe()
        assert family.name.startswith(f"{prefix}_"), family.name


@pytest.mark.parametrize("service", SERVICES)
def test_a_setting_of_a_duration_names_its_role(service: str) -> None:
    fields = [field for field in SERVICES[service].model_fields if field.endswith("seconds")]
    assert all(DURATION.search(field) for field in fields), fields
