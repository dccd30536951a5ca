"""OpenVINO: the fastest measured runtime on x86 processors (benchmarks/encode.md).

The torch module, pooling included, is converted once and kept under the cache folder: ``$ME5_CACHE`` or
the user's own, never the package. Two compiled forms share its weights file: one that gives every core to
one batch (a query), and one lane per core for long work, where no core waits for another.
"""

import contextlib
import importlib.metadata
import logging
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5.batching import BatchPolicy
from me5.engines import EngineRequest, TokenIds, pad
from me5.errors import EngineError
from me5.folders import FolderFacts

logger = logging.getLogger(__name__)

_FORMAT = 1
"""Raise when the converted graph changes, so that old cache entries are not used."""


class OpenVinoEngine:
    """Runs the converted graph on the CPU."""

    policy = BatchPolicy(token_budget=1_024, max_texts=256)  # states of 1,024 tokens stay in L2/L3

    def __init__(self, request: EngineRequest) -> None:
        import openvino

        self._pad_id = request.facts.pad_id
        self._threads = request.choice.threads or _physical_cores()
        self._precision = {"bf16": "bf16", "fp32": "f32"}[request.choice.precision]
        self._core = openvino.Core()
        self._graph = self._core.read_model(_cached_graph(request))
        self._one = self._compile(streams=1)
        self._lanes: Any = None
        self._compiling = threading.Lock()

    def run(self, batches: Sequence[TokenIds]) -> Iterator[NDArray[np.float32]]:
        """Pooled vectors [B, H] of each batch, in order. Requests are made per call: threads may share."""
        if len(batches) == 1 or self._threads == 1:
            request = self._one.create_infer_request()
            for batch in batches:
                request.infer(self._inputs(batch), share_inputs=True)
                yield _result(request)
            return
        compiled = self._compile_lanes()
        requests = [compiled.create_infer_request() for _ in range(min(self._threads, len(batches)))]
        for number, batch in enumerate(batches):
            request = requests[number % len(requests)]
            if number >= len(requests):
                request.wait()
                yield _result(request)
            request.start_async(self._inputs(batch))
        for number in range(len(batches) - len(requests), len(batches)):
            request = requests[number % len(requests)]
            request.wait()
            yield _result(request)

    def _inputs(self, batch: TokenIds) -> list[NDArray[np.int64]]:
        return list(pad(batch, self._pad_id))

    def _compile_lanes(self) -> Any:
        with self._compiling:
            if self._lanes is None:
                self._lanes = self._compile(streams=self._threads)
            return self._lanes

    def _compile(self, streams: int) -> Any:
        settings = {
            "INFERENCE_PRECISION_HINT": self._precision,
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": streams,
        }
        return self._core.compile_model(self._graph, "CPU", settings)


def _result(request: Any) -> NDArray[np.float32]:
    return np.array(request.get_output_tensor(0).data, dtype=np.float32)


def _physical_cores() -> int:
    """Cores this process may use; hyper-threads share their matrix units."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where converted models are kept: ``$ME5_CACHE``, or the usual place of the operating system."""
    if environ.get("ME5_CACHE"):
        return Path(environ["ME5_CACHE"]).expanduser()
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "me5-search"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "me5-search" / "Cache"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "me5-search"


def _cached_graph(request: EngineRequest) -> Path:
    """The converted model on disk, converting it when it is not there yet."""
    version = importlib.metadata.version("openvino")
    name = f"{request.cache_key}-{request.choice.precision}-{version}-{_FORMAT}"
    entry = cache_folder() / "openvino" / name
    if not (entry / "model.xml").is_file():
        logger.info("converting %s for OpenVINO, once, into %s", request.folder, entry)
        _convert(request, entry)
    return entry / "model.xml"


def _convert(request: EngineRequest, entry: Path) -> None:
    """Convert into a folder aside, then rename, so that a killed run leaves nothing half-written."""
    import openvino

    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=entry.parent, prefix=".converting-"))
    except OSError as error:
        raise EngineError(
            f"The cache folder {entry.parent} cannot be written ({error}). Expected room for the converted "
            "model. Set ME5_CACHE to a folder that can be written, or use engine 'torch'."
        ) from error
    try:
        graph = _traced(request.folder, request.facts)
        # fp16 holds more digits than bf16 arithmetic reads, and halves the file.
        compress = request.choice.precision != "fp32"
        openvino.save_model(graph, aside / "model.xml", compress_to_fp16=compress)
        with contextlib.suppress(OSError):  # another process was quicker: its result is the same
            aside.rename(entry)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _traced(folder: Path, facts: FolderFacts) -> Any:
    import openvino
    import torch

    from me5.engines.torch_engine import load_backbone, pool_states

    backbone = load_backbone(folder)

    class Pooled(torch.nn.Module):
        """Backbone and pooling as one graph."""

        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states_BTH = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return pool_states(states_BTH, attention_mask, facts.pooling)

    ids_BT = torch.full((2, 7), min(facts.pad_id + 5, 9), dtype=torch.int64)
    mask_BT = torch.ones_like(ids_BT)
    mask_BT[1, 4:] = 0
    shape = openvino.PartialShape([-1, -1])
    with warnings.catch_warnings(), _quiet_transformers():
        warnings.simplefilter("ignore")  # tracing warns of branches that do not depend on the input
        return openvino.convert_model(
            Pooled(),
            example_input={"input_ids": ids_BT, "attention_mask": mask_BT},
            input=[(n, shape, openvino.Type.i64) for n in ("input_ids", "attention_mask")],
        )


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
