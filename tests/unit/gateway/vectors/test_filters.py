"""Tests of the filters: each filter requires the tenant, in addition to its other conditions."""

from typing import Any

import pytest
from gateway.vectors.filters import build_tenant_filter, exclude_versions

from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta")
OWN = [
    {"key": "tenantId", "match": {"value": "tenant-tenanta"}},
    {"key": "tenantUid", "match": {"value": "uid-tenanta"}},
]


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        pytest.param({}, {"must": OWN}, id="all-of-the-tenant"),
        pytest.param(
            {"persona_id": "finance"},
            {"must": [*OWN, {"key": "personaId", "match": {"value": "finance"}}]},
            id="a-persona",
        ),
        pytest.param(
            {"document_id": "d", "except_version": "v2"},
            {
                "must": [*OWN, {"key": "documentId", "match": {"value": "d"}}],
                "must_not": [{"key": "version", "match": {"value": "v2"}}],
            },
            id="other-versions-of-a-document",
        ),
    ],
)
def test_a_filter_always_begins_with_the_tenant(narrowed: dict[str, Any], expected: dict[str, Any]) -> None:
    assert build_tenant_filter(TENANT, **narrowed).model_dump(exclude_none=True) == expected


def test_an_exclusion_matches_one_version_of_one_document() -> None:
    filter_ = exclude_versions(build_tenant_filter(TENANT), {("d", "v1"), ("c", "v9")}).model_dump(
        exclude_none=True
    )
    assert filter_ == {
        "must": OWN,
        "must_not": [
            {
                "must": [
                    {"key": "documentId", "match": {"value": document}},
                    {"key": "version", "match": {"value": version}},
                ]
            }
            for document, version in (("c", "v9"), ("d", "v1"))
        ],
    }
