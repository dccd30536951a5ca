"""PDF: the text layer of each page through PDFium, the bookmark above it as section; pages as pictures."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.errors import ReadError
from indexer.readers import pdf_forms, pdf_layout
from indexer.readers.flow import aside
from indexer.readers.pdf_glyphs import stretches_of
from indexer.readers.pdf_order import lines_of
from indexer.readers.pdf_words import Vocabulary, page_text
from indexer.readers.pieces import SECTION_SEPARATOR, Facts, Piece, Reading, Source, refusal
from indexer.readers.stated_title import real_title

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

MAX_BOOKMARKS = 10_000
MAX_PIXELS = 16_000_000
WINDOW_PAGES, WINDOW_CHARS = 300, 4_000_000  # held back until it is known which words they hold


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
            "Download it again or save it again",
        ) from error
    with closing(document):
        yield document


def read(source: Source) -> Reading:
    """Raises ReadError when no page has text: scanned pages are not recognised here."""
    with open_pdf(source) as document:
        pages = len(document)
        form_warning = pdf_forms.open_forms(document)
        yield Facts(title=real_title(document.get_metadata_value("Title")), pages=pages)
        sections = _sections(document)
        silent = unreadable = unread = 0
        section: str | None = None
        vocabulary, waiting = Vocabulary(), list[_Page]()
        for number in range(1, pages + 1):
            section = sections.get(number, section)
            try:
                page = _read_page(document, number, section)
            except ReadError:
                unreadable += 1
                continue
            unread += page.unread
            if page.text.strip() or page.comments:
                waiting.append(page)
            else:
                silent += 1
            if (
                sum(len(item.text) for item in waiting[-WINDOW_PAGES:]) > WINDOW_CHARS
                or len(waiting) > WINDOW_PAGES
            ):
                yield from _given(waiting, vocabulary)
                waiting = []
        yield from _given(waiting, vocabulary)
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
        if unread:
            yield Facts(warning=f"{unread} form fields were not read")
        if form_warning:
            yield Facts(warning=form_warning)


@dataclass(frozen=True)
class _Page:
    """A page whose words are still cut at the ends of lines; ``unread`` counts fields."""

    number: int
    section: str | None
    text: str
    comments: list[str]
    unread: int


def _given(pages: list[_Page], vocabulary: Vocabulary) -> Reading:
    """Pages with their words joined, by what is known of the document or, if it is long, of this part."""
    vocabulary.learn(page.text for page in pages)
    for page in pages:
        text = vocabulary.join(page.text)
        if text.strip():
            yield Piece(text + "\n", page=page.number, section=page.section)
        yield from aside(page.comments, "comments", page.number)


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


def _read_page(document: "PdfDocument", number: int, section: str | None) -> _Page:
    import pypdfium2

    try:
        page = document[number - 1]
        text_page = page.get_textpage()
    except pypdfium2.PdfiumError as error:
        raise ReadError(f"page {number} is damaged") from error
    try:
        form = pdf_forms.form_of(document, page)
        raw = text_page.get_text_range()
        stretches = stretches_of(page, text_page, raw)
        rest = pdf_forms.place_fields(form.fields, stretches)
        text = pdf_layout.by_objects(raw, page, text_page)
        if text is None:
            text = page_text([(line, pdf_layout.line_text(line)) for line in lines_of(stretches)])
        else:  # fields have no place in such text
            rest = [f"{field.name}: {field.value}".strip(": ") for field in form.fields]
    finally:
        text_page.close()
        page.close()
    if label := pdf_forms.page_label(document, number - 1):
        section = SECTION_SEPARATOR.join(part for part in (section, f"page {label}") if part)
    text = "\n".join(part for part in (text, *rest) if part)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return _Page(number, section, text, form.comments, form.unread)


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
