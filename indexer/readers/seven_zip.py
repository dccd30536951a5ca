"""Archives of the format 7z, read with the package py7zr where somebody has installed it.

Documents are unpacked in memory, some at a time: the format packs many files as one stream, and each look
for one of them unpacks those before it.
"""

import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from indexer.errors import ReadError
from indexer.readers.pieces import MEGABYTE, Source, refusal

Entry = tuple[str, int]


def members(
    source: Source, spend: Callable[[str, int], None], is_wanted: Callable[[str], bool]
) -> Iterator[tuple[str, int, Callable[[], Iterator[bytes]]]]:
    """Name, size and content of the wanted files; ``spend`` is asked about each file of the archive before.

    Raises:
        ReadError: the package is not there, or the archive is damaged, encrypted or over a limit.
    """
    try:
        import py7zr  # type: ignore[import-not-found, unused-ignore]
        from py7zr.io import BytesIOFactory  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise refusal(
            source.name,
            "is a 7z archive, and the package py7zr that unpacks these is not installed",
            "a zip or tar archive, or py7zr 1.0 or newer",
            "Pack the files as zip, or run: pip install py7zr",
        ) from error
    try:
        with source.open() as stream, py7zr.SevenZipFile(stream) as archive:
            if archive.needs_password():
                raise _locked(source)
            entries = [(info.filename, info.uncompressed or 0) for info in archive.list() if info.is_file]
            for name, size_bytes in entries:
                spend(name, size_bytes)
            most = source.limits.memory_mb * MEGABYTE // 4
            for batch in _batches([entry for entry in entries if is_wanted(entry[0])], most):
                factory = BytesIOFactory(most)
                if sum(size for _, size in batch) <= most:
                    archive.reset()
                    archive.extract(targets=[name for name, _ in batch], factory=factory)
                for name, size_bytes in batch:
                    yield name, size_bytes, _reader(source, name, factory.products.get(name))
    except py7zr.exceptions.PasswordRequired as error:
        raise _locked(source) from error
    except (
        py7zr.exceptions.ArchiveError,
        OSError,
        EOFError,
        ValueError,
        lzma.LZMAError,
        zlib.error,
    ) as error:
        raise refusal(
            source.name,
            f"is damaged ({type(error).__name__}: {error})",
            "a whole 7z archive",
            "Copy or save it again",
        ) from error


def _batches(entries: list[Entry], most_bytes: int) -> Iterator[list[Entry]]:
    """Neighbours that fit in memory together; one that is larger alone is a batch of its own."""
    batch: list[Entry] = []
    for entry in entries:
        if batch and sum(size for _, size in batch) + entry[1] > most_bytes:
            yield batch
            batch = []
        batch.append(entry)
    if batch:
        yield batch


def _reader(source: Source, name: str, product: Any) -> Callable[[], Iterator[bytes]]:
    def read() -> Iterator[bytes]:
        if product is None:
            raise refusal(
                source.name,
                f"holds {name}, which is too large for a 7z archive",
                "smaller files",
                "Unpack it",
            )
        product.seek(0)
        yield product.read()

    return read


def _locked(source: Source) -> ReadError:
    return refusal(
        source.name, "is encrypted", "a file without a password", "Remove the password and add it again"
    )
