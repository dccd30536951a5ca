"""Rich text as Outlook packs it (MS-OXRTFCP): runs of what stood in the last 4,096 bytes are references."""

import struct

DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
COMPRESSED, STORED = 0x75465A4C, 0x414C454D
WINDOW, START = 4096, len(DICTIONARY)


class CompressedRtfError(ValueError):
    """Raised when the packed text is damaged."""


def plain_rtf(data: bytes) -> bytes:
    """The RTF file that was packed; as much as there is where the end is missing.

    Raises:
        CompressedRtfError: the header is of no kind that is known.
    """
    if len(data) < 16:
        raise CompressedRtfError("it ends too early")
    size, _, kind = struct.unpack_from("<III", data)
    packed = data[16 : size + 4]
    if kind == STORED:
        return packed
    if kind != COMPRESSED:
        raise CompressedRtfError(f"it is packed in a way that is not known ({kind:#x})")
    return _unpacked(packed)


def _unpacked(packed: bytes) -> bytes:
    text = bytearray(DICTIONARY)  # the window is the end of this, at the places where it began
    at = 0
    while at < len(packed):
        flags = packed[at]
        at += 1
        for bit in range(8):
            if not flags >> bit & 1:
                text += packed[at : at + 1]
                at += 1
                continue
            if at + 2 > len(packed):
                return bytes(text[START:])
            reference = packed[at] << 8 | packed[at + 1]
            at += 2
            place, length = reference >> 4, (reference & 15) + 2
            written = len(text) % WINDOW
            if place == written:  # the mark of the end
                return bytes(text[START:])
            start = len(text) - (written - place) % WINDOW
            for step in range(length):
                text.append(text[start + step] if 0 <= start + step < len(text) else 32)
    return bytes(text[START:])
