"""Tests that users get answers only from documents of their tenant."""

import json

from .demo import ALICE, DIANA, EXPECTED_ANSWER, QUESTION, ask_question
from .installation import Installation


def test_an_answer_cites_its_source_and_another_tenant_sees_nothing(
    demo_installation: Installation,
) -> None:
    dianas, alices = ask_question(demo_installation, DIANA, ALICE)
    assert EXPECTED_ANSWER in dianas["answer"]
    assert dianas["citations"][0]["filename"] == "financial-plan-2026.pdf"
    assert EXPECTED_ANSWER not in json.dumps(alices)
    assert not alices["citations"]


def test_another_tenant_cannot_read_a_document_by_its_id(demo_installation: Installation) -> None:
    tokens = [demo_installation.fetch_token(person) for person in (DIANA, ALICE)]
    ((status, body),) = demo_installation.call(
        [demo_installation.build_gateway_request("GET", "/v1/documents", tokens[0])]
    )
    assert status == 200, body
    path = f"/v1/documents/{json.loads(body)['documents'][0]['documentId']}"
    (found, _), (refused, body) = demo_installation.call(
        [demo_installation.build_gateway_request("GET", path, token) for token in tokens]
    )
    assert (found, refused) == (200, 404), body


def test_a_request_without_a_valid_token_is_refused(demo_installation: Installation) -> None:
    ((status, _),) = demo_installation.call(
        [demo_installation.build_gateway_request("POST", "/v1/answers", "none", json={"question": QUESTION})]
    )
    assert status == 401


def test_the_chat_workflow_in_n8n_answers(demo_installation: Installation) -> None:
    url = f"http://{demo_installation.get_workload_name('n8n-webhook')}:5678/webhook/tenantry/chat"
    headers = {"Authorization": f"Bearer {demo_installation.fetch_token(DIANA)}"}
    ask = {"method": "POST", "url": url, "headers": headers, "json": {"question": QUESTION}}
    ((status, body),) = demo_installation.call([ask], as_="n8n-install")
    assert status == 200, body
    assert EXPECTED_ANSWER in json.loads(body)["answer"]
