"""Messages between the app and its reader process: a length, then JSON, or JSON followed by raw bytes.

JSON and not pickle, because the process that has met a hostile file may not be believed.
"""

import json
import struct
from typing import Any, BinaryIO

MAX_FRAME_BYTES = 64 << 20
LENGTH = struct.Struct(">II")


class FrameError(Exception):
    """Raised when the other side does not keep to the format."""


def write_frame(stream: BinaryIO, message: dict[str, Any], data: bytes = b"") -> None:
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    stream.write(LENGTH.pack(len(body), len(data)) + body + data)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next message, or None when the other side has closed.

    Raises:
        FrameError: the message is too long or not JSON.
    """
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    body_size, data_size = LENGTH.unpack(head)
    if body_size + data_size > MAX_FRAME_BYTES:
        raise FrameError(f"message of {body_size + data_size} bytes")
    body, data = stream.read(body_size), stream.read(data_size)
    if len(body) < body_size or len(data) < data_size:
        return None
    try:
        message = json.loads(body)
    except ValueError as error:
        raise FrameError(str(error)) from error
    if not isinstance(message, dict):
        raise FrameError("not an object")
    return message, data
