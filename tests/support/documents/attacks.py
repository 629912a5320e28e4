"""Small malicious files that attack document readers."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from tests.support.documents.files import assemble_pdf, make_docx, make_pptx, make_xlsx, make_zip

__all__ = [
    "make_bzip2_bomb",
    "make_docx_with_false_size",
    "make_docx_with_nested_zip",
    "make_docx_with_parts",
    "make_docx_with_rows",
    "make_entity_file",
    "make_nested_mail",
    "make_pdf_bomb",
    "make_pdf_of_forms",
    "make_pdf_with_kids",
    "make_xlsx_with_impossible_date",
    "make_xlsx_with_rows",
    "make_xlsx_with_strings",
]

MEBIBYTE = 1024 * 1024
SPREADSHEET = b"application/vnd.openxmlformats-officedocument.spreadsheetml"

BILLION_LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
    b"&c;",
)
EXTERNAL_ENTITY = (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', b"&a;")
ENTITIES: Mapping[str, tuple[bytes, bytes]] = {
    "billion-laughs": BILLION_LAUGHS,
    "external-entity": EXTERNAL_ENTITY,
}


def make_docx_with_false_size(mebibytes: int) -> bytes:
    """Return a DOCX whose styles unpack to ``mebibytes`` MiB, though its directory says 100 kB."""
    stream = _make_zeros(mebibytes, b"<styles>")  # a valid start, so that the reader continues
    with_stream = bytearray(
        _replace_member(make_docx("Text."), "word/styles.xml", lambda _: stream, packed=False)
    )
    local = with_stream.rindex(b"PK\x03\x04", 0, with_stream.index(b"word/styles.xml"))
    entry = with_stream.rindex(b"PK\x01\x02", 0, with_stream.rindex(b"word/styles.xml"))
    for method, size in ((local + 8, local + 22), (entry + 10, entry + 24)):
        with_stream[method : method + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        with_stream[size : size + 4] = struct.pack("<I", 100_000)
    return bytes(with_stream)


def make_docx_with_parts(count: int) -> bytes:
    """Return a DOCX with ``count`` additional empty parts."""
    buffer = io.BytesIO(make_docx("Text."))
    with zipfile.ZipFile(buffer, "a") as archive:
        for number in range(count):
            archive.writestr(f"word/media/{number}", b"")
    return buffer.getvalue()


def make_docx_with_nested_zip(mebibytes: int) -> bytes:
    """Return a valid DOCX with an embedded archive that unpacks to ``mebibytes`` MiB."""
    buffer = io.BytesIO(make_docx("Text."))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("word/embeddings/bomb.zip", make_zip(zeros=bytes(mebibytes * MEBIBYTE)))
    return buffer.getvalue()


def make_bzip2_bomb(mebibytes: int) -> bytes:
    """Return an archive whose list of contents is packed with bzip2 and unpacks to ``mebibytes`` MiB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("[Content_Types].xml", bytes(mebibytes * MEBIBYTE))
    return buffer.getvalue()


def make_entity_file(filename: str, kind: str, encoding: str = "utf-8") -> bytes:
    """Return a file whose text is one XML entity, which the file's main part defines."""
    declaration, reference = ENTITIES[kind]
    content, part = {
        "a.docx": (make_docx("TEXT"), "word/document.xml"),
        "a.pptx": (make_pptx(("TEXT", "")), "ppt/slides/slide1.xml"),
        "a.xlsx": (make_xlsx(S=[["TEXT"]]), "xl/worksheets/sheet1.xml"),
    }[filename]

    def declare(xml: bytes) -> bytes:
        root = xml[xml.index(b"?>") + 2 :] if xml.startswith(b"<?xml") else xml
        head = f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
        return (head + declaration + root.replace(b"TEXT", reference)).decode().encode(encoding)

    return _replace_member(content, part, declare)


def make_docx_with_rows(rows: bytes) -> bytes:
    """Return a DOCX with a table of ``rows``, in WordprocessingML."""
    content = make_docx(table=[["ROW"]])

    def replace(xml: bytes) -> bytes:
        return xml[: xml.index(b"<w:tr>")] + rows + xml[xml.index(b"</w:tbl>") :]

    return _replace_member(content, "word/document.xml", replace)


def make_xlsx_with_rows(rows: bytes, dimension: bytes = b"A1:B1") -> bytes:
    """Return an XLSX whose sheet has a row of names and then ``rows``, in SpreadsheetML."""

    def replace(xml: bytes) -> bytes:
        declared = b'<dimension ref="%s"/><sheetData>' % dimension
        return xml.replace(b"<sheetData>", declared).replace(b"</sheetData>", rows + b"</sheetData>")

    return _replace_member(make_xlsx(S=[["Year", "Sum"]]), "xl/worksheets/sheet1.xml", replace)


def make_xlsx_with_strings(text: bytes, repetitions: int) -> bytes:
    """Return an XLSX that stores a text once and refers to it in ``repetitions`` cells."""
    rows = b"".join(b'<row r="%d"><c t="s"><v>0</v></c></row>' % n for n in range(2, repetitions + 2))
    override = (
        b'<Override PartName="/xl/sharedStrings.xml" ContentType="%s.sharedStrings+xml"/></Types>'
        % SPREADSHEET
    )
    content = _replace_member(
        make_xlsx_with_rows(rows), "[Content_Types].xml", lambda xml: xml.replace(b"</Types>", override)
    )
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        strings = (
            b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>%s</t></si></sst>'
        )
        archive.writestr("xl/sharedStrings.xml", strings % text)
    return buffer.getvalue()


def make_xlsx_with_impossible_date() -> bytes:
    """Return an XLSX with the number of a date that is later than Excel's last date."""
    content = make_xlsx(S=[[date(2026, 1, 1)]])
    return _replace_member(
        content, "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b"<v>46023<", b"<v>4711471147114711<")
    )


def make_pdf_with_kids(kids: str) -> bytes:
    """Return a PDF whose page tree (object 2) has the children ``kids``; object 4 is a page."""
    return _make_one_page_pdf("BT /F1 12 Tf (Text.) Tj ET", kids=kids)


def make_pdf_bomb(mebibytes: int) -> bytes:
    """Return a PDF with one page whose content unpacks to ``mebibytes`` MiB."""
    return _make_one_page_pdf(f"\x78\x9c{_make_zeros(mebibytes).decode('latin-1')}", "/Filter /FlateDecode")


def make_pdf_of_forms(levels: int, times: int) -> bytes:
    """Return a PDF with nested forms: the page and each form draw the next form ``times`` times."""
    drawn = "/X Do " * times
    forms = [
        _make_stream(drawn, f"/Type /XObject /Subtype /Form /Resources << /XObject << /X {number} 0 R >> >>")
        for number in range(7, 6 + levels)
    ]
    last = _make_stream(
        "BT /F1 12 Tf (ha) Tj ET", "/Type /XObject /Subtype /Form /Resources << /Font << /F1 3 0 R >> >>"
    )
    return _make_one_page_pdf(drawn, others=[*forms, last])


def make_nested_mail(depth: int) -> bytes:
    """Return an e-mail with ``depth`` nested parts."""
    head = b"From: a@b.example\nDate: Mon, 02 Nov 2026 09:30:00 +0100\n"
    parts = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(depth)
    )
    return head + parts + b"Content-Type: text/plain\n\nDeep.\n"


def _make_zeros(mebibytes: int, head: bytes = b"") -> bytes:
    """Return a raw deflate stream of zeros after ``head``. It is quick: one flushed block is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    begin = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + block * mebibytes + packer.flush()


def _replace_member(
    content: bytes, name: str, change: Callable[[bytes], bytes], *, packed: bool = True
) -> bytes:
    """Return an archive with one changed member, which becomes the last."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
        new.writestr(name, change(old.read(name)), zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    return buffer.getvalue()


def _make_one_page_pdf(
    content: str, entries: str = "", *, kids: str = "4 0 R", others: Sequence[str] = ()
) -> bytes:
    return assemble_pdf(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            f"<< /Type /Pages /Kids [{kids}] /Count 1 >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
            (
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R "
                "/Resources << /Font << /F1 3 0 R >> /XObject << /X 6 0 R >> >> >>"
            ),
            _make_stream(content, entries),
            *others,
        ]
    )


def _make_stream(content: str, entries: str) -> str:
    return f"<< {entries} /Length {len(content)} >>\nstream\n{content}\nendstream"
