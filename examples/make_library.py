"""Make the binary documents of the sample library from the texts in ``examples/sources``.

    pip install python-docx python-pptx reportlab openpyxl
    python examples/make_library.py

The plain documents of ``examples/library`` are written by hand; this script adds the PDF, Word,
OpenDocument, PowerPoint, Excel and EPUB files. A source starts with ``# title``; ``## `` begins a section,
``---`` a new page or slide. The outputs are committed, so nobody needs to run this to use the library.
Same input, same bytes.
"""

import html
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
MADE_AT = datetime(2026, 11, 21, tzinfo=UTC)
TARGETS = {
    "moulin-a-maree.md": ("fr", "harbours/moulin-a-maree.pdf"),
    "erupcion-cerro-pardo.md": ("es", "volcanoes/erupcion-cerro-pardo.pdf"),
    "tau-dem-bac-nam.md": ("vi", "night-trains/tau-dem-deo-may.docx"),
    "arisi-bal.md": ("tr", "bees/karadut-yaylasi.docx"),
    "puuvene.md": ("fi", "carpentry/puuvene.odt"),
    "hanok-mokgong.md": ("ko", "carpentry/hanok-moksu.pptx"),
    "aquila-ponte.md": ("it", "bicycles/il-ponte-dei-biciclettai.epub"),
    "football-results.tsv": ("en", "football/results-coastal-league.xlsx"),
}


@dataclass(frozen=True)
class Source:
    """A written text: its title and its lines, in order, each with a kind."""

    title: str
    language: str
    lines: Sequence[tuple[str, str]]  # ("heading" | "paragraph" | "break", text)


def parse(text: str, language: str) -> Source:
    """Split a source text into title, headings, paragraphs and page breaks."""
    title, lines = "", []
    for line in filter(None, (raw.strip() for raw in text.splitlines())):
        if line.startswith("## "):
            lines.append(("heading", line[3:]))
        elif line.startswith("# "):
            title = line[2:]
        elif line == "---":
            lines.append(("break", ""))
        else:
            lines.append(("paragraph", line))
    return Source(title, language, lines)


def to_pdf(source: Source) -> bytes:
    """Lay the text out on A5 pages with the standard Helvetica (Latin-1 languages only)."""
    from reportlab.lib.pagesizes import A5
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

    styles = getSampleStyleSheet()
    story = [Paragraph(html.escape(source.title), styles["Title"])]
    for kind, text in source.lines:
        if kind == "break":
            story.append(PageBreak())
        else:
            story.append(
                Paragraph(html.escape(text), styles["Heading2" if kind == "heading" else "BodyText"])
            )
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer, pagesize=A5, title=source.title, lang=source.language, invariant=1).build(story)
    return buffer.getvalue()


def to_docx(source: Source) -> bytes:
    """Write a Word document with real heading styles."""
    import docx

    document = docx.Document()
    document.core_properties.title = source.title
    document.core_properties.language = source.language
    document.core_properties.author = "me5-search"
    document.core_properties.created = document.core_properties.modified = MADE_AT
    document.add_heading(source.title, level=1)
    for kind, text in source.lines:
        if kind == "heading":
            document.add_heading(text, level=2)
        elif kind == "paragraph":
            document.add_paragraph(text)
    buffer = io.BytesIO()
    document.save(buffer)
    return repack(buffer.getvalue())


def to_pptx(source: Source) -> bytes:
    """Write one slide per part between breaks; the first heading of a part is the slide's title."""
    import pptx

    deck = pptx.Presentation()
    deck.core_properties.title = source.title
    deck.core_properties.author = "me5-search"
    deck.core_properties.created = deck.core_properties.modified = MADE_AT
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = source.title
    body: list[str] = []
    for kind, text in [*source.lines, ("break", "")]:
        if kind == "break":
            slide.placeholders[1].text_frame.text = "\n".join(body)
            body = []
        elif kind == "heading":
            slide = deck.slides.add_slide(deck.slide_layouts[1])
            slide.shapes.title.text = text
        else:
            body.append(text)
    buffer = io.BytesIO()
    deck.save(buffer)
    return repack(buffer.getvalue())


def to_odt(source: Source) -> bytes:
    """Write a minimal OpenDocument text."""
    office = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    text_ns = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    parts = [f'<text:h text:outline-level="1">{html.escape(source.title)}</text:h>']
    for kind, text in source.lines:
        tag = '<text:h text:outline-level="2">{}</text:h>' if kind == "heading" else "<text:p>{}</text:p>"
        parts.append(tag.format(html.escape(text)))
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<office:{{}} xmlns:office="{office}" '
    content = (
        head.format("document-content")
        + f'xmlns:text="{text_ns}" office:version="1.2"><office:body><office:text>{"".join(parts)}'
        + "</office:text></office:body></office:document-content>"
    )
    meta = (
        head.format("document-meta")
        + 'xmlns:dc="http://purl.org/dc/elements/1.1/" office:version="1.2"><office:meta>'
        + f"<dc:title>{html.escape(source.title)}</dc:title><dc:language>{source.language}</dc:language>"
        + "</office:meta></office:document-meta>"
    )
    kind = "application/vnd.oasis.opendocument.text"
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{path}" manifest:media-type="{media}"/>'
        for path, media in (("/", kind), ("content.xml", "text/xml"), ("meta.xml", "text/xml"))
    )
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<manifest:manifest manifest:version="1.2" '
        f'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">{entries}</manifest:manifest>'
    )
    return zipped(
        {"mimetype": kind, "content.xml": content, "meta.xml": meta, "META-INF/manifest.xml": manifest}
    )


def to_epub(source: Source) -> bytes:
    """Write an EPUB 3 book with one chapter file per heading."""
    chapters: list[tuple[str, list[str]]] = []
    for kind, text in source.lines:
        if kind == "heading":
            chapters.append((text, []))
        elif kind == "paragraph" and chapters:
            chapters[-1][1].append(text)
    page = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        'xmlns:epub="http://www.idpf.org/2007/ops" xml:lang="{language}"><head><title>{title}</title></head>'
        "<body>{body}</body></html>"
    )
    files = {"mimetype": "application/epub+zip"}
    files["META-INF/container.xml"] = (
        '<?xml version="1.0"?>\n<container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
        'full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    names = [f"chapter{number}.xhtml" for number in range(1, len(chapters) + 1)]
    links = "".join(
        f'<li><a href="{name}">{html.escape(title)}</a></li>'
        for name, (title, _) in zip(names, chapters, strict=True)
    )
    items = "".join(
        f'<item id="{name[:-6]}" href="{name}" media-type="application/xhtml+xml"/>' for name in names
    )
    spine = "".join(f'<itemref idref="{name[:-6]}"/>' for name in names)
    files["book.opf"] = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
        'unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<dc:identifier id="id">me5-search-sample</dc:identifier>'
        f"<dc:title>{html.escape(source.title)}</dc:title>"
        f"<dc:language>{source.language}</dc:language>"
        f'<meta property="dcterms:modified">{MADE_AT:%Y-%m-%dT%H:%M:%SZ}</meta></metadata>'
        '<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f"{items}</manifest><spine>{spine}</spine></package>"
    )
    files["nav.xhtml"] = page.format(
        language=source.language,
        title=html.escape(source.title),
        body=f'<nav epub:type="toc"><ol>{links}</ol></nav>',
    )
    for name, (title, paragraphs) in zip(names, chapters, strict=True):
        body = f"<h2>{html.escape(title)}</h2>" + "".join(
            f"<p>{html.escape(text)}</p>" for text in paragraphs
        )
        files[name] = page.format(language=source.language, title=html.escape(title), body=body)
    return zipped(files)


def to_xlsx(text: str) -> bytes:
    """Write tab-separated rows as one sheet; whole numbers become numbers."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Results"
    for line in text.strip().splitlines():
        sheet.append([int(cell) if cell.isdecimal() else cell for cell in line.split("\t")])
    book.properties.title = "Coastal League 2025/26"
    book.properties.creator = "me5-search"
    book.properties.created = book.properties.modified = MADE_AT.replace(tzinfo=None)
    buffer = io.BytesIO()
    book.save(buffer)
    return repack(buffer.getvalue())


def zipped(files: dict[str, str | bytes]) -> bytes:
    """Pack files in order with a fixed date; ``mimetype`` stays uncompressed, as ODF and EPUB ask."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=(2026, 11, 21, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()


def repack(data: bytes) -> bytes:
    """Give the parts of an Office file a fixed date and leave out the thumbnail, so that bytes repeat."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files: dict[str, str | bytes] = {
            name: archive.read(name) for name in archive.namelist() if "thumbnail" not in name
        }
    relations = files.get("_rels/.rels")
    if isinstance(relations, bytes):
        from xml.etree import ElementTree

        root = ElementTree.fromstring(relations)
        for relation in [item for item in root if "thumbnail" in item.get("Target", "")]:
            root.remove(relation)
        ElementTree.register_namespace("", "http://schemas.openxmlformats.org/package/2006/relationships")
        files["_rels/.rels"] = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    core = files.get("docProps/core.xml")
    if isinstance(core, bytes):  # openpyxl stamps the moment of saving
        import re

        stamp = f"{MADE_AT:%Y-%m-%dT%H:%M:%SZ}".encode()
        files["docProps/core.xml"] = re.sub(
            rb"(<dcterms:modified[^>]*>)[^<]*", lambda match: match[1] + stamp, core
        )
    return zipped(files)


MAKERS: dict[str, Callable[[Source], bytes]] = {
    ".pdf": to_pdf,
    ".docx": to_docx,
    ".pptx": to_pptx,
    ".odt": to_odt,
    ".epub": to_epub,
}


def main() -> None:
    """Write every target below ``examples/library``."""
    for source_name, (language, target_name) in TARGETS.items():
        text = (HERE / "sources" / source_name).read_text(encoding="utf-8")
        target = HERE / "library" / target_name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".xlsx":
            target.write_bytes(to_xlsx(text))
        else:
            target.write_bytes(MAKERS[target.suffix](parse(text, language)))


if __name__ == "__main__":
    main()
