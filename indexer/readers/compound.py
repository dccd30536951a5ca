"""Compound files (MS-CFB), the container of Outlook's messages: a tree of storages and streams.

Everything is bounded by the size of the file: a chain of sectors that runs in a circle or out of the file
is damage, and no stream is longer than the file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MESSAGE_STREAM = "__properties_version1.0"
NO_SECTOR = 0xFFFFFFFA  # from here on numbers mean something else: end, free, table
NO_ENTRY = 0xFFFFFFFF
STORAGE, STREAM, ROOT = 1, 2, 5
HEADER_BYTES, ENTRY_BYTES, MINI_BYTES = 512, 128, 64
MAX_DEPTH = 30


class CompoundError(ValueError):
    """Raised when a compound file is damaged."""


@dataclass
class Storage:
    """A folder of the file: streams and storages by their names."""

    streams: dict[str, bytes] = field(default_factory=dict)
    storages: dict[str, "Storage"] = field(default_factory=dict)


@dataclass(frozen=True)
class _Entry:
    name: str
    kind: int
    left: int
    right: int
    child: int
    start: int
    size: int


def read_compound(data: bytes, *, depth: int = MAX_DEPTH) -> Storage:
    """The tree of a compound file; storages more than ``depth`` deep are left out.

    Raises:
        CompoundError: it is damaged.
    """
    try:
        return _File(data).tree(depth)
    except struct.error as error:
        raise CompoundError(f"it ends too early ({error})") from error


def is_message(data: bytes) -> bool:
    """Whether a compound file, though it be damaged, is one of Outlook's messages."""
    if MESSAGE_STREAM.encode("utf-16-le") not in data:
        return False
    try:
        return MESSAGE_STREAM in read_compound(data).streams
    except CompoundError:
        return True


class _File:
    def __init__(self, data: bytes) -> None:
        if not data.startswith(SIGNATURE) or len(data) < HEADER_BYTES:
            raise CompoundError("it has no header")
        self._data, self._given_bytes = data, 0
        shift = struct.unpack_from("<H", data, 30)[0]
        if shift not in (9, 12):
            raise CompoundError(f"its sectors have 2 to the power of {shift} bytes")
        self._sector_bytes = 1 << shift
        self._count = -(-len(data) // self._sector_bytes) - 1
        directory, _, self._cutoff, mini_table = struct.unpack_from("<IIII", data, 48)
        self._table = self._numbers(self._table_sectors())
        self._mini_table = self._numbers(self._chain(mini_table, self._table))
        entries = b"".join(map(self._sector, self._chain(directory, self._table)))
        self._entries = [self._entry(entries, at) for at in range(0, len(entries), ENTRY_BYTES)]
        if not self._entries or self._entries[0].kind != ROOT:
            raise CompoundError("it has no root")
        root = self._entries[0]
        self._mini = b"".join(map(self._sector, self._chain(root.start, self._table)))

    def tree(self, depth: int) -> Storage:
        return self._storage(self._entries[0], depth, {0})

    def _storage(self, entry: _Entry, depth: int, seen: set[int]) -> Storage:
        storage = Storage()
        for child in self._children(entry.child, seen):
            if child.kind == STREAM:
                storage.streams[child.name] = self._content(child)
            elif child.kind == STORAGE and depth > 0:
                storage.storages[child.name] = self._storage(child, depth - 1, seen)
        return storage

    def _children(self, first: int, seen: set[int]) -> Iterator[_Entry]:
        """The entries of a tree of siblings; each entry of the file is in one place only."""
        waiting = [first]
        while waiting:
            number = waiting.pop()
            if number >= len(self._entries) or number in seen:
                continue
            seen.add(number)
            entry = self._entries[number]
            waiting += [entry.left, entry.right]
            yield entry

    def _content(self, entry: _Entry) -> bytes:
        self._given_bytes += entry.size
        if self._given_bytes > len(self._data):
            raise CompoundError("its streams share their sectors")
        if entry.size < self._cutoff:
            chain = self._chain(entry.start, self._mini_table)
            parts = [self._mini[at * MINI_BYTES : (at + 1) * MINI_BYTES] for at in chain]
        else:
            parts = [self._sector(at) for at in self._chain(entry.start, self._table)]
        content = b"".join(parts)
        if len(content) < entry.size:
            raise CompoundError(f"{entry.name} is cut short")
        return content[: entry.size]

    def _sector(self, number: int) -> bytes:
        at = (number + 1) * self._sector_bytes
        return self._data[at : at + self._sector_bytes]

    def _table_sectors(self) -> list[int]:
        """The sectors of the table of chains: 109 are named in the header, the rest in a chain of its own."""
        sectors = list(struct.unpack_from("<109I", self._data, 76))
        following = struct.unpack_from("<I", self._data, 68)[0]
        seen: set[int] = set()
        while following < NO_SECTOR:
            if following in seen or following >= self._count:
                raise CompoundError("its table runs in a circle or out of the file")
            seen.add(following)
            numbers = self._numbers([following])
            sectors += numbers[:-1]
            following = numbers[-1]
        return [number for number in sectors if number < NO_SECTOR]

    def _numbers(self, sectors: list[int]) -> list[int]:
        raw = b"".join(map(self._sector, sectors))
        return list(struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4]))

    def _chain(self, number: int, table: list[int]) -> list[int]:
        chain: list[int] = []
        while number < NO_SECTOR:
            if number >= len(table) or len(chain) >= len(table):
                raise CompoundError("a stream runs in a circle or out of the file")
            chain.append(number)
            number = table[number]
        return chain

    @staticmethod
    def _entry(entries: bytes, at: int) -> _Entry:
        name_bytes, kind, _, left, right, child = struct.unpack_from("<HBBIII", entries, at + 64)
        start, size = struct.unpack_from("<II", entries, at + 116)  # the size's upper half may hold anything
        name = entries[at : at + max(0, min(name_bytes, 64) - 2)].decode("utf-16-le", errors="replace")
        return _Entry(name, kind, left, right, child, start, size)
