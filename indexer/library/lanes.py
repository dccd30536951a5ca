"""Two lanes of jobs, and what may run side by side.

Jobs of a lane run one after the other. Quick ones (removals, small uploads) do not wait for hours of ingest:
an ingest lets them in between its steps, see ``write_lock``. What must not run at the same time on one
collection is in ``BESIDE``.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from indexer.catalog.jobs import ActiveJob
from indexer.readers import ARCHIVE_SUFFIXES, SUFFIXES
from indexer.types import Lane

LANES: Sequence[Lane] = ("quick", "long")

_LETS_IN = frozenset({"add", "sample", "reindex", "repair", "switch", "move"})
BESIDE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "remove": _LETS_IN,
        "add": _LETS_IN,
        "reindex": _LETS_IN,
        "drop": frozenset(),
    }
)
"""By the kind of a quick job: the kinds of long jobs on its collection that it need not wait for.

Everything else waits for whatever was asked for earlier on the same collection: a deletion of the collection
for all work on it; every long job (an ingest, a model switch, a repair) for all jobs before it. Of a document
that an ingest works on, the ingest lets go when a quick job comes for it (``indexer.ingest.left_alone``). A
switch embeds, and a move copies, beside quick jobs, and both look at what these have changed before the new
vectors count.
"""

CLAIMING = frozenset({"add", "sample", "reindex"})
"""Kinds that claim what they read, and so may run in several processes at once."""
QUICK_DOCUMENTS = 10
QUICK_TEXT_BYTES = 200_000
"""Of a quick upload; some 400 passages, which the built-in model embeds in less than a minute."""
_DENSITY = 1 / 25  # of text in formats that are packed or drawn: a page of a PDF has about 100 kB
_PACKED = frozenset({"pdf", "docx", "pptx", "xlsx", "odt", "odp", "ods", "epub"})


def lane_of(kind: str) -> Lane:
    """The lane of a kind of job where its size does not matter."""
    return "quick" if kind in ("remove", "drop") else "long"


def lane_of_files(files: Sequence[tuple[Path, int]]) -> Lane:
    """The lane of work on these files, given with their sizes in bytes."""
    if len(files) > QUICK_DOCUMENTS or any(path.suffix.lower() in ARCHIVE_SUFFIXES for path, _ in files):
        return "long"
    text_bytes = 0.0
    for path, size_bytes in files:
        is_packed = SUFFIXES.get(path.suffix.lower(), "") in _PACKED
        text_bytes += size_bytes * (_DENSITY if is_packed else 1)
    return "quick" if text_bytes <= QUICK_TEXT_BYTES else "long"


def must_wait(
    job: ActiveJob, earlier: ActiveJob, *, owner: str, host: str | None, is_gone: Callable[[str], bool]
) -> bool:
    """Whether ``job``, which waits, may not start because of ``earlier``, which has not ended.

    Args:
        job, earlier: in the order in which they were asked for.
        owner: the process that would run ``job``.
        host: its machine, where the catalog is shared by several.
        is_gone: whether a process works no more.
    """
    if earlier.collection != job.collection and "" not in (earlier.collection, job.collection):
        return False
    if earlier.state == "queued" and earlier.host not in (None, host):
        return False  # that machine may be off for days
    if earlier.state == "running" and earlier.owner != owner:
        reads_beside = {job.kind, earlier.kind} <= CLAIMING  # they share the documents out
        return not reads_beside and not is_gone(earlier.owner or "")
    is_beside = job.lane == "quick" and earlier.lane == "long" and earlier.kind in BESIDE.get(job.kind, ())
    return not is_beside
