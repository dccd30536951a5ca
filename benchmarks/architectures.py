"""Time the engines on models of real shapes with random weights: no weights of these models are needed.

    python benchmarks/architectures.py [--rounds 3] [--passages 32] [--shapes granite-97m qwen3-0.6b]

Layers, widths and heads are those of the published models; the vocabulary is a small one of the tests, which
changes nothing about the time of the layers. Texts are bundled sentences joined to passages. Each round runs
sentence-transformers and each engine of this package one after the other; a ratio is the median over rounds.
bf16 is timed by asking for it: `auto` takes it only where it was measured to find the same neighbours.
Prints a markdown table.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import me5
from benchmarks.encode import cpu_name, passages
from tests.support.architectures import BY_NAME, write_architecture


@dataclass(frozen=True)
class Shape:
    """A published model: its architecture in the tests, its sizes."""

    architecture: str
    hidden: int
    layers: int
    heads: int
    between: int
    more: dict[str, Any]


SHAPES = {
    # the width between is what 97 million numbers leave for it
    "granite-97m": Shape("granite", 384, 12, 12, 1536, {"local_attention": 128}),
    "harrier-270m": Shape("harrier", 640, 18, 4, 2048, {"num_key_value_heads": 1, "head_dim": 256}),
    "embeddinggemma-300m": Shape(
        "embeddinggemma", 768, 24, 3, 1152, {"num_key_value_heads": 1, "head_dim": 256}
    ),
    "qwen3-0.6b": Shape("qwen3", 1024, 28, 16, 3072, {"num_key_value_heads": 8, "head_dim": 128}),
}
Encode = Callable[[Sequence[str]], Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passages", type=int, default=32)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    args = parser.parse_args(argv)
    texts = passages(args.passages)
    print(f"{cpu_name()}, {args.passages} passages, {args.rounds} rounds, random weights\n")
    print("| shape | engine | ms a passage | times sentence-transformers | cosine to it, least |")
    print("|---|---|---|---|---|")
    for name in args.shapes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = write(Path(scratch) / name, SHAPES[name])
            for row in measure(open_engines(folder), texts, args.rounds):
                print(f"| {name} | {row} |", flush=True)
    return 0


def write(folder: Path, shape: Shape) -> Path:
    """A folder of that shape."""
    one = replace(BY_NAME[shape.architecture], dense=())
    sizes = {
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.between,
        "max_position_embeddings": 2048,
        "initializer_range": 0.02,
        **shape.more,
    }
    if one.model_type == "gemma3_text":
        sizes["layer_types"] = [
            "full_attention" if number % 6 == 5 else "sliding_attention" for number in range(shape.layers)
        ]
        sizes |= {"sliding_window": 512, "query_pre_attn_scalar": 256}
    return write_architecture(folder, one, max_tokens=512, sizes=sizes)


def open_engines(folder: Path) -> dict[str, Encode]:
    """sentence-transformers first, then this package."""
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(folder), device="cpu")
    engines: dict[str, Encode] = {
        "sentence-transformers fp32": lambda texts: np.asarray(
            peer.encode(list(texts), prompt="", normalize_embeddings=True)
        )
    }
    for engine, precision in (("torch", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")):
        try:
            opened = me5.load_encoder(
                str(folder), device="cpu", engine=engine, precision=precision, prefixes=("", "")
            )
        except me5.EngineError as error:
            print(f"{engine} {precision}: {error}", file=sys.stderr)
            continue
        engines[f"me5 {engine} {precision}"] = opened.encode
    return engines


def measure(engines: dict[str, Encode], texts: Sequence[str], rounds: int) -> list[str]:
    """A row for each engine."""
    vectors = {name: encode(texts) for name, encode in engines.items()}
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, encode in engines.items():
            started = time.perf_counter()
            encode(texts)
            seconds[name].append((time.perf_counter() - started) / len(texts))
    first = next(iter(engines))
    rows = []
    for name, times in seconds.items():
        ratios = [peer / own for peer, own in zip(seconds[first], times, strict=True)]
        cosine = float(np.sum(vectors[first] * vectors[name], axis=1).min())
        low, high = min(ratios), max(ratios)
        ratio = f"{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"
        rows.append(f"{name} | {1000 * statistics.median(times):.0f} | {ratio} | {cosine:.5f}")
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
