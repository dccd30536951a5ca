"""Opening zip containers and the XML inside them without falling into traps.

A container is checked before anything is unpacked: number of members, unpacked size, ratio, encryption.
``zipfile`` never yields more bytes than the directory declares, so the declared sizes are true bounds.
XML is parsed without external entities, without network, and refused when it declares entities.
"""

import posixpath
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote

from indexer.errors import ReadError
from indexer.readers.pieces import MEGABYTE, Source, refusal
from indexer.readers.stated_title import real_title

if TYPE_CHECKING:
    from lxml.etree import _Element

SMALL_BYTES = 16 * MEGABYTE  # unpacked; below this no ratio does harm
DAMAGE = (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, KeyError, RuntimeError)


class Container(zipfile.ZipFile):
    """A zip file whose parts are found as programs find them, whoever packed it.

    Names are compared exactly first, then without regard to backslashes, escapes, case and Unicode form.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self._folded = {fold_name(member_name(info)): info for info in reversed(self.infolist())}

    def getinfo(self, name: str) -> zipfile.ZipInfo:
        info = self.NameToInfo.get(name) or self._folded.get(fold_name(name))
        if info is None:
            raise KeyError(f"There is no item named {name!r} in the archive")
        return info

    def has(self, name: str) -> bool:
        """Whether there is such a part."""
        return name in self.NameToInfo or fold_name(name) in self._folded


def member_name(info: zipfile.ZipInfo) -> str:
    """The name of a member; UTF-8 that is not marked as such is recognised."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def fold_name(name: str) -> str:
    """A form of a part name in which spellings of the same name are equal."""
    path = posixpath.normpath(unquote(name).replace("\\", "/")).lstrip("/")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


@contextmanager
def open_container(source: Source) -> Iterator[Container]:
    """The zip file, checked. Damage that shows only while reading becomes a ReadError too."""
    import zlib

    try:
        with source.open() as stream, Container(stream) as archive:
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
    source: Source, archive: Container, member: str, tags: tuple[str, ...]
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
                remove_comments=True,  # what follows one would be lost
                remove_pis=True,
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


def parse_xml(source: Source, archive: Container, member: str) -> "_Element":
    """The whole tree of a small part (styles, relations, metadata)."""
    from lxml import etree

    info = archive.getinfo(member)
    if info.file_size > 64 * MEGABYTE:
        raise refusal(
            source.name, f"has a part {member} of {info.file_size} bytes", "less than 64 MB", "Save it again"
        )
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=False,
    )
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
        raise entities_refused(source.name)


def entities_refused(name: str) -> ReadError:
    """The error about a file that declares XML entities."""
    return refusal(
        name,
        "declares XML entities, as entity-expansion attacks do",
        "none in this format",
        "Save it again from the program that made it",
    )


@lru_cache(maxsize=4096)  # tags of hostile files are without number
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def local_name(element: "_Element") -> str:
    """The name of an element without its namespace; nothing for what is no element."""
    tag = element.tag
    return _local(tag) if isinstance(tag, str) else ""


def attribute(element: "_Element", name: str) -> str | None:
    """The value of an attribute by its local name."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return None


def core_title(source: Source, archive: Container, member: str) -> str:
    """dc:title of a metadata part, or nothing where it is missing or was put there by a program."""
    if not archive.has(member):
        return ""
    for element in parse_xml(source, archive, member).iter("{*}title"):
        return real_title("".join(str(part) for part in element.itertext()))
    return ""


def relations(source: Source, archive: Container, member: str) -> dict[str, tuple[str, str]]:
    """Relation id -> (last word of its type, target part), of an Office part; of the package for ``""``."""
    folder, _, name = member.rpartition("/")
    rels = f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels"
    if not archive.has(rels):
        return {}
    results = {}
    for element in parse_xml(source, archive, rels).iter("{*}Relationship"):
        if element.get("TargetMode") == "External":
            continue
        kind = (element.get("Type") or "").rpartition("/")[2]
        results[element.get("Id") or ""] = (kind, resolve(folder, element.get("Target") or ""))
    return results


def main_part(source: Source, archive: Container, usual: str) -> str:
    """The part a package names as its document; ``usual`` where it names none that is there."""
    for kind, target in relations(source, archive, "").values():
        if kind == "officeDocument" and archive.has(target):
            return target
    return usual


def resolve(folder: str, target: str) -> str:
    """A part name relative to a folder of the container."""
    return posixpath.normpath(posixpath.join("/", folder, target.replace("\\", "/"))).lstrip("/")
