"""Slides in the order they are shown: the slide number is the page, its title the section, notes included."""

from indexer.readers.container import (
    Container,
    attribute,
    core_title,
    iter_xml,
    local_name,
    open_container,
    parse_xml,
    relations,
)
from indexer.readers.pieces import Facts, Piece, Reading, Source

DECK = "ppt/presentation.xml"


def read(source: Source) -> Reading:
    with open_container(source) as archive:
        title = core_title(source, archive, "docProps/core.xml")
        if title == "PowerPoint Presentation":
            title = ""  # what the program writes by itself
        slides = _slides(source, archive)
        yield Facts(title=title, pages=len(slides))
        for number, member in enumerate(slides, start=1):
            heading, lines = _paragraphs(source, archive, member)
            if heading and not title:
                title = heading
                yield Facts(title=title)
            if lines:
                yield Piece("\n".join(lines) + "\n", page=number, section=heading or None)
            for kind, target in relations(source, archive, member).values():
                if kind == "notesSlide" and target in archive.namelist():
                    _, notes = _paragraphs(source, archive, target)
                    notes = [line for line in notes if line.strip() != str(number)]
                    if notes:
                        yield Piece("\n".join(notes) + "\n", page=number, section="notes")


def _slides(source: Source, archive: Container) -> list[str]:
    targets = relations(source, archive, DECK)
    ids = []
    for element in parse_xml(source, archive, DECK).iter("{*}sldId"):
        # "id" is also the name of a number without namespace
        relation = next((str(value) for key, value in element.attrib.items() if str(key).endswith("}id")), "")
        ids.append(relation)
    members = set(archive.namelist())
    return [targets[i][1] for i in ids if i in targets and targets[i][1] in members]


def _paragraphs(source: Source, archive: Container, member: str) -> tuple[str, list[str]]:
    """The title of a slide and all its lines."""
    title, lines, is_title = "", [], False
    for event, element in iter_xml(source, archive, member, ("sp", "ph", "p")):
        name = local_name(element)
        if name == "sp" and event == "start":
            is_title = False
        elif name == "ph" and event == "start":
            is_title = (attribute(element, "type") or "") in ("title", "ctrTitle")
        elif name == "p" and event == "end":
            parts = [
                (part.text or "") if local_name(part) == "t" else "\n"
                for part in element.iter("{*}t", "{*}br")
            ]
            text = "".join(parts).strip()
            if text:
                lines.append(text)
                if is_title and not title:
                    title = " ".join(text.split())
            element.clear(keep_tail=True)
    return title, lines
