"""Parallel texts under review: how they come here, the threshold on their scores, decisions. No gradio.

The pairs and decisions themselves are kept in the catalog; runs that find or score pairs are in
:mod:`ui.services.parallel`.
"""

from __future__ import annotations

import shutil
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.checking import FLAGS
from indexer.bitext.formats import read_pairs
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.reviews import Bitext, Precision, reviewed_precision
from indexer.bitext.values import Pair
from indexer.errors import ReadError
from trainer.run.records import read_json
from ui.services import child_runs
from ui.services.access import Access
from ui.services.parallel import (
    MAX_NAME,
    NAME_LETTERS,
    Job,
    MiningRefusedError,
    MiningRuns,
    explain_disk_errors,
    read_pairs_file,
)

if TYPE_CHECKING:
    from indexer.catalog import Catalog
    from indexer.library.library import Library

MAX_MOSES_BYTES = 4_000_000_000


@dataclass(frozen=True)
class ThresholdSummary:
    """A line through the scores: how many pairs are above it, and how many of those are right.

    ``estimated`` comes from the scores alone, ``reviewed`` from decisions; either may be missing.
    """

    threshold: float
    above: int
    scored: int
    estimated: float | None
    reviewed: Precision | None


class Bitexts:
    """The parallel texts of one data folder.

    Args:
        library: its catalog keeps pairs and decisions.
        access: what may be named.
    """

    def __init__(self, library: Library, access: Access) -> None:
        self.library = library
        self.access = access
        self.runs = MiningRuns(library, access.data_dir / "bitexts", access)
        self._changing = threading.Lock()
        self._scores: dict[str, NDArray[np.float32]] = {}

    @property
    def catalog(self) -> Catalog:
        """Where pairs and decisions are kept."""
        return self.library.catalog

    def models(self) -> list[str]:
        """Models to choose from, the one of the library first."""
        names = [model.name for model in self.library.models() if not getattr(model, "problem", "")]
        return list(dict.fromkeys([self.library.model, "builtin", *names]))

    # -- how they come and go ---------------------------------------------------------------------------

    def collect_finished(self) -> list[Job]:
        """Move what runs have found into the catalog.

        Returns:
            The runs as they were before, the newest first: the pairs of each that is done are in the catalog.
        """
        with self._changing:
            jobs = self.runs.all()
            for job in jobs:
                pairs = job.folder / "pairs.jsonl"
                if job.state == "done" and pairs.is_file():
                    self._take_over(job, pairs)
        return jobs

    def _take_over(self, job: Job, pairs: Path) -> None:
        message = read_json(job.folder / "result.json")
        if job.request.scored:
            self.catalog.bitexts.score(
                job.id, read_pairs_file(pairs), message["threshold"], message["details"]
            )
            shutil.rmtree(job.folder)
        else:
            bitext = Bitext(
                job.id,
                job.request.name,
                "aligned" if job.request.aligned else "mined",
                source_language=message["languages"][0],
                target_language=message["languages"][1],
                threshold=message["threshold"],
                created_at=job.request.created_at,
                details=message["details"],
            )
            self.catalog.bitexts.put(bitext, read_pairs_file(pairs))
            pairs.unlink()
            shutil.rmtree(job.folder / "work", ignore_errors=True)
        self._scores.pop(job.id, None)

    def open_pairs(self, path: Path) -> Bitext:
        """Take in a file of pairs, with the decisions that it holds, to review them.

        Raises:
            MiningRefusedError: it holds none.
            IndexerError: it cannot be read.
        """
        self.access.require("upload", path)
        with self._changing, explain_disk_errors(self.runs.folder):
            taken = {item.id for item in self.catalog.bitexts.all()}
            folder = child_runs.new_folder(self.runs.folder, taken)
            try:
                place = _unpack_moses(path, folder) if path.suffix.lower() == ".zip" else path
                languages: list[Counter[str]] = [Counter(), Counter()]
                bitext = Bitext(folder.name, path.name[:MAX_NAME], "imported", created_at=time.time())
                left_out = LeftOut()
                pairs = _counting(read_pairs(place, left_out=left_out), languages)
                if not self.catalog.bitexts.put(bitext, pairs):
                    self.catalog.bitexts.drop(folder.name)
                    if left_out.reasons:
                        raise ReadError(left_out.reasons[0])
                    raise MiningRefusedError(
                        f"'{path.name}' holds no pairs. Expected a source and a target in each row. "
                        "Choose another file."
                    )
                scores = self.scores(folder.name)
                threshold = float(scores.min()) if len(scores) else None
                source, target = (side.most_common(1)[0][0] for side in languages)
                counts = left_out.counts()
                details = {"dropped": counts, "notices": left_out.reasons} if counts else None
                self.catalog.bitexts.describe(folder.name, source, target, threshold, details)
            finally:
                shutil.rmtree(folder, ignore_errors=True)  # the catalog has it all
        return self.get(folder.name)

    def score(self, bitext_id: str) -> Job:
        """Score imported pairs with the model of the library, in the background.

        Raises:
            MiningRefusedError: they were not imported, or another run is going on.
        """
        bitext = self.get(bitext_id)
        if bitext.kind != "imported":
            raise MiningRefusedError(
                f"The pairs of '{bitext.name}' were found here and have scores. Expected pairs that were "
                "imported. Search again with another model."
            )
        pairs = self.catalog.bitexts.iter_pairs(bitext.id)
        return self.runs.start_scoring(bitext, map(_without_our_flags, pairs))

    def remove(self, bitext_id: str) -> None:
        """Delete a parallel text with its run, its pairs and all decisions."""
        self.runs.remove(bitext_id)
        self.catalog.bitexts.drop(bitext_id)
        self._scores.pop(bitext_id, None)

    # -- reviewing --------------------------------------------------------------------------------------

    def get(self, bitext_id: str) -> Bitext:
        """One parallel text.

        Raises:
            MiningRefusedError: there is none of that id.
        """
        result = self.catalog.bitexts.find(bitext_id)
        if result is None:
            raise MiningRefusedError(
                "This parallel text is no longer there. Expected one of the list. Choose it there."
            )
        return result

    def all(self) -> list[Bitext]:
        """All of them, the newest first."""
        return self.catalog.bitexts.all()

    def scores(self, bitext_id: str) -> NDArray[np.float32]:
        """All scores, ascending; they change with :meth:`collect_finished` only, so they are read once."""
        if bitext_id not in self._scores:
            result = np.sort(np.array(self.catalog.bitexts.scores(bitext_id), np.float32))
            self._scores[bitext_id] = result
        return self._scores[bitext_id]

    def summary(self, bitext: Bitext) -> ThresholdSummary | None:
        """What the threshold means; None where pairs have no scores."""
        line, scores = bitext.threshold, self.scores(bitext.id)
        if line is None or not len(scores):
            return None
        above = len(scores) - int(np.searchsorted(scores, np.float32(line)))
        reviewed = self.catalog.bitexts.reviewed_scores(bitext.id)
        return ThresholdSummary(
            line, above, len(scores), estimated_precision(bitext, scores, line),
            reviewed_precision(scores, reviewed, float(np.float32(line))),
        )  # fmt: skip

    def move_line(self, bitext_id: str, threshold: float) -> None:
        """Move the threshold.

        Raises:
            MiningRefusedError: that is no number.
        """
        if not np.isfinite(threshold):
            raise MiningRefusedError(
                f"The threshold cannot be '{threshold}'. Expected a number. Move it again."
            )
        self.catalog.bitexts.set_threshold(bitext_id, float(np.float32(threshold)))


def estimated_precision(bitext: Bitext, scores: NDArray[np.float32], line: float) -> float | None:
    """Share of right pairs above a line, from the chances that the run gave to scores; None without any."""
    curve = bitext.details.get("chances")
    above = scores[np.searchsorted(scores, np.float32(line)) :]
    if not curve or not len(above):
        return None
    places, probabilities = np.array(curve, np.float64).T
    return float(np.interp(above, places, probabilities).mean())


def _without_our_flags(pair: Pair) -> Pair:
    """Those are looked for again; flags of others stay."""
    return replace(pair, flags=tuple(flag for flag in pair.flags if flag not in FLAGS))


def _unpack_moses(path: Path, folder: Path) -> Path:
    """The two files of a Moses archive, as the path of the first."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [
                item for item in archive.infolist() if not item.is_dir() and "__MACOSX" not in item.filename
            ]
            if len(files) != 2 or sum(file.file_size for file in files) > MAX_MOSES_BYTES:
                raise MiningRefusedError(
                    f"'{path.name}' holds {len(files)} files. Expected the two files of a Moses corpus. "
                    "Pack just these two."
                )
            for file in files:
                file.filename = NAME_LETTERS.sub("-", Path(file.filename).name)
                archive.extract(file, folder)
    except zipfile.BadZipFile as error:
        raise MiningRefusedError(
            f"'{path.name}' is not an archive that can be read ({error}). Expected a zip of two files. "
            "Pack it again."
        ) from error
    return folder / Path(files[0].filename).stem


def _counting(pairs: Iterator[Pair], languages: Sequence[Counter[str]]) -> Iterator[Pair]:
    for pair in pairs:
        languages[0][pair.source_language] += 1
        languages[1][pair.target_language] += 1
        yield pair
