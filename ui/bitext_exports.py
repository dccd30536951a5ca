"""Handing reviewed pairs on: as a file of translations, or to be trained on. No gradio."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.bitext.formats import FORMATS, write_pairs
from indexer.bitext.reviews import Bitext, PairFilter
from indexer.bitext.values import Pair
from ui.services.parallel import MiningRefusedError, explain_disk_errors

if TYPE_CHECKING:
    from indexer.catalog import Catalog

SCOPES: Mapping[str, str] = {
    "accepted": "accepted pairs",
    "above": "accepted pairs and all others above the threshold",
    "all": "all pairs",
}
REMEDIES: Mapping[str, str] = {
    "accepted": "Accept pairs first, or choose all above the threshold.",
    "above": "Lower the threshold.",
    "all": "Choose another parallel text.",
}


def export(catalog: Catalog, bitext: Bitext, kind: str, scope: str, place: Path) -> Path:
    """Write pairs as a file; Moses as a zip archive of its two files.

    Args:
        catalog: has the pairs.
        bitext: of which.
        kind: one of ``FORMATS``.
        scope: one of ``SCOPES``.
        place: the path without its suffix.

    Raises:
        MiningRefusedError: no pair fits, or there is no such format or scope.
    """
    if kind not in FORMATS or scope not in SCOPES:
        raise MiningRefusedError(
            f"'{scope}' cannot be written as '{kind}'. Expected {', '.join(SCOPES)} as one of "
            f"{', '.join(FORMATS)}. Choose among these."
        )
    languages = {"source_language": bitext.source_language, "target_language": bitext.target_language}
    pairs = pairs_of(catalog, bitext, scope)
    with explain_disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "moses":
            # The direction in the name tells readers which of the two files is the source
            direction = f"{bitext.source_language}-{bitext.target_language}"
            prefix = place.parent / "moses" / f"{place.name}.{direction}"
            count = write_pairs(prefix, pairs, format=kind, **languages)
            path = place.with_name(f"{place.name}.zip")
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(prefix.parent.iterdir()):
                    archive.write(file, file.name)
            shutil.rmtree(prefix.parent)
        else:
            path = place.with_name(f"{place.name}{FORMATS[kind].suffixes[0]}")
            count = write_pairs(path, pairs, format=kind, **languages)
    if not count:
        path.unlink(missing_ok=True)
        raise MiningRefusedError(f"There are no {SCOPES[scope]}. Expected at least one. {REMEDIES[scope]}")
    return path


def write_training_pairs(catalog: Catalog, bitext: Bitext, scope: str, place: Path) -> Path:
    """Pairs as the tab Train takes them in: one JSON object per line, with query and passage.

    Raises:
        MiningRefusedError: no pair fits.
    """
    path, count = place.with_name(f"{place.name}.jsonl"), 0
    with explain_disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            for count, pair in enumerate(pairs_of(catalog, bitext, scope), start=1):  # noqa: B007 - counted
                row = {"query": pair.source, "passage": pair.target}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    if not count:
        raise MiningRefusedError(f"There are no {SCOPES[scope]}. Expected at least 20. {REMEDIES[scope]}")
    return path


def pairs_of(catalog: Catalog, bitext: Bitext, scope: str) -> Iterator[Pair]:
    """Pairs in their order: accepted ones; those and what is above the threshold and not rejected; all."""
    pairs = catalog.bitexts.iter_pairs
    if scope == "accepted":
        return pairs(bitext.id, PairFilter(state="accepted"))
    if scope == "all":
        return pairs(bitext.id)
    line = bitext.threshold

    def is_wanted(pair: Pair) -> bool:
        is_above = line is None or not pair.score < np.float32(line)
        return pair.state == "accepted" or (pair.state == "open" and is_above)

    return filter(is_wanted, pairs(bitext.id))
