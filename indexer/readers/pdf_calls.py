"""The functions of PDFium that are called for each character and object of a page.

pypdfium2 wraps what it gets and gives in objects, which takes most of the time where there are millions of
calls. Here addresses are plain numbers.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

_ADDRESS, _INT, _FLOAT, _DOUBLE, _UINT = (
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_float,
    ctypes.c_double,
    ctypes.c_uint,
)
_KINDS: dict[str, tuple[Any, ...]] = {  # what is given back, then what is handed over
    "FPDFText_GetUnicode": (_UINT, _ADDRESS, _INT),
    "FPDFText_GetLooseCharBox": (_INT, _ADDRESS, _INT, _ADDRESS),
    "FPDFText_GetCharAngle": (_FLOAT, _ADDRESS, _INT),
    "FPDFText_GetFontSize": (_DOUBLE, _ADDRESS, _INT),
    "FPDFText_GetTextObject": (_ADDRESS, _ADDRESS, _INT),
    "FPDFPage_GetObject": (_ADDRESS, _ADDRESS, _INT),
    "FPDFFormObj_GetObject": (_ADDRESS, _ADDRESS, _UINT),
    "FPDFPageObj_GetType": (_INT, _ADDRESS),
    "FPDFTextObj_GetTextRenderMode": (_INT, _ADDRESS),
}


@cache
def function(name: str) -> Callable[..., Any]:
    """A function of PDFium by its name; it takes and gives addresses as numbers, None for no address."""
    import pypdfium2.raw as pdfium

    place = ctypes.cast(getattr(pdfium, name), ctypes.c_void_p).value
    return ctypes.CFUNCTYPE(*_KINDS[name])(place)  # type: ignore[arg-type]


def address(item: Any) -> int | None:
    """Where an object of PDFium lies: a pointer, or a wrapper around one."""
    return ctypes.cast(getattr(item, "raw", item), ctypes.c_void_p).value
