"""Memory of long work: freed tensors back to the system, no holes between them. Imports no torch."""

from __future__ import annotations

import os
import sys
from typing import Any

OWN_MAPPING_FROM = 16 << 20  # bytes; glibc would raise its limit to 32 MB and keep what is smaller
_M_MMAP_THRESHOLD = -3  # of mallopt


def give_back_memory() -> None:
    """Return what this process has freed to the system, which glibc would keep for later."""
    trim = _glibc("malloc_trim")  # other C libraries have none
    if trim is not None:
        trim(0)


def configure_allocator() -> None:
    """Keep the peak of a training from growing with its mini-batches. To be called before torch is imported.

    Every mini-batch has another shape. Large tensors get mappings of their own, in huge pages so it costs
    no time, and oneDNN keeps the code of few shapes instead of 1,024. What the environment says stays.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    set_option = _glibc("mallopt")
    if set_option is not None and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        set_option(_M_MMAP_THRESHOLD, OWN_MAPPING_FROM)


def _glibc(name: str) -> Any:
    if sys.platform != "linux":
        return None
    import ctypes

    return getattr(ctypes.CDLL(None), name, None)
