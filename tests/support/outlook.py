"""Outlook messages written by hand: compound files of properties, recipients and attachments."""

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

Tree = Mapping[str, "bytes | Tree"]
END, FREE, TABLE, NONE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF
SECTOR, MINI, CUTOFF = 512, 64, 4096


def compound(tree: Tree) -> bytes:
    """A compound file (version 3) of streams and storages."""
    rows: list[list[object]] = [["Root Entry", 5, NONE, NONE, b""]]  # name, kind, next, child, content

    def add(children: Tree, parent: int) -> None:
        before = None
        for name, content in children.items():
            is_stream = isinstance(content, bytes)
            rows.append([name, 2 if is_stream else 1, NONE, NONE, content if is_stream else b""])
            number = len(rows) - 1
            if before is None:
                rows[parent][3] = number
            else:
                rows[before][2] = number
            before = number
            if not isinstance(content, bytes):
                add(content, number)

    add(tree, 0)
    sectors: list[bytes] = []
    chains: dict[int, int] = {}

    def store(data: bytes) -> int:
        first = len(sectors)
        parts = [data[at : at + SECTOR].ljust(SECTOR, b"\0") for at in range(0, len(data), SECTOR)]
        sectors.extend(parts)
        chains.update(
            {first + at: first + at + 1 if at + 1 < len(parts) else END for at in range(len(parts))}
        )
        return first if parts else END

    mini, mini_chain, starts = b"", [], []
    for row in rows:
        content = row[4]
        assert isinstance(content, bytes)
        if row[1] != 2 or not content:
            starts.append(END)
        elif len(content) >= CUTOFF:
            starts.append(store(content))
        else:
            starts.append(len(mini_chain))
            count = -(-len(content) // MINI)
            mini_chain += [len(mini_chain) + at + 1 for at in range(count - 1)]
            mini_chain.append(END)
            mini += content.ljust(count * MINI, b"\0")
    starts[0] = store(mini)
    mini_table = store(struct.pack(f"<{len(mini_chain)}I", *mini_chain).ljust(SECTOR, b"\xff"))
    mini_sectors = sum(1 for at in chains if mini_table <= at)
    entries = b""
    for row, start in zip(rows, starts, strict=True):
        name, kind, following, child, content = row
        assert isinstance(name, str) and isinstance(content, bytes)
        raw = name.encode("utf-16-le") + b"\0\0"
        size = len(mini) if kind == 5 else len(content)
        entries += raw.ljust(64, b"\0") + struct.pack("<HBBIII", len(raw), kind, 1, NONE, following, child)
        entries += bytes(36) + struct.pack("<IQ", start, size)
    directory = store(entries.ljust(-(-len(entries) // SECTOR) * SECTOR, b"\0"))
    first = len(sectors)
    count = 1
    while (first + count) * 4 > count * SECTOR:
        count += 1
    numbers = [chains[at] for at in range(first)] + [TABLE] * count
    table = struct.pack(f"<{len(numbers)}I", *numbers).ljust(count * SECTOR, b"\xff")
    sectors += [table[at : at + SECTOR] for at in range(0, len(table), SECTOR)]
    head = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + bytes(6)
    )
    head += struct.pack(
        "<IIIIIIIIII", 0, count, directory, 0, CUTOFF, mini_table, mini_sectors, END, 0, first
    )[:40]
    head += struct.pack("<108I", *[first + at if at < count else FREE for at in range(1, 109)])
    assert len(head) == SECTOR and count <= 109
    return head + b"".join(sectors)


def properties(
    texts: Mapping[int, str | bytes], numbers: Mapping[int, int | datetime], *, head: int, page: str = ""
) -> dict[str, bytes]:
    """Streams of one storage. Texts are Unicode, or in the code page ``page``; bytes are binary."""
    streams, table = {}, bytes(head)
    for key, value in texts.items():
        kind = "0102" if isinstance(value, bytes) else "001E" if page else "001F"
        data = value if isinstance(value, bytes) else value.encode(page or "utf-16-le")
        streams[f"__substg1.0_{key:04X}{kind}"] = data
        table += struct.pack("<HHIII", int(kind, 16), key, 6, len(data), 0)
    for key, number in numbers.items():
        if isinstance(number, datetime):
            ticks = int((number - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds() * 10_000_000)
            table += struct.pack("<HHIQ", 0x0040, key, 6, ticks)
        else:
            table += struct.pack("<HHIQ", 0x0003, key, 6, number)
    return {"__properties_version1.0": table, **streams}


def message(
    texts: Mapping[int, str | bytes],
    numbers: Mapping[int, int | datetime] = {},
    *,
    people: Sequence[tuple[int, str, str]] = (),
    attachments: Sequence[tuple[str, str, "bytes | Tree"]] = (),
    page: str = "",
    is_inner: bool = False,
) -> dict[str, "bytes | Tree"]:
    """The tree of a message; of people kind, name and address, of attachments name, MIME type and content."""
    tree: dict[str, bytes | Tree] = dict(
        properties(texts, numbers, head=24 if is_inner else 32, page=page).items()
    )
    for at, (kind, name, address) in enumerate(people):
        entry = properties({0x3001: name, 0x39FE: address}, {0x0C15: kind}, head=8, page=page)
        tree[f"__recip_version1.0_#{at:08X}"] = entry
    for at, (name, kind, content) in enumerate(attachments):
        known: dict[int, str | bytes] = {0x3707: name, 0x370E: kind}
        if isinstance(content, bytes):
            known[0x3701] = content
        part: dict[str, bytes | Tree] = dict(properties(known, {0x3705: 1}, head=8, page=page).items())
        if not isinstance(content, bytes):
            part["__substg1.0_3701000D"] = content
        tree[f"__attach_version1.0_#{at:08X}"] = part
    return tree
