"""PDF: the text layer of each page through PDFium, the bookmark above it as section; pages as pictures."""

import ctypes
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from indexer.errors import ReadError
from indexer.readers import pdf_layout
from indexer.readers.pieces import Facts, Piece, Reading, Source, refusal

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

MAX_BOOKMARKS = 10_000
MAX_PIXELS = 16_000_000


@contextmanager
def open_pdf(source: Source) -> Iterator["PdfDocument"]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(source.path if source.path is not None else source.data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise refusal(
                source.name,
                "is encrypted and needs a password",
                "a PDF that opens without one",
                "Save a copy without the password and add that",
            ) from error
        raise refusal(
            source.name,
            f"is a damaged PDF ({error})",
            "one that opens in a viewer",
            "Download it again or save it anew",
        ) from error
    with closing(document):
        yield document


def read(source: Source) -> Reading:
    """Raises ReadError when no page has text: scanned pages are not recognised here."""
    with open_pdf(source) as document:
        pages = len(document)
        yield Facts(title=_title(document), pages=pages)
        sections = _sections(document)
        silent = unreadable = 0
        section: str | None = None
        for number in range(1, pages + 1):
            section = sections.get(number, section)
            try:
                text = _page_text(document, number)
            except ReadError:
                unreadable += 1
                continue
            if text.strip():
                yield Piece(text + "\n", page=number, section=section)
            else:
                silent += 1
        if silent + unreadable == pages:
            raise refusal(
                source.name,
                f"has no text layer on any of its {pages} pages (scanned images?)",
                "text",
                "Text recognition (OCR) is not part of this program: run one over the file first",
            )
        if silent:
            yield Facts(warning=f"{silent} of {pages} pages have no text layer")
        if unreadable:
            yield Facts(warning=f"{unreadable} of {pages} pages are damaged")


def render(source: Source, page: int, width: int) -> bytes:
    """Page ``page`` (from 1) as a PNG of ``width`` pixels, narrower when the page is extremely long."""
    import io

    if b"%PDF-" not in source.head(1024):
        raise refusal(source.name, "has no page images", "a PDF", "Show its text instead")
    with open_pdf(source) as document:
        if not 1 <= page <= len(document):
            raise refusal(source.name, f"has no page {page}", f"1 to {len(document)}", "Choose one of these")
        sheet = document[page - 1]
        wide, high = sheet.get_size()
        scale = width / max(wide, 1.0)
        scale = min(scale, (MAX_PIXELS / max(wide * high, 1.0)) ** 0.5)
        picture = io.BytesIO()
        sheet.render(scale=scale).to_pil().convert("RGB").save(picture, "PNG")
        return picture.getvalue()


def _page_text(document: "PdfDocument", number: int) -> str:
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        page = document[number - 1]
        text_page = page.get_textpage()
    except pypdfium2.PdfiumError as error:
        raise ReadError(f"page {number} is damaged") from error
    try:
        count = pdfium.FPDFText_CountChars(text_page)
        if count <= 0:
            return ""
        buffer = ctypes.create_string_buffer((count * 2 + 1) * 2)
        got = pdfium.FPDFText_GetText(
            text_page, 0, count, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort))
        )
        text = buffer.raw[: max(0, got - 1) * 2].decode("utf-16-le", errors="replace")
        text = pdf_layout.rebuild(text, page, text_page)
    finally:
        text_page.close()
        page.close()
    # PDFium marks a hyphen at the end of a line with U+FFFE or U+0002
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for mark in ("\ufffe\n", "\x02\n", "\ufffe", "\x02", "\0"):
        text = text.replace(mark, "")
    return text


def _title(document: "PdfDocument") -> str:
    title = " ".join(document.get_metadata_value("Title").split())
    # file names and program names that word processors leave there are no titles
    is_file_name = title.lower().endswith(
        (".doc", ".docx", ".indd", ".tex", ".dvi", ".pdf", ".qxd", ".rtf", ".odt")
    )
    return "" if is_file_name or title.lower() in ("untitled", "about:blank") else title


def _sections(document: "PdfDocument") -> dict[int, str]:
    """Page number -> title of the first bookmark that points to it."""
    import pypdfium2

    sections: dict[int, str] = {}
    try:
        for count, bookmark in enumerate(document.get_toc(max_depth=3)):
            target = bookmark.get_dest()
            index = target.get_index() if target is not None else None
            title = " ".join(bookmark.get_title().split())
            if index is not None and title:
                sections.setdefault(index + 1, title[:200])
            if count >= MAX_BOOKMARKS:
                break
    except pypdfium2.PdfiumError:
        return sections  # damaged bookmarks are no reason to lose the text
    return sections
