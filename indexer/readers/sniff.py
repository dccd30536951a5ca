"""What a file is: by its first bytes where they are certain, else by its suffix."""

import re
import zipfile
from contextlib import suppress

from indexer.errors import ReadError
from indexer.readers import SUFFIXES, load_reader
from indexer.readers.compound import SIGNATURE as OLE
from indexer.readers.compound import is_message
from indexer.readers.container import Container, local_name, main_part, parse_xml
from indexer.readers.encoding import refuse_binary
from indexer.readers.packed import PACKINGS, SEVEN_ZIP, is_tar
from indexer.readers.pieces import MEGABYTE, Reading, Source, refusal

# formats that are recognised in order to say what the file is, not to read it
FOREIGN = (
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"\0\0\1\0", "an icon"),
    (b"\0\0\1\xba", "a film, or pictures of subtitles (VobSub)"),
    (b"ID3", "an MP3 recording"),
    (b"OggS", "an Ogg recording"),
    (b"fLaC", "a FLAC recording"),
    (b"\x1aE\xdf\xa3", "a Matroska film"),
    (b"\x7fELF", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"%!PS", "a PostScript file"),
    (b"AT&TFORM", "a DjVu document"),
)
BOX = re.compile(rb"From \S.*\d\d:\d\d.*\r?\n[\w-]+:")  # how a box of messages begins
PACKED = tuple(magic for magic, _ in PACKINGS)
MAX_OLE_BYTES = 256 * MEGABYTE
ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
ZIP_FORMATS = {"docx", "pptx", "xlsx", "odt", "epub", "zip"}
STARTS = dict.fromkeys(ZIP_FORMATS, "PK (a zip container)") | {
    "pdf": "%PDF",
    "7z": "the signature of 7z",
    "tar": "the header of a tar file, packed or not",
    "msg": "the signature of Outlook's messages",
}
CONTENTS = (("word/document.xml", "docx"), ("ppt/presentation.xml", "pptx"), ("xl/workbook.xml", "xlsx"))
MIMETYPES = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.text-template": "odt",
}


def file_type_of(source: Source) -> str:
    """One of the values of SUFFIXES.

    Raises:
        ReadError: the file is empty, of a format that is not read, or not what its suffix says.
    """
    head = source.head()
    if not head:
        raise refusal(
            source.name, "is empty (0 bytes)", "a document", "Check that it was saved or copied whole"
        )
    named = SUFFIXES.get(source.suffix)
    result = _by_magic(source, head)
    if result:
        return result
    _refuse_foreign(source, head)
    if named is None:
        known = " ".join(sorted({suffix.lstrip(".") for suffix in SUFFIXES}))
        raise refusal(
            source.name,
            f"has the suffix {source.suffix or '(none)'!r}, which is not read",
            f"one of: {known}",
            "Convert it to one of these",
        )
    if named in STARTS:
        raise refusal(
            source.name,
            f"is not a {named} file: it starts with {head[:8]!r}",
            STARTS[named],
            "It is damaged or has the wrong suffix; save it again from the program that made it",
        )
    return named


def read(source: Source) -> tuple[str, Reading]:
    """The type of a file and its pieces."""
    file_type = file_type_of(source)
    return file_type, load_reader(file_type)(source)


def _by_magic(source: Source, head: bytes) -> str | None:
    named = SUFFIXES.get(source.suffix)
    if b"%PDF-" in head[:1024] and named in (None, "pdf", "txt"):
        return "pdf"
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(b"{\\rtf"):
        return "rtf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_type(source)
    if named in (None, "eml", "mbox") and BOX.match(head):
        return "mbox"
    if head.startswith(SEVEN_ZIP):
        return "7z"
    if head.startswith(OLE) and _is_message(source):
        return "msg"
    is_packed = head.startswith(PACKED)
    if named == "tar" and is_packed:
        return "tar"  # though it be damaged
    is_maybe_tar = is_packed or named == "tar" or head[257:262] == b"ustar"
    return "tar" if is_maybe_tar and is_tar(source, head) else None


def _is_message(source: Source) -> bool:
    with source.open() as stream:
        return is_message(stream.read(MAX_OLE_BYTES))


def _zip_type(source: Source) -> str:
    try:
        with source.open() as stream, Container(stream) as archive:
            with suppress(KeyError):
                info = archive.getinfo("mimetype")
                if info.file_size < 200:
                    result = MIMETYPES.get(archive.read(info).strip())
                    if result:
                        return result
            for member, file_type in CONTENTS:
                if archive.has(member):
                    return file_type
            if result := _by_main_part(source, archive):
                return result
            is_office = archive.has("[Content_Types].xml") or archive.has("mimetype")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise refusal(
            source.name, f"is a damaged zip container ({error})", "a whole one", "Copy or save it again"
        ) from error
    if is_office:
        named = SUFFIXES.get(source.suffix)
        if named in ZIP_FORMATS and named != "zip":
            raise refusal(
                source.name,
                f"lacks the parts of a {named} file",
                "a complete one",
                "Save it again from the program that made it",
            )
        raise refusal(
            source.name,
            "is an office document of a kind that is not read",
            "docx, pptx, xlsx or odt",
            "Save it as one of these",
        )
    return "zip"


def _by_main_part(source: Source, archive: Container) -> str | None:
    """The type of an Office package whose document does not have its usual name."""
    with suppress(ReadError, KeyError):
        folder = main_part(source, archive, "").partition("/")[0].lower()
        return {"word": "docx", "ppt": "pptx", "xl": "xlsx"}.get(folder) or _by_root(source, archive)
    return None


def _by_root(source: Source, archive: Container) -> str | None:
    main = main_part(source, archive, "")
    root = local_name(parse_xml(source, archive, main)) if main else ""
    return {"document": "docx", "presentation": "pptx", "workbook": "xlsx"}.get(root)


def _refuse_foreign(source: Source, head: bytes) -> None:
    if head.startswith(OLE):
        with source.open() as stream:
            locked = ENCRYPTED_STREAM in stream.read(1 << 22)
        if locked:
            raise refusal(
                source.name,
                "is a password-protected Office document",
                "one without a password",
                "Remove the password and add it again",
            )
        raise refusal(
            source.name,
            "is an Office 97-2003 document (doc, xls, ppt)",
            "docx, xlsx or pptx",
            "Save it in the newer format and add it again",
        )
    for magic, kind in FOREIGN:
        if head.startswith(magic):
            raise refusal(
                source.name,
                f"looks like binary data ({kind})",
                "a text document",
                "Leave it out or convert it to text",
            )
    if head[4:8] == b"ftyp":
        raise refusal(
            source.name, "looks like binary data (a film or photo)", "a text document", "Leave it out"
        )
    if head.startswith(b"MZ") and b"\0\0" in head[:64]:
        raise refusal(source.name, "looks like binary data (a program)", "a text document", "Leave it out")
    if source.suffix not in SUFFIXES and head.count(b"\0") == 0:
        refuse_binary(source.name, head)
