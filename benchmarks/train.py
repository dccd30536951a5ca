"""Time stage 1 against sentence-transformers' cached loss, in turns, and weigh its memory.

    python benchmarks/train.py [--pairs 128] [--rounds 5] [--mini-batch 32] [--skip memory] [--out train.json]

Speed: the shape of multilingual-e5-small (12 layers of 384, 250,037 pieces, dropout 0.1), random weights.
Both sides tokenise, embed, contrast, go backward, clip and step on the same pairs, in fp32, each with its
own defaults: the peer takes 32 texts at a time (up to 4,096 tokens with padding), ours 1,024 tokens on a
processor, as the Train tab does. Each side has a process of its own, with the allocator as each leaves it. A
round runs one step of both, one after the other, so that a busy machine slows both; the ratio is the median
over rounds. That both compute the same is checked before.

Memory: a small model (2 layers of 128, the tokenizer of the model fast), two steps per batch size, each in
its own process; the figure is the most memory that the process had (and the accelerator, where there is one).
"""

import argparse
import json
import math
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from me5.memory import configure_allocator
from trainer.data.sources import PairSource
from trainer.models.backbone import TextModel, build_model
from trainer.models.layers import use_cpu_kernels
from trainer.models.start import StartConfig
from trainer.run.embedding import embedding_gradients
from trainer.run.loop import Training, train
from trainer.run.optimiser import build_optimiser
from trainer.run.processes import Processes
from trainer.run.settings import RuntimeConfig, StepPlan
from trainer.stages.pretrain import ContrastiveConfig, ContrastiveOptim, PairObjective

ROOT = Path(__file__).resolve().parent.parent
TOKENIZER = ROOT / "me5" / "fast" / "tokenizer.json"
MAX_TOKENS = 128  # of a text in stage 1
TEMPERATURE = 0.01
LEARNING_RATE = 1e-5
MEMORY_TOKENS = 16_384  # of a mini-batch in the test of memory
GIB = 2**30


@dataclass(frozen=True)
class Shape:
    """Of a body; the vocabulary may have more rows than the tokenizer has pieces."""

    layers: int
    hidden: int
    heads: int
    vocabulary: int


SMALL = Shape(layers=12, hidden=384, heads=12, vocabulary=250_037)
TINY = Shape(layers=2, hidden=128, heads=2, vocabulary=0)  # as many as the tokenizer has


def main(argv: Sequence[str] | None = None) -> int:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=128, help="batch of the speed test (default 128)")
    parser.add_argument("--rounds", type=int, default=5, help="of the speed test (default 5)")
    parser.add_argument(
        "--mini-batch", type=int, default=32, help="texts of the peer's (default 32, its own)"
    )
    parser.add_argument("--tokens", type=int, help="of our mini-batches (default 1,024 on a processor)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of both")
    parser.add_argument("--batches", type=int, nargs="+", default=[1_024, 4_096, 32_768])
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    parser.add_argument("--threads", type=int, help="processor threads (default: all cores)")
    parser.add_argument("--skip", choices=("speed", "memory"), help="leave one of the two out")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)  # a folder with model and pairs
    parser.add_argument("--side", choices=("peer", "ours"), help=argparse.SUPPRESS)  # of the child: steps
    args = parser.parse_args(argv)
    args.tokens = args.tokens or (16_384 if has_accelerator(args) else 1_024)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.side:
        return answer_steps(args)
    if args.child:
        print(json.dumps(peak_of_a_batch(args.child, args.batches[0], args)))
        return 0
    results: dict[str, Any] = {"load_before": os.getloadavg()}
    with tempfile.TemporaryDirectory() as scratch:
        if args.skip != "speed":
            results["speed"] = measure_speed(Path(scratch), args)
            print(speed_table(results["speed"]))
        if args.skip != "memory":
            results["memory"] = measure_memory(Path(scratch), args)
            print(memory_table(results["memory"]))
    results["load_after"] = os.getloadavg()
    print(about(results, args))
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


# Texts and models


def library_text() -> str:
    """The plain texts of the sample library, some thirty languages, one after the other."""
    files = sorted((ROOT / "examples" / "library").rglob("*"))
    return "\n".join(f.read_text(encoding="utf-8") for f in files if f.suffix in (".txt", ".md"))


def write_pairs(path: Path, count: int) -> None:
    """Pieces of the library: queries of about 12 tokens, passages of about 80, both of log-normal length."""
    text, draw = library_text(), random.Random(5)

    def piece(median: float, spread: float) -> str:
        length = int(draw.lognormvariate(math.log(median), spread))
        start = draw.randrange(len(text) - length)
        return text[start : start + length]

    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            row = {"query": f"{number} {piece(40, 0.5)}", "passage": f"{piece(280, 0.7)} {number}"}
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_model(folder: Path, shape: Shape, dropout: float) -> Path:
    """A model folder with random weights that both sides load."""
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=max(shape.vocabulary, Tokenizer.from_file(str(TOKENIZER)).get_vocab_size()),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.hidden,
        pad_token_id=0,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    torch.manual_seed(0)
    body = BertModel(config, add_pooling_layer=False)
    TextModel(body, TOKENIZER, pad_id=0, max_tokens=MAX_TOKENS, model_max_tokens=MAX_TOKENS).save(folder)
    return folder


def build_training(folder: Path, pairs: Path, batch_size: int, args: argparse.Namespace) -> Training:
    """What ``python app.py train`` builds for a stage-1 recipe, without a run folder."""
    config = ContrastiveConfig(
        stage="contrastive",
        out="",
        start=StartConfig(model=str(folder)),
        sources=(PairSource(name="library", path=str(pairs)),),
        shuffle_rows=4_096,
        optim=ContrastiveOptim(
            batch_size=batch_size,
            steps=1_000,
            learning_rate=LEARNING_RATE,
            temperature=TEMPERATURE,
            max_tokens=MAX_TOKENS,
        ),
        runtime=RuntimeConfig(device=args.device, precision=args.precision, mini_batch_tokens=args.tokens),
    )
    processes = Processes(args.device)
    model = build_model(config.start, max_tokens=MAX_TOKENS, seed=config.seed)
    model.body.to(processes.device)
    use_cpu_kernels(model.body)
    optim = config.optim
    return Training(
        model=model,
        optimiser=build_optimiser(model.body, learning_rate=LEARNING_RATE, weight_decay=optim.weight_decay),
        objective=PairObjective(config, model, processes),
        processes=processes,
        plan=StepPlan(optim.steps, 0, LEARNING_RATE, optim.max_gradient_norm),
        runtime=config.runtime,
        seed=config.seed,
    )


# Speed


def measure_speed(scratch: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Steps of both sides in turns, on the same pairs."""
    folder = write_model(scratch / "small", SMALL, dropout=0.1)
    write_pairs(folder / "pairs.jsonl", args.pairs)
    check = agreement(scratch, folder / "pairs.jsonl", args)
    with Side("peer", folder, args) as peer, Side("ours", folder, args) as own:
        peer.step(), own.step()  # memory is taken and kernels are chosen in the first step
        seconds = []
        for _ in range(args.rounds):
            seconds.append((peer.step()["seconds"], own.step()["seconds"]))
            print(
                f"round {len(seconds)}: peer {seconds[-1][0]:.1f} s, ours {seconds[-1][1]:.1f} s",
                file=sys.stderr,
            )
        tokens = own.step()["tokens"]
    return {
        "pairs": args.pairs,
        "mini_batch": args.mini_batch,
        "our_tokens": args.tokens,
        "precision": args.precision,
        "device": "accelerator" if has_accelerator(args) else "cpu",
        "tokens": tokens,
        "seconds": seconds,
        "agreement": check,
    }


def child_command(folder: Path, tokens: int, args: argparse.Namespace) -> list[str]:
    """This script for one side or one batch, on the device and with the precision of the whole."""
    words = [sys.executable, __file__, "--child", str(folder), "--tokens", str(tokens)]
    words += ["--device", args.device, "--precision", args.precision]
    return words + (["--threads", str(args.threads)] if args.threads else [])


class Side:
    """A child process that trains one side, a step whenever it is asked."""

    def __init__(self, name: str, folder: Path, args: argparse.Namespace) -> None:
        words = child_command(folder, args.tokens, args)
        words += ["--side", name, "--pairs", str(args.pairs), "--mini-batch", str(args.mini_batch)]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input ends it

    def step(self) -> dict[str, Any]:
        """What a step took, once it is done."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("step\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def answer_steps(args: argparse.Namespace) -> int:
    """Train one side in this process: a step, and a line of JSON, for each line that comes in."""
    tokens: list[int] = []
    step: Callable[[], object]
    if args.side == "peer":
        step = peer_step(args.child, args.child / "pairs.jsonl", args)
    else:
        configure_allocator()  # as ``app.py train`` does
        training = build_training(args.child, args.child / "pairs.jsonl", args.pairs, args)
        hooks = [lambda report: tokens.append(report.tokens)]

        def step() -> None:
            train(training, hooks, embedding_gradients, one_step(training))

    for _ in sys.stdin:
        print(json.dumps({"seconds": timed(step), "tokens": sum(tokens[-1:])}), flush=True)
    return 0


def has_accelerator(args: argparse.Namespace) -> bool:
    """Whether both sides would take one."""
    return args.device != "cpu" and torch.accelerator.is_available()


def peer_step(
    folder: Path, pairs: Path, args: argparse.Namespace, is_applied: bool = True
) -> Callable[[], tuple[float, float]]:
    """A step of sentence-transformers on all the pairs; gives loss and gradient norm."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    device = str(Processes(args.device).device)
    model = SentenceTransformer(str(folder), device=device).train()
    loss_of = CachedMultipleNegativesRankingLoss(
        model, scale=1 / TEMPERATURE, mini_batch_size=args.mini_batch
    )
    # the optimiser that its trainer takes by default
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=True)
    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]

    def step() -> tuple[float, float]:
        columns = [[f"{role}: {row[role]}" for row in rows] for role in ("query", "passage")]
        features = [model.preprocess(column) for column in columns]
        features = [
            {name: value.to(device) if torch.is_tensor(value) else value for name, value in f.items()}
            for f in features
        ]
        with torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=args.precision == "bf16"):
            loss = loss_of(features, None)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if is_applied:
            optimiser.step()
        optimiser.zero_grad()
        return float(loss.detach()), float(norm)  # waits for the device

    return step


def agreement(scratch: Path, pairs: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Loss and gradient norm of the first step of both sides, without dropout."""
    folder = write_model(scratch / "check", replace(SMALL, layers=2), dropout=0.0)
    training, reports = build_training(folder, pairs, args.pairs, args), []
    train(training, [reports.append], embedding_gradients, one_step(training))
    loss, norm = peer_step(folder, pairs, args, is_applied=False)()
    return {"loss": (loss, reports[0].loss), "gradient_norm": (norm, reports[0].gradient_norm)}


def one_step(training: Training) -> Callable[[], bool]:
    """Tells the loop to stop after the next step."""
    end = training.step + 1
    return lambda: training.step >= end


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes, the accelerator's included."""
    started = time.perf_counter()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


# Memory


def measure_memory(scratch: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """The peak of a child process per batch size; every child reads the same file."""
    folder = write_model(scratch / "tiny", TINY, dropout=0.1)
    write_pairs(folder / "pairs.jsonl", max(args.batches))
    configure_allocator()  # as ``app.py train`` does before torch is imported; the children inherit it
    found = []
    for batch in args.batches:
        words = [*child_command(folder, MEMORY_TOKENS, args), "--batches", str(batch)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"batch {batch}: {found[-1]}", file=sys.stderr)
    return found


def peak_of_a_batch(folder: Path, batch: int, args: argparse.Namespace) -> dict[str, Any]:
    """Two steps of a batch size in this process, and the most memory that it ever had."""
    configure_allocator()
    training = build_training(folder, folder / "pairs.jsonl", batch, args)
    started, end = time.perf_counter(), 2
    train(training, [], embedding_gradients, lambda: training.step >= end)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    on_device = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    seconds = time.perf_counter() - started
    return {
        "batch": batch,
        "peak_bytes": peak,
        "device_bytes": on_device,
        "pairs_per_s": end * batch / seconds,
    }


# Tables


def speed_table(speed: dict[str, Any]) -> str:
    """Pairs per second of both sides."""
    pairs, seconds = speed["pairs"], speed["seconds"]
    theirs, mine = (statistics.median(row[side] for row in seconds) for side in (0, 1))
    ratios = [peer / own for peer, own in seconds]
    rows = [
        ("stage 1, mE5-small shape", "sentence-transformers", "ours", "ratio (range)", "target"),
        ("---",) * 5,
        (
            f"{pairs} pairs ({speed['tokens']:,} tokens), mini-batches of {speed['mini_batch']} texts / "
            f"{speed['our_tokens']:,} tokens, {speed['precision']}, {speed['device']}",
            f"{pairs / theirs:.2f} pairs/s",
            f"{pairs / mine:.2f} pairs/s",
            f"**{statistics.median(ratios):.2f}x** ({min(ratios):.2f}-{max(ratios):.2f})",
            ">= 1.5x",
        ),
    ]
    for name, (peer, own) in speed["agreement"].items():
        label = f"{name.replace('_', ' ')} of the first step, 2 layers, no dropout"
        rows.append((label, f"{peer:.5f}", f"{own:.5f}", f"{own / peer:.6f}", "1"))
    return table(rows)


def memory_table(found: list[dict[str, Any]]) -> str:
    """Peak per batch size, and how much it grew."""
    has_device = any(row["device_bytes"] for row in found)
    rows: list[tuple[str, ...]] = [("batch", "peak resident", "of the first", "pairs/s")]
    if has_device:
        rows = [
            ("batch", "peak resident", "of the first", "peak on the accelerator", "of the first", "pairs/s")
        ]
    rows.append(("---",) * len(rows[0]))
    for row in found:
        cells = [f"{row['batch']:,}"]
        for name in ("peak_bytes", "device_bytes") if has_device else ("peak_bytes",):
            cells += [f"{row[name] / GIB:.3f} GiB", f"{row[name] / found[0][name]:.3f}"]
        rows.append((*cells, f"{row['pairs_per_s']:.0f}"))
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def about(results: dict[str, Any], args: argparse.Namespace) -> str:
    """Machine, versions and how busy it was."""
    packages = ", ".join(f"{p} {version(p)}" for p in ("torch", "transformers", "sentence-transformers"))
    load = " and ".join(f"{results[when][0]:.1f}" for when in ("load_before", "load_after"))
    device = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} threads"
    )
    return f"{cpu_name()}, {device}; {packages}; load {load} before and after; {time.strftime('%Y-%m-%d')}\n"


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


if __name__ == "__main__":
    sys.exit(main())
