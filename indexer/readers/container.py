"""Opening zip containers and the XML inside them without falling into traps.

A container is checked before anything is unpacked: number of members, unpacked size, ratio, encryption.
``zipfile`` never yields more bytes than the directory declares, so the declared sizes are true bounds.
XML is parsed without external entities, without network, and refused when it declares entities.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from indexer.readers.pieces import MEGABYTE, Source, refusal

if TYPE_CHECKING:
    from lxml.etree import _Element

SMALL_BYTES = 16 * MEGABYTE  # unpacked; below this no ratio does harm
DAMAGE = (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, KeyError, RuntimeError)


@contextmanager
def open_container(source: Source) -> Iterator[zipfile.ZipFile]:
    """The zip file, checked. Damage that shows only while reading becomes a ReadError too."""
    import zlib

    try:
        with source.open() as stream, zipfile.ZipFile(stream) as archive:
            check(source, archive)
            yield archive
    except (*DAMAGE, zlib.error) as error:
        raise refusal(
            source.name,
            f"is damaged ({type(error).__name__}: {error})",
            "a whole file",
            "Copy or save it again",
        ) from error


def check(source: Source, archive: zipfile.ZipFile) -> None:
    """Raise ReadError when the archive breaks a limit or needs a password."""
    limits, members = source.limits, archive.infolist()
    if len(members) > limits.max_archive_files:
        raise refusal(
            source.name,
            f"holds {len(members)} files",
            f"at most {limits.max_archive_files}",
            "Split it, or unpack it yourself",
        )
    unpacked = sum(info.file_size for info in members)
    ratio = unpacked / max(1, source.size_bytes)
    if unpacked > limits.max_archive_mb * MEGABYTE:
        raise refusal(
            source.name,
            f"unpacks to {unpacked // MEGABYTE} MB",
            f"at most {limits.max_archive_mb} MB",
            "Split it, or unpack it yourself",
        )
    if unpacked > SMALL_BYTES and ratio > limits.max_archive_ratio:
        raise refusal(
            source.name,
            f"unpacks to {ratio:.0f} times its size",
            f"at most {limits.max_archive_ratio:.0f} times",
            "This is how zip bombs look; if you trust it, unpack it yourself",
        )
    if any(info.flag_bits & 1 for info in members):
        raise refusal(
            source.name, "is encrypted", "a file without a password", "Remove the password and add it again"
        )


def iter_xml(
    source: Source, archive: zipfile.ZipFile, member: str, tags: tuple[str, ...]
) -> Iterator[tuple[str, "_Element"]]:
    """``start`` and ``end`` events of the elements whose local name is in ``tags``; the rest is freed."""
    from lxml import etree

    try:
        with archive.open(member) as stream:
            events = etree.iterparse(
                stream,
                events=("start", "end"),
                tag=[f"{{*}}{tag}" for tag in tags],
                resolve_entities=False,
                no_network=True,
                load_dtd=False,
                huge_tree=True,
            )
            checked = False
            for event, element in events:
                if not checked:
                    refuse_entities(source, element)
                    checked = True
                yield event, element
            if not checked and events.root is not None:
                refuse_entities(source, events.root)
    except etree.XMLSyntaxError as error:
        raise refusal(
            source.name, f"has damaged XML in {member} ({error.msg})", "well-formed XML", "Save it again"
        ) from error


def parse_xml(source: Source, archive: zipfile.ZipFile, member: str) -> "_Element":
    """The whole tree of a small part (styles, relations, metadata)."""
    from lxml import etree

    info = archive.getinfo(member)
    if info.file_size > 64 * MEGABYTE:
        raise refusal(
            source.name, f"has a part {member} of {info.file_size} bytes", "less than 64 MB", "Save it again"
        )
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(archive.read(info), parser)
    except etree.XMLSyntaxError as error:
        raise refusal(
            source.name, f"has damaged XML in {member} ({error.msg})", "well-formed XML", "Save it again"
        ) from error
    refuse_entities(source, root)
    return root


def refuse_entities(source: Source, element: "_Element") -> None:
    dtd = element.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise refusal(
            source.name,
            "declares XML entities, as entity-expansion attacks do",
            "none in this format",
            "Save it again from the program that made it",
        )


def local_name(element: "_Element") -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: "_Element", name: str) -> str | None:
    """The value of an attribute by its local name."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return None


def core_title(source: Source, archive: zipfile.ZipFile, member: str) -> str:
    """dc:title of a metadata part, or nothing."""
    if member not in archive.namelist():
        return ""
    for element in parse_xml(source, archive, member).iter("{*}title"):
        return " ".join("".join(str(part) for part in element.itertext()).split())
    return ""


def relations(source: Source, archive: zipfile.ZipFile, member: str) -> dict[str, tuple[str, str]]:
    """Relation id -> (last word of its type, target part), of an Office part."""
    folder, _, name = member.rpartition("/")
    rels = f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels"
    if rels not in archive.namelist():
        return {}
    found = {}
    for element in parse_xml(source, archive, rels):
        if element.get("TargetMode") == "External":
            continue
        kind = (element.get("Type") or "").rpartition("/")[2]
        found[element.get("Id") or ""] = (kind, resolve(folder, element.get("Target") or ""))
    return found


def resolve(folder: str, target: str) -> str:
    """A part name relative to a folder of the container."""
    import posixpath

    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
