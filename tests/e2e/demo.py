"""Demo Tenants, documents and users, and the question of the tests."""

import base64
import json
from typing import Any

import yaml
from tenancy.model import Tenant
from tenantry_local.samples import TENANTS, list_samples

from .installation import Installation

__all__ = ["ALICE", "DIANA", "EXPECTED_ANSWER", "QUESTION", "ask_question", "load_demo_data"]

DIANA, ALICE = "diana.tenantb@gmail.com", "alice.tenanta@gmail.com"
QUESTION = "What is the approved marketing budget for 2026?"
EXPECTED_ANSWER = "$5,000,000"

UNLIMITED = {"queriesPerMinute": 1_000_000, "tokensPerMonth": 1_000_000_000}
"""Limits that the load does not reach."""


def load_demo_data(installation: Installation) -> None:
    """Apply the Tenants, wait until they are Ready, and upload their documents."""
    manifests = [yaml.safe_load(file.read_text()) for file in sorted(TENANTS.iterdir())]
    for manifest in manifests:
        manifest["spec"]["quota"].update(UNLIMITED)
    installation.cluster.apply(*manifests)
    installation.cluster.run_kubectl("wait", "--for=condition=Ready", "tenant", "--all", "--timeout=120s")
    installation.create_token_client()
    for manifest in manifests:
        tenant = Tenant.from_object(manifest)
        token = installation.fetch_token(tenant.spec.identity.admins[0])
        uploads = [
            installation.build_gateway_request(
                "POST", "/v1/documents", token,
                document=[sample.path.name, base64.b64encode(sample.path.read_bytes()).decode()],
                data={"personaId": sample.persona_id},
            )
            for sample in list_samples(tenant)
        ]  # fmt: skip
        for status, body in installation.call(uploads):
            assert status in (200, 201), body


def ask_question(installation: Installation, *people: str) -> list[dict[str, Any]]:
    """Ask the question as several users and return the gateway's answers."""
    asked = [
        installation.build_gateway_request(
            "POST", "/v1/answers", installation.fetch_token(person), json={"question": QUESTION}
        )
        for person in people
    ]
    answers = []
    for status, body in installation.call(asked):
        assert status == 200, body
        answers.append(json.loads(body))
    return answers
