"""Tests of the extraction of HTML: only visible text is read."""

import pytest
from gateway.documents.extract import extract

from tests.support.text.html import extract_text


@pytest.mark.parametrize(
    "body",
    [
        '<p style="display:none">Secret.</p>',
        '<p style="color: red; DISPLAY : None !important;">Secret.</p>',
        '<p style="display:/**/none">Secret.</p>',
        '<div style="display:none"><p style="display:block">Secret.</p></div>',
        '<p style="visibility:hidden">Secret.</p>',
        '<p style="opacity:0">Secret.</p>',
        '<p style="opacity:0.0">Secret.</p>',
        '<p style="font-size:0">Secret.</p>',
        '<p style="font-size:0px">Secret.</p>',
        '<p style="font-size:0"><span style="font-size:2em">Secret.</span></p>',
        '<p style="mso-hide:all">Secret.</p>',
        '<div style="max-height:0;overflow:hidden">Secret.</div>',
        "<p hidden>Secret.</p>",
        '<p hidden=""><b>Secret.</b></p>',
        "<dialog>Secret.</dialog>",
        "<template>Secret.</template>",
        "<noscript>Secret.</noscript>",
        "<!-- Secret. -->",
        "<h2 hidden>Secret.</h2>",
        "<table><tr hidden><td>Secret.</td></tr></table>",
    ],
)
def test_hidden_text_is_not_read(body: str) -> None:
    assert extract_text(body) == "Seen. Last."


@pytest.mark.parametrize(
    ("sheet", "body"),
    [
        (".x { display: none }", '<p class="x">Secret.</p>'),
        ("#a, .b > i { visibility: hidden }", '<p id="a">Secret.</p><p class="b"><i>Secret.</i></p>'),
        ("p.x{font-size:0} p.x{color:red}", '<p class="x">Secret.</p>'),
        ("a::before{x:y} ]] .x{display:none}", ""),
        ("@import url(x); .x{opacity:0}", '<p class="x">Secret.</p>'),
    ],
)
def test_text_that_the_pages_style_sheet_hides_is_not_read(sheet: str, body: str) -> None:
    assert extract_text(body, f"<style>{sheet}</style>") == "Seen. Last."
    assert extract_text(f"<style>{sheet}</style>{body}") == "Seen. Last."


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ('<p aria-hidden="true">Kept.</p>', ""),
        ("<details><summary>More</summary>Kept.</details>", ""),
        ('<p hidden="until-found">Kept.</p>', ""),
        ("<dialog open>Kept.</dialog>", ""),
        # E-mails set size 0 around content with a separate size, to avoid gaps between cells.
        ('<td style="font-size:0px"><div style="font-size:13px">Kept.</div></td>', ""),
        ('<div style="visibility:hidden"><b style="visibility:visible">Kept.</b></div>', ""),
        ('<p style="display:block;opacity:0.5;font-size:0.9em">Kept.</p>', ""),
        ('<p style="height:0">Kept.</p>', ""),
        ('<p class="x">Kept.</p>', "<style>@media print { .x { display: none } }</style>"),
        ('<p class="x">Kept.</p>', "<style>.x{display:none} .x{display:block}</style>"),
        ('<p class="x" style="display:block">Kept.</p>', "<style>.x{display:none}</style>"),
        ('<p class="x">Kept.</p>', "<style>.x:hover{display:none}</style>"),
        ('<p class="x">Kept.</p>', "<style>.x::after{display:none}</style>"),
        ('<p style="}{;;display">Kept.</p>', "<style>{{{</style>"),
    ],
)
def test_visible_text_is_read(body: str, head: str) -> None:
    assert "Kept." in extract_text(body, head)


def test_hidden_text_in_the_html_of_an_email_is_not_read() -> None:
    mail = (
        b"From: a@a.example\r\nTo: b@b.example\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n\r\n"
        b'<p>Seen.</p><div style="display:none;max-height:0">Secret.</div>'
    )
    _, (read,) = extract("a.eml", mail)
    assert "Seen." in read.text
    assert "Secret" not in read.text


def test_many_nested_elements_and_rules_are_read() -> None:
    body = "<div>" * 5000 + "Kept." + "</div>" * 5000
    sheet = "".join(f".c{number}{{display:none}}" for number in range(3000))
    assert "Kept." in extract_text(body, f"<style>{sheet}</style>")
