"""Tests of the policies of ``infra/iam`` in a simulator of AWS' evaluation.

``tests/integration/tenantry_local/test_aws_policies.py`` tests the same documents as the local stand-in of
AWS enforces them. The stand-in does not evaluate session tags.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from tools.iam_simulator import simulate

from .cases import CASES, load_documents
from .mutations import iter_mutations

DOCUMENTS = load_documents()
MUTATIONS = {
    f"{name}.json {fault}": (name, mutant)
    for name, document in DOCUMENTS.items()
    for fault, mutant in iter_mutations(document)
}

# A role's trust policy names the services' roles of the same account, and this alone allows the call. The
# statements in the services' own policies only document it.
ALLOWED_BY_TRUST = ("AssumeTenantRole", "AssumeRolesForTenants", "AssumeRetentionRole")
NARROWING = ("removed", "without ", "with sts:*")
EQUIVALENT = {
    fault
    for fault in MUTATIONS
    if any(f" {name}: {narrowing}" in fault for name in ALLOWED_BY_TRUST for narrowing in NARROWING)
} | {
    # Only actions that list have the condition's key.
    "operator.json ListVersionsOfTenants: with s3:*",
    "qdrant-snapshots.json ListSnapshotsAndNamesOfDocuments: with s3:*",
    # Every resource of Bedrock has this form.
    "boundary.json UseModels: on all resources",
}
"""Faults that change no decision of AWS."""


def evaluate_cases(documents: Mapping[str, Mapping[str, Any]]) -> list[bool]:
    """Return AWS' decision for each case."""
    return simulate([case.to_request(documents) for case in CASES])


@pytest.fixture(scope="module")
def decisions() -> list[bool]:
    return evaluate_cases(DOCUMENTS)


@pytest.fixture(scope="module")
def undetected() -> set[str]:
    """Return the faults that change no decision."""
    tried = [
        (fault, case, case.to_request({**DOCUMENTS, name: mutant}))
        for fault, (name, mutant) in MUTATIONS.items()
        for case in CASES
        if name in case.documents
    ]
    results = simulate([request for _, _, request in tried])
    detected = {
        fault for (fault, case, _), allowed in zip(tried, results, strict=True) if allowed != case.allowed
    }
    return MUTATIONS.keys() - detected


@pytest.mark.parametrize("number", range(len(CASES)), ids=[str(case) for case in CASES])
def test_the_policies_decide_as_expected(decisions: list[bool], number: int) -> None:
    assert decisions[number] == CASES[number].allowed


@pytest.mark.parametrize("fault", sorted(MUTATIONS.keys() - EQUIVALENT))
def test_a_fault_in_a_policy_is_detected(undetected: set[str], fault: str) -> None:
    assert fault not in undetected


def test_every_exempted_fault_is_equivalent(undetected: set[str]) -> None:
    assert undetected >= EQUIVALENT
