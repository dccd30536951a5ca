"""The one OpenVINO core of this process, opened when first needed and never closed.

Its CPU plugin gives the thread that opens it a stack for signals, and takes that memory back when it is
closed, from whatever thread that happens: the next signal would end the process (SIGSEGV; seen in 2026.4).
"""

import threading
from typing import Any

_OPENING = threading.Lock()
_opened: list[Any] = []


def openvino_core() -> Any:
    """The core; models may be compiled on it from several threads."""
    import openvino

    with _OPENING:
        if not _opened:
            _opened.append(openvino.Core())
        return _opened[0]


def cpu_capabilities() -> list[str]:
    """What the processor computes in, such as ``BF16``."""
    return list(openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
