"""Tests of messages about an exceeded quota: they state the limit, the use and the next step."""

from tenancy.quotas import explain_document_quota, explain_storage_quota


def test_the_limit_of_documents_is_explained() -> None:
    assert explain_document_quota(limit=3, used=4) == (
        "The tenant has reached its limit of documents: 4 are stored, 3 are allowed. "
        "Delete documents, or ask your administrator for a higher limit."
    )


def test_the_limit_of_storage_is_explained_in_readable_units() -> None:
    assert explain_storage_quota(limit=50 << 30, used=53_150_220_288, size=600 << 20) == (
        "This document of 600.0 MiB does not fit: the tenant uses 49.5 GiB of its limit of 50.0 GiB. "
        "Delete documents, or ask your administrator for a higher limit."
    )
