"""What the platform is for: a tenant's people get answers out of their own documents, and of no others."""

import json

from .demo import ALICE, DIANA, FIGURE, QUESTION, answers
from .installation import Installation


def test_the_right_answer_comes_out_with_its_source_and_the_other_tenant_sees_nothing(
    filled: Installation,
) -> None:
    dianas, alices = answers(filled, DIANA, ALICE)
    assert FIGURE in dianas["answer"]
    assert dianas["citations"][0]["filename"] == "financial-plan-2026.pdf"
    assert FIGURE not in json.dumps(alices)
    assert not alices["citations"]


def test_the_wrong_tenant_is_refused_a_document_by_its_name(filled: Installation) -> None:
    tokens = [filled.token(person) for person in (DIANA, ALICE)]
    ((status, body),) = filled.call([filled.gateway("GET", "/v1/documents", tokens[0])])
    assert status == 200, body
    path = f"/v1/documents/{json.loads(body)['documents'][0]['documentId']}"
    (found, _), (refused, said) = filled.call([filled.gateway("GET", path, token) for token in tokens])
    assert (found, refused) == (200, 404), said


def test_whoever_has_no_token_is_refused(filled: Installation) -> None:
    ((status, _),) = filled.call([filled.gateway("POST", "/v1/answers", "none", json={"question": QUESTION})])
    assert status == 401


def test_the_workflow_in_n8n_answers_too(filled: Installation) -> None:
    url = f"http://{filled.name('n8n-webhook')}:5678/webhook/tenantry/chat"
    headers = {"Authorization": f"Bearer {filled.token(DIANA)}"}
    ask = {"method": "POST", "url": url, "headers": headers, "json": {"question": QUESTION}}
    ((status, body),) = filled.call([ask], as_="n8n-install")
    assert status == 200, body
    assert FIGURE in json.loads(body)["answer"]
