"""The cache folder: what is converted or measured once for this machine. Everything in it can be deleted."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """``$ME5_CACHE``, or the usual place of the operating system; not made here."""
    if environ.get("ME5_CACHE"):
        return Path(environ["ME5_CACHE"]).expanduser()
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "me5-search"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "me5-search" / "Cache"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "me5-search"
