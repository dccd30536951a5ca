"""What was measured once on this machine, in a JSON file of the cache folder.

A file that cannot be read or written costs a measurement, never more.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from me5 import atomic
from me5.cache import cache_folder

logger = logging.getLogger(__name__)


class Measurements:
    """Named numbers by key; ``name`` is that of the file."""

    def __init__(self, name: str) -> None:
        self._path = cache_folder() / name

    def read(self, key: str) -> dict[str, float]:
        """The numbers of a key; empty where there are none."""
        known = self._all().get(key)
        if not isinstance(known, dict):
            return {}
        return {name: number for name, number in known.items() if isinstance(number, float)}

    def write(self, key: str, known: Mapping[str, float]) -> None:
        """Keep the numbers of a key in place of those before."""
        values = {**self._all(), key: dict(known)}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(self._path, json.dumps(values, indent=1), durable=False)
        except OSError as error:
            logger.info("the measurement is not kept: %s", error)

    def _all(self) -> dict[str, Any]:
        try:
            values = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}
