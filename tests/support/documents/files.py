"""Sample files of every supported format, and damaged files."""

import io
import struct
import zipfile
from collections.abc import Sequence

import docx
from openpyxl import Workbook
from pptx import Presentation
from pptx.util import Inches
from pypdf import PdfReader, PdfWriter

__all__ = [
    "assemble_pdf",
    "make_docx",
    "make_docx_zip_bomb",
    "make_encrypted_pdf",
    "make_long_docx",
    "make_pdf",
    "make_pptx",
    "make_xlsx",
    "make_zip",
]


def make_pdf(*pages: str) -> bytes:
    """Return a PDF with a page for each text; an empty text gives a page without text."""
    kids = [4 + 2 * number for number in range(len(pages))]
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] /Count {len(kids)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for kid, text in zip(kids, pages, strict=True):
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        shown = " T* ".join(f"({line}) Tj" for line in escaped.split("\n"))
        stream = f"BT /F1 12 Tf 14 TL 72 720 Td {shown} ET" if text else ""
        objects += [
            (
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {kid + 1} 0 R "
                "/Resources << /Font << /F1 3 0 R >> >> >>"
            ),
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    return assemble_pdf(objects)


def make_encrypted_pdf(password: str, *, user_password: str | None = None) -> bytes:
    """Return a PDF that opens with ``user_password``, by default the owner's password."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf("A secret."))))
    writer.encrypt(password if user_password is None else user_password, password, algorithm="AES-256")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def make_docx(
    *paragraphs: str | tuple[str, str], table: Sequence[Sequence[str]] = (), after: str = ""
) -> bytes:
    """Return a DOCX with paragraphs (text, or text and style), then a table, then the paragraph ``after``."""
    document = docx.Document()
    for paragraph in paragraphs:
        text, style = (paragraph, None) if isinstance(paragraph, str) else paragraph
        document.add_paragraph(text, style)
    if table:
        grid = document.add_table(rows=len(table), cols=len(table[0]))
        for row, texts in zip(grid.rows, table, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    if after:
        document.add_paragraph(after)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def make_pptx(*slides: tuple[str, str], table: Sequence[Sequence[str]] = (), notes: str = "") -> bytes:
    """Return a PPTX of slides with a title and a text; the last slide has the table and the notes."""
    presentation = Presentation()
    for title, text in slides:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.placeholders[0].text = title
        slide.placeholders[1].text = text
    if table:
        inch = Inches(1)
        grid = slide.shapes.add_table(len(table), len(table[0]), inch, inch, inch, inch).table
        for row, texts in zip(grid.rows, table, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    if notes:
        slide.notes_slide.notes_text_frame.text = notes
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()


def make_xlsx(**sheets: Sequence[Sequence[object]]) -> bytes:
    """Return an XLSX with sheets, each a name with rows."""
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def make_zip(**members: bytes) -> bytes:
    """Return a zip archive that is not a document."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def make_docx_zip_bomb(claimed_bytes: int) -> bytes:
    """Return a DOCX with an additional member that declares the unpacked size ``claimed_bytes``."""
    buffer = io.BytesIO(make_docx("Harmless."))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/media/bomb.bin", b"0")
    content = bytearray(buffer.getvalue())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"word/media/bomb.bin"))
    content[entry + 24 : entry + 28] = struct.pack("<I", claimed_bytes)
    return bytes(content)


def make_long_docx(paragraphs: int) -> bytes:
    """Return a DOCX of ``paragraphs`` empty paragraphs: a small file that takes long to read."""
    whole, buffer = zipfile.ZipFile(io.BytesIO(make_docx("Text."))), io.BytesIO()
    with whole, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "word/document.xml":
                content = content.replace(b"</w:body>", b"<w:p/>" * paragraphs + b"</w:body>")
            archive.writestr(name, content)
    return buffer.getvalue()


def assemble_pdf(objects: Sequence[str]) -> bytes:
    """Return a PDF of objects, numbered from 1. The first is the catalogue; each character is a byte."""
    body, offsets = "%PDF-1.7\n", []
    for number, text in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R >>"
    xref = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    return f"{body}{xref}trailer\n{trailer}\nstartxref\n{len(body)}\n%%EOF\n".encode("latin-1")
