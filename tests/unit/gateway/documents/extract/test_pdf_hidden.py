"""Tests of hidden text in PDF: only visible text and the recognised text of scans is read."""

import pytest
from gateway.documents.extract import extract

from tests.support.documents.files import assemble_pdf, make_pdf

FONT = "/F1 12 Tf"
SEEN = f"BT {FONT} 72 720 Td (Seen.) Tj ET"
IMAGE = "q 612 0 0 792 0 0 cm /Im1 Do Q"


def extract_text(content: str, form: str = "", box: str = "/MediaBox [0 0 612 792]") -> str:
    resources = (
        "/Resources << /Font << /F1 3 0 R /F3 8 0 R >> /XObject << /Im1 6 0 R /Fm1 7 0 R >> "
        "/ColorSpace << /Spot [/Separation /Black /DeviceCMYK 9 0 R] /Icc [/ICCBased 10 0 R] >> "
        "/ExtGState << /Clear << /ca 0 >> /Half << /ca 0.5 >> >> >>"
    )
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        f"<< /Type /Page /Parent 2 0 R {box} /Contents 5 0 R {resources} >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        (
            "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 "
            "/ColorSpace /DeviceGray /Length 1 >>\nstream\nx\nendstream"
        ),
        (
            f"<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] {resources} /Length {len(form)} >>\n"
            f"stream\n{form}\nendstream"
        ),
        (
            "<< /Type /Font /Subtype /Type3 /FontMatrix [1 0 0 1 0 0] /FontBBox [0 0 1 1] /CharProcs << >> "
            "/Encoding /WinAnsiEncoding /FirstChar 0 /LastChar 0 /Widths [1] >>"
        ),
        "<< /FunctionType 2 /Domain [0 1] /N 1 /C0 [0 0 0 0] /C1 [0 0 0 1] >>",
        "<< /N 3 /Length 1 >>\nstream\nx\nendstream",
    ]
    _, (page,) = extract("a.pdf", assemble_pdf(objects))
    return " ".join(page.text.split())


def extract_shown(before: str, text: str, place: str = "72 600 Td", font: str = FONT) -> str:
    return f"{SEEN} q {before} BT {font} {place} ({text}) Tj ET Q"


HIDDEN = {
    "invisible": extract_shown("3 Tr", "Secret."),
    "clip": extract_shown("7 Tr", "Secret."),
    "white-gray": extract_shown("1 g", "Secret."),
    "white-rgb": extract_shown("1 1 1 rg", "Secret."),
    "white-cmyk": extract_shown("0 0 0 0 k", "Secret."),
    "white-in-a-space": extract_shown("/DeviceRGB cs 1 1 1 sc", "Secret."),
    "white-in-a-profile": extract_shown("/Icc cs 1 1 1 scn", "Secret."),
    "white-by-a-quote": f"{SEEN} 1 g BT {FONT} 14 TL 72 600 Td (Secret.) ' 0 0 (Secret.) \" ET",
    "white-in-parts": f"{SEEN} 1 g BT {FONT} 72 600 Td [(Sec) 3 (ret.)] TJ ET",
    "white-on-a-white-box": extract_shown("1 g 0 0 612 792 re f", "Secret."),
    "white-off-the-box": extract_shown("0 g 72 100 200 20 re f 1 g", "Secret."),
    "white-off-the-line": extract_shown("0.5 w 72 100 m 300 100 l S 1 g", "Secret."),
    "no-opacity": extract_shown("/Clear gs", "Secret."),
    "no-size": extract_shown("", "Secret.", font="/F1 0 Tf"),
    "small-size": extract_shown("", "Secret.", font="/F1 .2 Tf"),
    "small-matrix": extract_shown("", "Secret.", place=".01 0 0 .01 72 600 Tm"),
    "small-page-matrix": extract_shown("0.01 0 0 0.01 72 600 cm", "Secret.", place="0 0 Td"),
    "above-the-page": extract_shown("", "Secret.", place="72 900 Td"),
    "below-the-page": extract_shown("", "Secret.", place="72 -900 Td"),
    "right-of-the-page": extract_shown("", "Secret.", place="1 0 0 1 5000 300 Tm"),
    "left-of-the-page": extract_shown("", "Secret.", place="-2000 300 Td"),
    "invisible-off-a-picture": extract_shown("q 50 0 0 50 500 700 cm /Im1 Do Q 3 Tr", "Secret.", "72 300 Td"),
}


@pytest.mark.parametrize("content", HIDDEN.values(), ids=HIDDEN)
def test_text_that_a_page_does_not_show_is_not_read(content: str) -> None:
    assert extract_text(content) == "Seen."


SHOWN = {
    "stroked": extract_shown("1 g 1 Tr", "Kept."),
    "outlined": extract_shown("1 g 2 Tr", "Kept."),
    "mode-of-before": f"q 3 Tr Q {extract_shown('', 'Kept.')}",
    "colour-of-before": f"q 1 g Q {extract_shown('', 'Kept.')}",
    "light": extract_shown("0.9 g", "Kept."),
    "half-opaque": extract_shown("/Half gs", "Kept."),
    "full-tint-of-an-ink": extract_shown("/Spot cs 1 scn", "Kept."),
    "pattern": extract_shown("/Pattern cs /P1 scn", "Kept."),
    "white-on-a-dark-page": extract_shown("0 g 0 0 612 792 re f 1 g", "Kept."),
    "white-on-a-dark-cell": extract_shown("0.2 0.3 0.4 rg 70 595 200 20 re f 1 1 1 rg", "Kept."),
    "white-on-a-moved-cell": extract_shown("q 1 0 0 1 70 595 cm 0 0 200 20 re f Q 1 g", "Kept."),
    "white-on-any-shape": extract_shown("0 0 m 600 0 l 600 700 l h f 1 g", "Kept."),
    "white-on-a-shading": extract_shown("/Sh1 sh 1 g", "Kept."),
    "white-on-a-wide-line": extract_shown("30 w 72 600 m 300 600 l S 1 g", "Kept."),
    "white-on-a-picture": extract_shown(f"{IMAGE} 1 g", "Kept."),
    "white-on-a-form": extract_shown("/Fm1 Do 1 g", "Kept."),
    "white-turned-on-a-cell": extract_shown("0 g 60 590 20 200 re f 1 g", "Kept.", "0 1 -1 0 72 600 Tm"),
    "size-in-the-matrix": extract_shown("", "Kept.", "12 0 0 12 72 600 Tm", "/F1 1 Tf"),
    "size-in-the-page-matrix": extract_shown(".01 0 0 .01 0 0 cm", "Kept.", "7200 60000 Td", "/F1 1200 Tf"),
    "size-in-the-font": extract_shown("", "Kept.", font="/F3 .1 Tf"),
    "upside-down": extract_shown("1 0 0 -1 0 792 cm", "Kept.", "1 0 0 -1 72 192 Tm"),
    "turned": extract_shown("", "Kept.", "0 1 -1 0 600 10 Tm"),
    "begins-left-of-the-page": extract_shown("", f"{'long ' * 20}Kept.", "-100 300 Td"),
    "goes-on-from-the-left": f"{SEEN} BT {FONT} -100 300 Td ({'long ' * 20}) Tj (Kept.) Tj ET",
    "moved-in-from-the-left": f"{SEEN} BT {FONT} -100 300 Td [-20000 (Kept.)] TJ ET",
    "scan": extract_shown(f"{IMAGE} 3 Tr", "Kept."),
    "scan-below-its-text": f"{extract_shown('3 Tr', 'Kept.')} {IMAGE}",
    "scan-in-strips": extract_shown(
        "q 612 0 0 200 0 0 cm /Im1 Do Q q 612 0 0 250 0 200 cm /Im1 Do Q 3 Tr", "Kept.", "72 700 Td"
    ),
    "scan-of-a-receipt": extract_shown("q 200 0 0 200 50 500 cm /Im1 Do Q 3 Tr", "Kept."),
    "scan-inline": extract_shown("q 612 0 0 792 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q 3 Tr", "Kept."),
    "clip-of-a-picture": f"{SEEN} q 7 Tr BT {FONT} 72 600 Td (Kept.) Tj ET {IMAGE} Q",
    "clip-of-a-fill": f"{SEEN} q 7 Tr BT {FONT} 72 600 Td (Kept.) Tj ET 0 0 612 792 re f Q",
    "malformed": f"{SEEN} (x) Tr /F1 Tf [] rg /None gs 1 re {extract_shown('', 'Kept.')}",
}


@pytest.mark.parametrize("content", SHOWN.values(), ids=SHOWN)
def test_text_that_a_page_may_show_is_read(content: str) -> None:
    text = extract_text(content)
    assert "Seen." in text
    assert "Kept." in text


def test_only_the_visible_text_in_a_form_is_read() -> None:
    form = f"BT {FONT} 3 Tr 9 9 Td (Secret.) Tj 0 Tr 1 g (Kept.) Tj ET"
    assert extract_text(f"{SEEN} /Fm1 Do", form) == "Seen. Kept."


def test_the_text_of_a_scan_in_a_form_is_read() -> None:
    assert extract_text(f"{SEEN} /Fm1 Do", f"{IMAGE} BT {FONT} 3 Tr 9 9 Td (Kept.) Tj ET") == "Seen. Kept."


def test_the_graphics_state_of_a_form_ends_with_the_form() -> None:
    assert extract_text(f"/Fm1 Do {SEEN}", "3 Tr 1 g q q q") == "Seen."


@pytest.mark.parametrize(
    "box",
    [
        "",
        "/MediaBox null",
        "/MediaBox 5",
        "/MediaBox [0 0]",
        "/MediaBox [0 0 0 0]",
        "/MediaBox [612 792 0 0]",
    ],
)
def test_a_page_with_damaged_or_reversed_bounds_is_read(box: str) -> None:
    assert extract_text(SEEN, box=box) == "Seen."


@pytest.mark.parametrize("resources", [b"/Resources 5", b"/Resources null", b"/Resources [ 1 ]"])
def test_a_page_with_damaged_resources_does_not_affect_others(resources: bytes) -> None:
    content = make_pdf("First.", "Kept.")
    sound = b"/Resources << /Font << /F1 3 0 R >> >>"
    _, pages = extract("a.pdf", content.replace(sound, resources.ljust(len(sound)), 1))
    assert [page.text for page in pages] == ["", "Kept."]
