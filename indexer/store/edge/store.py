"""The embedded home: Qdrant Edge shards under ``data_dir/vectors``, owned by one child process.

This side checks, names and guards (lock, manifest, disk reserve, damaged shards); ``process`` holds
the engine. Every store name is a shard of its own.
"""

import itertools
import logging
import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import StoreDamagedError, StoreError
from indexer.progress import CancelToken, Progress
from indexer.store.disk import DEFAULT_RESERVE_BYTES, check_reserve
from indexer.store.edge.client import NotOpenError, ProcessDiedError
from indexer.store.edge.manifest import REBUILD, Manifest, read_manifest, write_manifest
from indexer.store.edge.processes import BUILD_LOCK, ShardProcesses
from indexer.store.edge.rebuild import (
    BUILD_SHARE,
    REPEAT_AT_ONCE,
    build_beside,
    copy_shard,
    folder_bytes,
    is_worthwhile,
    repeat_writes,
    require_index,
    sweep,
)
from indexer.store.edge.wire import PointBatch, QuerySpec, ShardState, pack_points, unpack_points
from indexer.store.filters import to_conditions
from indexer.store.lock import OwnerLock
from indexer.store.naming import decode_name, encode_name
from indexer.store.protocol import WRITE_BATCH, in_order
from indexer.store.settings import Layout
from indexer.store.validation import check_dimension, check_id, check_points, check_query
from indexer.types import Filters, Fusion, Point, ScoredPoint, SparseVector

_log = logging.getLogger(__name__)

PAGE = 10_000
SIGKILL = -9
"""How a process ends that was killed from outside (out of memory, by hand): no sign of damage."""


class EdgeStore:
    """The ``VectorStore`` of a data folder. Owns the folder until ``close``.

    Args:
        data_dir: the data folder; made when missing.
        reserve_bytes: free disk below which nothing is written.
        lock: of the folder, where the caller holds it, and releases it.

    Raises:
        StoreLockedError: another process owns the folder.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        reserve_bytes: int = DEFAULT_RESERVE_BYTES,
        lock: OwnerLock | None = None,
    ) -> None:
        self._root = data_dir / "vectors"
        self._reserve_bytes = reserve_bytes
        self._own_lock = OwnerLock(data_dir) if lock is None else None
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            self._processes = ShardProcesses(self._root, data_dir / "logs")
        except StoreError:
            self._release()
            raise
        self._opened: dict[str, int | None] = {}
        self._manifests: dict[str, Manifest] = {}
        self._name_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._touched: dict[str, set[str]] = {}
        self._optimizing = threading.Lock()
        self._build: subprocess.Popen[bytes] | None = None
        self.set_aside: list[Path] = []
        sweep(self._root)

    def _release(self) -> None:
        if self._own_lock is not None:
            self._own_lock.release()

    # Names

    def ensure(self, name: str, dimension: int) -> None:
        """See ``VectorStore``."""
        check_dimension(dimension)
        folder = self._folder(name)
        with self._name_locks[name]:
            manifest = self._find_manifest(name)
            if manifest is not None:
                if manifest.dimension != dimension:
                    raise StoreError(
                        f"The vectors of {name!r} have dimension {manifest.dimension}; expected {dimension}. "
                        "Use the model they were made with, or re-embed into a new collection."
                    )
                self._ready(name)
                return
            check_reserve(self._root, self._reserve_bytes)
            if folder.exists():  # made but never taken into use, or its manifest is gone
                self._set_aside(name)
            folder.mkdir()
            made = Manifest(name, dimension, datetime.now(UTC).isoformat(timespec="seconds"))
            path = str(made.shard(folder))
            self._processes.call(path, "create", dimension)
            write_manifest(folder, made)
            self._manifests[name] = made
            self._opened[path] = self._processes.pid(path)

    def exists(self, name: str) -> bool:
        """See ``VectorStore``."""
        return (self._folder(name) / "manifest.json").exists()

    def drop(self, name: str) -> None:
        """See ``VectorStore``."""
        folder = self._folder(name)
        with self._name_locks[name]:
            self._forget(name)
            if folder.exists():
                leaving = folder.with_name(folder.name + ".dropped")
                shutil.rmtree(leaving, ignore_errors=True)
                folder.rename(leaving)
                shutil.rmtree(leaving)

    def names(self) -> list[str]:
        """See ``VectorStore``."""
        results = [decode_name(path.parent.name) for path in self._root.glob("*/manifest.json")]
        return sorted(name for name in results if name is not None)

    # Points

    def upsert(self, name: str, points: Sequence[Point]) -> None:
        """See ``VectorStore``."""
        if not points:
            return
        dense_ND = check_points(points, self._manifest(name).dimension)
        for start in range(0, len(points), WRITE_BATCH):
            part = points[start : start + WRITE_BATCH]
            batch = pack_points(part, dense_ND[start : start + WRITE_BATCH])
            # The log and the segments hold each number once; payloads are small.
            needed = 2 * (batch.dense.nbytes + batch.indices.nbytes + batch.values.nbytes)
            check_reserve(self._root, self._reserve_bytes, needed)
            with self._name_locks[name]:
                self._touch(name, batch.ids)
                self._call(name, "upsert", batch)

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """See ``VectorStore``."""
        for point_id in ids:
            check_id(point_id)
        for start in range(0, len(ids), PAGE):
            part = list(ids[start : start + PAGE])
            with self._name_locks[name]:
                self._touch(name, part)
                self._call(name, "delete", part)

    def count(self, name: str) -> int:
        """See ``VectorStore``."""
        return int(self._call(name, "count"))

    def iter_ids(self, name: str) -> Iterator[str]:
        """See ``VectorStore``."""
        offset: str | None = None
        while True:
            ids, offset = self._call(name, "ids", offset, PAGE)
            yield from ids
            if offset is None:
                return

    def query(
        self,
        name: str,
        *,
        dense: NDArray[np.float32] | None = None,
        sparse: SparseVector | None = None,
        limit: int = 10,
        prefetch: int = 100,
        fusion: Fusion = "rrf",
        where: Filters = Filters(),  # noqa: B008 - frozen
        with_dense: bool = False,
        lexical_prefetch: int | None = None,
    ) -> list[ScoredPoint]:
        """See ``VectorStore``."""
        check_query(dense, sparse, self._manifest(name).dimension, limit, prefetch)
        if dense is None and sparse is not None and not len(sparse.indices):
            return []
        spec = QuerySpec(
            dense=None if dense is None else np.asarray(dense, dtype=np.float32),
            sparse=None if sparse is None else (sparse.indices, sparse.values),
            limit=limit,
            prefetch=prefetch,
            fusion=fusion,
            conditions=to_conditions(where),
            with_dense=with_dense,
            lexical_prefetch=lexical_prefetch,
        )
        ids, scores, dense_KD = self._call(name, "query", spec)
        return in_order(
            ScoredPoint(point_id, score, None if dense_KD is None else dense_KD[rank])
            for rank, (point_id, score) in enumerate(zip(ids, scores, strict=True))
        )

    def fetch_dense(self, name: str, ids: Sequence[str]) -> NDArray[np.float32]:
        """See ``VectorStore``."""
        dense_ND = np.empty((len(ids), self._manifest(name).dimension), dtype=np.float32)
        batch = self._fetch(name, ids, dense_only=True)
        rows = {point_id: row for row, point_id in enumerate(batch.ids)}
        for row, point_id in enumerate(ids):
            if point_id not in rows:
                raise StoreError(
                    f"Point {point_id} is not among the vectors of {name!r}; expected it there. "
                    "Run `python app.py doctor --repair` to bring vectors and catalog together."
                )
            dense_ND[row] = batch.dense[rows[point_id]]
        return dense_ND

    def fetch_points(self, name: str, ids: Sequence[str]) -> list[Point]:
        """See ``VectorStore``."""
        results = {point.id: point for point in unpack_points(self._fetch(name, ids, dense_only=False))}
        return [results[point_id] for point_id in ids if point_id in results]

    # The whole

    def bulk(self, name: str) -> AbstractContextManager[None]:
        """See ``VectorStore``. Indexes are only built when asked for."""
        return nullcontext()

    def optimize(self, name: str) -> None:
        """See ``VectorStore``. Does nothing while brute force is fast enough: ``rebuild``."""
        with self._optimizing:
            before, points = self._manifest(name), self.count(name)
            if not is_worthwhile(points, before.indexed):
                return
            after = replace(before, generation=before.generation + 1, indexed=points)
            try:
                self._rebuild(name, before, after)
            except (StoreError, OSError) as error:  # every point is stored and found, only slower
                _log.warning(
                    "The index of %r was not built, which is tried again later; until then searches take "
                    "longer. %s",
                    name,
                    error,
                )

    def is_indexing(self, name: str) -> bool:
        """See ``VectorStore``. Building is part of the work that asks for it."""
        return False

    def _rebuild(self, name: str, before: Manifest, after: Manifest) -> None:
        """Put a copy of a shard with an index in its place; whatever fails leaves the original in use."""
        folder = self._folder(name)
        source, target = before.shard(folder), after.shard(folder)
        check_reserve(self._root, self._reserve_bytes, BUILD_SHARE * folder_bytes(source))
        try:
            with self._name_locks[name]:
                self._call(name, "hold")
                try:
                    copy_shard(source, target)
                finally:
                    self._processes.call(str(source), "release")
                self._touched[name] = set()
            log_path = self._root.parent / "logs" / "index.log"
            build_beside(target, before.dimension, self._root / BUILD_LOCK, log_path, self._watch_build)
            with self._name_locks[name]:
                self._require_same(name, before)
                self._processes.start_own(str(target))
                self._processes.call(str(target), "open")
                self._opened[str(target)] = self._processes.pid(str(target))
            require_index(self._processes.call(str(target), "state"), before.dimension)
            while not self._take_over(name, source, target, before, after):
                pass
        except BaseException:
            self._close_shard(str(target))
            shutil.rmtree(target, ignore_errors=True)
            raise
        finally:
            self._touched.pop(name, None)
        self._close_shard(str(source))
        shutil.rmtree(source, ignore_errors=True)

    def state(self, name: str) -> ShardState:
        """Segments, points and indexed vectors of a name."""
        state: ShardState = self._call(name, "state")
        return state

    def tune(
        self,
        name: str,
        layout: Layout,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See ``VectorStore``."""
        raise StoreError(
            "The vectors are in the data folder, where there is nothing to choose. Move them to a Qdrant "
            "server first: python app.py move --to ADDRESS."
        )

    def describe(self) -> str:
        """See ``VectorStore``."""
        aside = f", {len(self.set_aside)} set aside as damaged" if self.set_aside else ""
        return f"embedded Qdrant Edge in {self._root}, {len(self.names())} collections{aside}"

    def is_there(self) -> bool:
        """See ``VectorStore``."""
        return True

    def close(self) -> None:
        """See ``VectorStore``."""
        if self._build is not None and self._build.poll() is None:
            self._build.terminate()
        self._processes.close()
        self._release()

    # Inside

    def _folder(self, name: str) -> Path:
        return self._root / encode_name(name)

    def _find_manifest(self, name: str) -> Manifest | None:
        if name not in self._manifests:
            manifest = read_manifest(self._folder(name))
            if manifest is None:
                return None
            self._manifests[name] = manifest
        return self._manifests[name]

    def _manifest(self, name: str) -> Manifest:
        manifest = self._find_manifest(name)
        if manifest is None:
            raise StoreError(
                f"There are no vectors named {name!r}. Known: {', '.join(self.names()) or 'none'}. "
                "Add documents first, or run `python app.py doctor --repair`."
            )
        return manifest

    def _call(self, name: str, operation: str, *arguments: object) -> Any:
        path = self._ready(name)
        try:
            return self._processes.call(path, operation, *arguments)
        except NotOpenError:  # the process or the shard was replaced between the two calls
            self._opened.pop(path, None)
            return self._processes.call(self._ready(name), operation, *arguments)

    def _ready(self, name: str) -> str:
        """Open the shard if its process has not yet, and return its folder."""
        path = self._path(name)
        if not self._is_open(path):
            with self._name_locks[name]:
                path = self._path(name)  # a rebuilt shard may have come while this waited
                if not self._is_open(path):
                    self._open(name, path)
        return path

    def _path(self, name: str) -> str:
        return str(self._manifest(name).shard(self._folder(name)))

    def _is_open(self, path: str) -> bool:
        pid = self._processes.pid(path)
        return pid is not None and self._opened.get(path) == pid

    def _open(self, name: str, path: str) -> None:
        """Open a shard; one that kills the process twice in a row is set aside."""
        deaths = 0
        while True:
            try:
                self._processes.call(path, "open")
                self._opened[path] = self._processes.pid(path)
                return
            except ProcessDiedError as error:
                deaths += error.returncode != SIGKILL
                _log.warning("Opening the vectors of %r ended the store process: %s", name, error)
                if error.returncode == SIGKILL:
                    raise
                if deaths >= 2:
                    aside = self._set_aside(name)
                    raise StoreDamagedError(
                        f"The vector files of {name!r} are damaged: opening them ended the store process "
                        f"twice. They were moved to {aside}. {REBUILD}"
                    ) from error
            except NotOpenError:  # the store is closed
                raise
            except StoreError as error:
                _log.info("Opening the vectors of %r: %s", name, error)
                raise StoreDamagedError(f"The vector files in {path} cannot be opened. {REBUILD}") from error

    def _set_aside(self, name: str) -> Path:
        folder = self._folder(name)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        aside = folder.with_name(f"{folder.name}.damaged-{stamp}")
        self._forget(name)
        folder.rename(aside)
        self.set_aside.append(aside)
        _log.warning("Moved the damaged vectors of %r to %s", name, aside)
        return aside

    def _forget(self, name: str) -> None:
        folder = self._folder(name)
        for path in [path for path in self._opened if Path(path).is_relative_to(folder)]:
            self._close_shard(path)
        self._manifests.pop(name, None)

    def _close_shard(self, path: str) -> None:
        """Close a shard in the process that has opened it, as far as that is still possible."""
        if self._is_open(path):
            try:
                self._processes.call(path, "close")
            except StoreError as error:
                _log.warning("Closing %s: %s", path, error)
        self._opened.pop(path, None)
        self._processes.stop_own(path)

    def _take_over(self, name: str, source: Path, target: Path, before: Manifest, after: Manifest) -> bool:
        """Repeat some of the writes made since the copy. With the last of them, take the target into use."""
        with self._name_locks[name]:
            self._require_same(name, before)
            ids = list(itertools.islice(self._touched[name], REPEAT_AT_ONCE))
            repeat_writes(self._processes, str(source), str(target), ids)
            self._touched[name].difference_update(ids)
            if self._touched[name]:
                return False
            old, new = (self._processes.call(str(path), "count") for path in (source, target))
            if old != new:
                raise StoreError(
                    f"The rebuilt vectors of {name!r} hold {new} points; expected {old}. "
                    "The old stay in use. Run `python app.py doctor` to check them."
                )
            write_manifest(self._folder(name), after)
            self._manifests[name] = after
            return True

    def _require_same(self, name: str, manifest: Manifest) -> None:
        if self._manifests.get(name) is not manifest:
            raise StoreError(f"{name!r} was dropped while its index was built; nothing is left to do.")

    def _watch_build(self, process: subprocess.Popen[bytes]) -> None:
        self._build = process

    def _fetch(self, name: str, ids: Sequence[str], *, dense_only: bool) -> PointBatch:
        for point_id in ids:
            check_id(point_id)
        batch: PointBatch = self._call(name, "fetch", list(ids), dense_only)
        return batch

    def _touch(self, name: str, ids: Sequence[str]) -> None:
        if name in self._touched:
            self._touched[name].update(ids)
