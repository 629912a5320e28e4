"""Tests of the document routes: uploads by form, ingests and deletions by ticket."""

import hashlib
from typing import Any

import pytest
from tenancy.names import derive_document_id
from tenancy.tickets import Ticket, TicketAction

from tests.support.documents.files import make_pdf

from .conftest import DOCUMENT_BYTES, GatewayHarness

STORED = "tenant-tenanta/finance/documents/doc-1/a.md"

SENT = "multipart/form-data; boundary=x"
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a\xff.md"\r\n\r\nText.\r\n'
    b'--x\r\nContent-Disposition: form-data; name="personaId"\r\n\r\nfin\xffance\r\n--x--\r\n'
)


def make_ticket(harness: GatewayHarness, action: TicketAction = TicketAction.INGEST) -> str:
    named = Ticket("tenanta", "uid-tenanta", "finance", "doc-1", "a.md", action)
    return f"Ticket {harness.issuer.issue(named)}"


async def test_an_upload_returns_the_document(harness: GatewayHarness) -> None:
    content = make_pdf("One.", "Two.")
    response = await harness.upload("budget.pdf", content)
    assert response.status_code == 201
    assert response.json() == {
        "documentId": derive_document_id("tenanta", "finance", "budget.pdf"),
        "personaId": "finance",
        "filename": "budget.pdf",
        "sha256": hashlib.sha256(content).hexdigest(),
        "chunks": 2,
        "pages": 2,
    }
    assert list(harness.objects.owners.values()) == ["subject-tenanta"]


async def test_an_uploaded_document_is_found_and_cited(harness: GatewayHarness) -> None:
    await harness.upload()
    passages = (await harness.post("/v1/search", json={"query": "What is the budget?"})).json()["passages"]
    assert [(passage["filename"], passage["text"], passage["page"]) for passage in passages] == [
        ("a.md", "The budget is $5.", None)
    ]
    harness.bedrock.says = "It is $5 [cite:1]."
    answer = (await harness.post("/v1/answers", json={"question": "What is the budget?"})).json()
    assert answer == {
        "answer": "It is $5 [1].",
        "format": "text",
        "citations": [
            {
                "marker": 1,
                "documentId": passages[0]["documentId"],
                "filename": "a.md",
                "page": None,
                "snippet": "The budget is $5.",
            }
        ],
        "grounded": True,
        "model": "the-model",
        "cached": False,
        "usage": {"inputTokens": 7, "outputTokens": 3},
    }


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, "vector<int> \\<b>"),
        ({"format": "text"}, "vector<int> \\<b>"),
        ({"format": "markdown"}, "vector\\<int> \\<b>"),
    ],
)
async def test_an_answer_has_the_requested_format(
    harness: GatewayHarness, asked: dict[str, str], shown: str
) -> None:
    await harness.post(
        "/v1/documents", files={"file": ("a.md", b"The type is wide.")}, data={"personaId": "finance"}
    )
    harness.bedrock.says = "vector<int> <b>"
    answer = (await harness.post("/v1/answers", json={"question": "Which type?", **asked})).json()
    assert (answer["answer"], answer["format"]) == (shown, asked.get("format", "text"))


async def test_an_unknown_answer_format_is_refused(harness: GatewayHarness) -> None:
    response = await harness.post("/v1/answers", json={"question": "Which type?", "format": "html"})
    assert response.status_code == 422


async def test_a_ticket_indexes_the_object_it_names(harness: GatewayHarness) -> None:
    harness.objects.contents[STORED] = b"From S3."
    response = await harness.post("/v1/documents", as_=make_ticket(harness))
    assert response.status_code == 201
    assert (response.json()["documentId"], response.json()["chunks"]) == ("doc-1", 1)


async def test_a_service_lists_and_deletes_documents_by_tickets(harness: GatewayHarness) -> None:
    harness.objects.contents["tenant-tenanta/finance/documents/owui-f1/a.md"] = b"From S3."

    def make_ticket_for(action: TicketAction) -> str:
        named = Ticket("tenanta", "uid-tenanta", "finance", "owui-f1", "a.md", action)
        return f"Ticket {harness.issuer.issue(named)}"

    await harness.post("/v1/documents", as_=make_ticket_for(TicketAction.INGEST))
    lister = f"Ticket {harness.issuer.issue(Ticket('tenanta', 'uid-tenanta', action=TicketAction.LIST))}"
    (entry,) = (await harness.get("/v1/documents", as_=lister)).json()["documents"]
    assert (entry["documentId"], entry["state"]) == ("owui-f1", "ready")
    assert entry["sha256"] == hashlib.sha256(b"From S3.").hexdigest()
    headers = {"Authorization": make_ticket_for(TicketAction.DELETE)}
    assert (await harness.http.delete("/v1/documents/owui-f1", headers=headers)).status_code == 204
    assert (await harness.get("/v1/documents", as_=lister)).json()["documents"] == []


async def test_a_ticket_does_not_delete_a_persons_upload(harness: GatewayHarness) -> None:
    harness.objects.contents[STORED] = b"From S3."
    headers = {"Authorization": make_ticket(harness, TicketAction.DELETE)}
    response = await harness.http.delete("/v1/documents/doc-1", headers=headers)
    assert response.status_code == 403
    assert response.json()["type"].endswith("/document-not-owned")
    assert STORED in harness.objects.contents


async def test_a_document_without_chunks_has_no_digest(harness: GatewayHarness) -> None:
    harness.objects.contents[STORED] = b"From S3."
    (entry,) = (await harness.get("/v1/documents", as_="Bearer person-tenanta")).json()["documents"]
    assert (entry["state"], entry["chunks"], entry["sha256"]) == ("received", 0, None)


@pytest.mark.parametrize("action", [TicketAction.INGEST, TicketAction.LIST])
async def test_a_ticket_for_another_action_does_not_delete(
    harness: GatewayHarness, action: TicketAction
) -> None:
    harness.objects.contents[STORED] = b"From S3."
    other = Ticket("tenanta", "uid-tenanta", action=action) if action is TicketAction.LIST else None
    header = f"Ticket {harness.issuer.issue(other)}" if other else make_ticket(harness, action)
    response = await harness.http.delete("/v1/documents/doc-1", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json()["type"].endswith("/ticket-refused")
    assert STORED in harness.objects.contents


async def test_a_ticket_for_one_document_does_not_delete_another(harness: GatewayHarness) -> None:
    other = "tenant-tenanta/finance/documents/doc-2/b.md"
    harness.objects.contents[other] = b"Stays."
    headers = {"Authorization": make_ticket(harness, TicketAction.DELETE)}
    response = await harness.http.delete("/v1/documents/doc-2", headers=headers)
    assert response.status_code == 401
    assert other in harness.objects.contents


async def test_a_ticket_with_a_body_is_refused(harness: GatewayHarness) -> None:
    harness.objects.contents[STORED] = b"From S3."
    response = await harness.post("/v1/documents", as_=make_ticket(harness), json={"documentId": "doc-2"})
    assert response.status_code == 422
    assert not harness.vectors.documents


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"files": {"file": ("a.md", b"x")}}, id="no-persona"),
        pytest.param({"files": {"personaId": (None, "finance")}}, id="no-file"),
        pytest.param({"files": {"file": (None, "x"), "personaId": (None, "finance")}}, id="file-is-text"),
        pytest.param(
            {"files": {"file": ("a.md", b"x"), "personaId": ("p", b"finance")}}, id="persona-is-a-file"
        ),
        pytest.param(
            {"files": {"file": ("a.md", b"x")}, "data": {"personaId": "finance", "tenantId": "tenantb"}},
            id="tenant-named",
        ),
        pytest.param({"files": {"file": ("a.md", b"x")}, "data": {"persona": "finance"}}, id="other-field"),
        pytest.param(
            {"files": [("file", ("a.md", b"x")), ("file", ("b.md", b"y"))], "data": {"personaId": "finance"}},
            id="two-files",
        ),
        pytest.param(
            {"files": {"file": ("a.md", b"x")}, "data": {"personaId": "f" * 2000}}, id="endless-persona"
        ),
        pytest.param(
            {"content": b"--x\r\nno form", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
            id="not-multipart-inside",
        ),
        pytest.param({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, id="no-boundary"),
        pytest.param(
            {"content": FORM, "headers": {"Content-Type": f"{SENT}; charset=undefined"}},
            id="no-encoding",
        ),
    ],
)
async def test_an_invalid_form_is_refused_and_not_stored(
    harness: GatewayHarness, form: dict[str, Any]
) -> None:
    headers = {"Authorization": "Bearer person-tenanta", **form.get("headers", {})}
    response = await harness.http.post("/v1/documents", **{**form, "headers": headers})
    assert response.status_code == 422
    assert response.json()["type"].endswith("/invalid-request")
    assert not harness.objects.contents


async def test_a_body_that_is_not_a_form_is_refused(harness: GatewayHarness) -> None:
    response = await harness.post("/v1/documents", json={"text": "x"})
    assert response.status_code == 415


@pytest.mark.parametrize("more", [1, 200_000])
async def test_a_too_large_file_is_refused_and_not_stored(harness: GatewayHarness, more: int) -> None:
    response = await harness.upload("a.txt", b"a" * (DOCUMENT_BYTES + more))
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert not harness.objects.contents


async def test_a_file_without_a_name_is_refused(harness: GatewayHarness) -> None:
    boundary = b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\nText.\r\n'
    field = b'--x\r\nContent-Disposition: form-data; name="personaId"\r\n\r\nfinance\r\n--x--\r\n'
    response = await harness.http.post(
        "/v1/documents",
        content=boundary + field,
        headers={"Authorization": "Bearer person-tenanta", "Content-Type": "multipart/form-data; boundary=x"},
    )
    assert response.status_code == 422
    assert response.json()["type"].endswith("/filename-refused")
