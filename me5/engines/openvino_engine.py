"""OpenVINO: the fastest measured runtime on x86 processors (benchmarks/encode.md).

The rows of the pieces are gathered here, in numpy, so a table of any size and form stays on disk and costs
memory only where it is read; the transformer is a graph that is built from the weights (``bodies``). Two
compiled forms share it: one that gives every core to one batch (a query), and one lane per core for long
work, where no core waits for another.
"""

import importlib.metadata
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5.batching import BatchPolicy
from me5.engines.bodies import open_body
from me5.engines.engine import EngineRequest, TokenIds, pad
from me5.engines.measurements import Measurements
from me5.errors import EngineError, ModelFormatError
from me5.openvino_core import cpu_capabilities, openvino_core
from me5.runtime import FASTEST

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """One way to compute on the CPU.

    Attributes:
        name: as it is kept and logged.
        precision: of the runtime choice that it belongs to.
        hint: of OpenVINO: what numbers are computed in where nothing else is said.
        group: activations that share a scale when they are rounded to 8 bits; 0 where they are not.
    """

    name: str
    precision: str
    hint: str
    group: int = 0

    @property
    def has_int8_weights(self) -> bool:
        """Whether the matrices of the graph are in 8 bits."""
        return self.precision == "int8"


VARIANTS = (
    Variant("fp32", "fp32", "f32"),
    Variant("bf16", "bf16", "bf16"),
    Variant("int8", "int8", "f32", group=128),
    Variant("int8-bf16", "int8", "bf16", group=128),
)
"""Groups of 128 keep .97 of the ten nearest neighbours of fp32; 384 is 5 % quicker and keeps .965."""

_PROBE_LAYERS = 2
_PROBE_SHAPE = (8, 128)  # texts x tokens
_PROBE_ROUNDS = 4


class OpenVinoEngine:
    """Runs an encoder on the CPU."""

    policy = BatchPolicy(token_budget=1_024, max_texts=256)  # states of 1,024 tokens stay in L2/L3

    def __init__(self, request: EngineRequest) -> None:
        self._pad_id = request.facts.pad_id
        self._threads = request.choice.threads or _physical_cores()
        try:
            self._body = open_body(request)
            self._variant = self._choose(request.choice.precision)
            self.precision = self._variant.precision
            self._graph = self._body.build(self._body.layers, int8=self._variant.has_int8_weights)
        except RuntimeError as error:  # how the binding says that shapes do not fit
            raise ModelFormatError(
                f"The weights in {request.folder} do not fit config.json ({error}). Expected those of one "
                "model. Copy the folder from the original model again."
            ) from error
        self._one = self._compile(self._graph, self._variant, streams=1)
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

    def _inputs(self, batch: TokenIds) -> list[NDArray[np.float32]]:
        return self._body.inputs(*pad(batch, self._pad_id))

    def _compile_lanes(self) -> Any:
        with self._compiling:
            if self._lanes is None:
                self._lanes = self._compile(self._graph, self._variant, streams=self._threads)
            return self._lanes

    def _compile(self, graph: Any, variant: Variant, streams: int) -> Any:
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": variant.hint,
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": streams,
        }
        if variant.has_int8_weights:
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = variant.group
        return openvino_core().compile_model(graph, "CPU", settings)

    # -- which variant ---------------------------------------------------------------------------------------

    def _choose(self, precision: str) -> Variant:
        """The quickest variant of a precision, or of all where it is ``fastest``, by a kept measurement."""
        candidates = [variant for variant in VARIANTS if precision in (FASTEST, variant.precision)]
        if len(candidates) == 1:
            return candidates[0]
        version = importlib.metadata.version("openvino")
        key = f"{version} {self._threads} {self._body.shape} {_processor()}"
        kept = Measurements("measured.json")
        known = kept.read(key)
        if not all(candidate.name in known for candidate in candidates):
            known |= {
                candidate.name: self._probe(candidate)
                for candidate in candidates
                if candidate.name not in known
            }
            kept.write(key, known)
        best = min(candidates, key=lambda candidate: known[candidate.name])
        if known[best.name] == float("inf"):
            raise EngineError(f"OpenVINO cannot run the model in {precision} here. Use engine 'torch'.")
        times = ", ".join(
            f"{candidate.name} {known[candidate.name] * 1000:.1f} ms" for candidate in candidates
        )
        logger.info("%s is the fastest of: %s", best.name, times)
        return best

    def _probe(self, variant: Variant) -> float:
        """Seconds for a small batch through the first layers; infinite for what the processor cannot do.

        bf16 without such units is emulated, slowly. Some settings fail at the first inference only, so it
        is made.
        """
        if variant.hint == "bf16" and "BF16" not in cpu_capabilities():
            return float("inf")
        inputs = self._body.made_up_inputs(*_PROBE_SHAPE)
        seconds = []
        try:
            layers = min(_PROBE_LAYERS, self._body.layers)
            graph = self._body.build(layers, int8=variant.has_int8_weights)
            compiled = self._compile(graph, variant, streams=1)
            request = compiled.create_infer_request()
            for _ in range(_PROBE_ROUNDS + 1):  # the first warms up
                started = time.perf_counter()
                request.infer(inputs, share_inputs=True)
                seconds.append(time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001  # the binding raises RuntimeError for every cause
            logger.info("%s does not run here: %s", variant.name, error)
            return float("inf")
        return min(seconds[1:])


def _result(request: Any) -> NDArray[np.float32]:
    return np.array(request.get_output_tensor(0).data, dtype=np.float32)


def _processor() -> str:
    name = str(openvino_core().get_property("CPU", "FULL_DEVICE_NAME"))
    return f"{name} {' '.join(sorted(cpu_capabilities()))}"


def _physical_cores() -> int:
    """Cores this process may use; hyper-threads share their matrix units."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))
