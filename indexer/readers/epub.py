"""E-books: the chapters of the spine in reading order, each read as HTML."""

from urllib.parse import unquote

from indexer.readers import encoding
from indexer.readers.container import Container, open_container, parse_xml, resolve
from indexer.readers.html import read_markup
from indexer.readers.pieces import MEGABYTE, Facts, Headings, Piece, Reading, Source, refusal

FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
CHAPTER_TYPES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read(source: Source) -> Reading:
    with open_container(source) as archive:
        _refuse_rights_management(source, archive)
        title, chapters = _spine(source, archive)
        yield Facts(title=title)
        result = False
        for chapter in chapters:
            if not archive.has(chapter):
                yield Facts(warning=f"chapter {chapter} is listed but missing")
                continue
            result = True
            if archive.getinfo(chapter).file_size > 64 * MEGABYTE:
                raise refusal(
                    source.name, f"has a chapter over 64 MB ({chapter})", "smaller ones", "Split the book"
                )
            data = archive.read(chapter)
            text, _ = encoding.decode(data, encoding.declared_charset(data))
            for item in read_markup(text, Headings()):
                if isinstance(item, Piece):
                    yield item
                elif item.warning:
                    yield Facts(warning=f"chapter {chapter}: {item.warning}")
        if not result:
            raise refusal(
                source.name,
                f"holds none of the {len(chapters)} chapters that it lists ({chapters[0]} ...)",
                "its chapters",
                "Download or convert the book again",
            )


def _spine(source: Source, archive: Container) -> tuple[str, list[str]]:
    """Title and chapter parts of the book."""
    container = parse_xml(source, archive, "META-INF/container.xml")
    package = next((e.get("full-path") or "" for e in container.iter("{*}rootfile")), "")
    root = parse_xml(source, archive, package)
    folder = package.rpartition("/")[0]
    title = next((" ".join((e.text or "").split()) for e in root.iter("{*}title")), "")
    items: dict[str | None, str] = {}
    others: set[str | None] = set()  # pictures stand in the spine of some books
    for item in root.iter("{*}item"):
        href = item.get("href") or ""
        if item.get("media-type") in CHAPTER_TYPES or href.lower().endswith((".xhtml", ".html", ".htm")):
            items[item.get("id")] = resolve(folder, unquote(href.partition("#")[0]))
        else:
            others.add(item.get("id"))
    chapters = [
        items.get(ref.get("idref"), "") or f"{ref.get('idref')} (not in the list of files)"
        for ref in root.iter("{*}itemref")
        if ref.get("idref") not in others
    ]
    if not chapters:
        raise refusal(source.name, "lists no chapters", "a spine of XHTML files", "Convert the book again")
    return title, chapters


def _refuse_rights_management(source: Source, archive: Container) -> None:
    if not archive.has("META-INF/encryption.xml"):
        return
    for method in parse_xml(source, archive, "META-INF/encryption.xml").iter("{*}EncryptionMethod"):
        if method.get("Algorithm") not in FONT_SCRAMBLING:
            raise refusal(
                source.name,
                "is encrypted (digital rights management)",
                "a book that is free to read",
                "Use a copy without protection",
            )
