"""Tests of the extraction of e-mails."""

from email.message import EmailMessage

from gateway.documents.extract import extract
from gateway.documents.formats import Format
from gateway.models import Heading, Page


def make_message(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Diana Prince <diana@tenantb.example>"
    mail["To"] = "bruce@tenantb.example"
    mail["Date"] = "Mon, 02 Nov 2026 09:30:00 +0100"
    for name, value in headers.items():
        mail[name] = value
    return mail


HEAD = (
    "From: Diana Prince <diana@tenantb.example>\n"
    "To: bruce@tenantb.example\n"
    "Date: Mon, 02 Nov 2026 09:30:00 +0100"
)


def extract_text(mail: EmailMessage) -> str:
    format_, (page,) = extract("a.eml", mail.as_bytes())
    assert format_ is Format.MAIL
    return page.text


def test_an_email_has_its_headers_and_its_body() -> None:
    mail = make_message(Subject="Größe des Budgets")
    mail.set_content("Es wächst.\n")
    text = f"Subject: Größe des Budgets\n{HEAD}\n\nEs wächst."
    assert extract("a.eml", mail.as_bytes()) == (
        Format.MAIL,
        [Page(text, None, (Heading("Subject: Größe des Budgets", 0, 0),))],
    )


def test_plain_text_is_preferred_to_html() -> None:
    mail = make_message()
    mail.set_content("Plain.")
    mail.add_alternative("<p>HTML.</p>", subtype="html")
    assert extract_text(mail) == f"{HEAD}\n\nPlain."


def test_an_email_with_only_html_is_read_like_a_page() -> None:
    mail = make_message(Subject="Offer")
    mail.set_content("<h1>Offer</h1><p>Two <b>rooms</b>.<script>steal()</script>", subtype="html")
    assert extract_text(mail) == f"Subject: Offer\n{HEAD}\n\n\nOffer\n\nTwo rooms."


def test_attachments_are_named_and_not_read() -> None:
    mail = make_message()
    mail.set_content("See below.")
    mail.add_attachment("Secret of the attachment.", filename="größe.txt")
    mail.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="plan.pdf")
    assert extract_text(mail) == f"{HEAD}\n\nSee below.\n\nAttachments: größe.txt, plan.pdf"


def test_text_that_continues_below_a_picture_is_read() -> None:
    mail = make_message()
    mail.set_content("Above.")
    mail.add_attachment(
        b"\x89PNG", maintype="image", subtype="png", filename="photo.png", disposition="inline"
    )
    mail.add_attachment("Below.", disposition="inline")
    assert extract_text(mail) == f"{HEAD}\n\nAbove.\n\nBelow.\n\nAttachments: photo.png"


def test_an_email_without_text_still_has_its_headers() -> None:
    assert extract_text(make_message(Subject="Call me")) == f"Subject: Call me\n{HEAD}"
