"""The record beside the shards of one name: what they are and which generation is in use.

``vectors/<encoded name>/manifest.json`` names the folder ``shard-<generation>``. A rebuilt shard is made
beside the old one and taken into use by replacing this file, so that a crash leaves one of the two.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.errors import StoreDamagedError, StoreError
from me5 import atomic

SCHEMA = 1
REBUILD = (
    "Stop the program and run `python app.py doctor --repair`: it rebuilds the vectors from the catalog, "
    "no document is lost."
)
FILE_NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Facts about one name. ``created`` is ISO 8601, UTC; ``indexed`` is its size at the last index build."""

    name: str
    dimension: int
    created: str
    generation: int = 1
    indexed: int = 0
    schema: int = SCHEMA

    def shard(self, folder: Path) -> Path:
        """The folder of the shard in use."""
        return folder / f"shard-{self.generation}"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest at once, so that readers see the old or the new one."""
    atomic.write(folder / FILE_NAME, json.dumps(asdict(manifest), ensure_ascii=False, indent=1))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None when there is none.

    Raises:
        StoreDamagedError: it is damaged, or written by a later version.
        StoreError: it may not be read.
    """
    path = folder / FILE_NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(**record)
        numbers = (manifest.dimension, manifest.generation, manifest.indexed)
        if not all(isinstance(number, int) for number in numbers):
            raise TypeError("numbers expected")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror}); expected a file of yours. Change its permissions."
        ) from error
    except (ValueError, TypeError) as error:
        raise StoreDamagedError(
            f"{path} cannot be read ({error}); expected the record of a vector folder. {REBUILD}"
        ) from error
    if manifest.schema != SCHEMA:
        raise StoreDamagedError(
            f"{path} has schema {manifest.schema}; this version knows {SCHEMA}. "
            f"Use the version that wrote it, or rebuild. {REBUILD}"
        )
    return manifest
