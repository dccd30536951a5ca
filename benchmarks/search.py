"""How long a whole search takes: encode, rank, look up, judge, mark the evidence, count facets.

    python benchmarks/search.py --passages 100000 --data /tmp/search-bench
    python benchmarks/search.py --quality

Makes a collection from the sentences of the sample library, shuffled within each language and with fresh
numbers, through the ordinary ingest; keeps it in ``--data`` for the next run. Then asks the questions of
``examples/questions.jsonl`` in random order, and prints a table for ``benchmarks/search.md``. ``--quality``
asks them of the sample library itself and prints how many found their document, per mode, and what
confidence says of them and of the off-topic questions; then the same of ``questions/passages.jsonl`` about
sections of manuals, where the data is there: the half that search was tuned on, and the half that was kept
out.
"""

import argparse
import json
import platform
import random
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
from questions.library import write_documents as write_manuals

from indexer.library.library import Library
from indexer.text.segmentation import sentence_spans
from indexer.types import SearchMode

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
QUESTIONS = Path(__file__).resolve().parent / "questions"
PASSAGES_PER_DOCUMENT = 20
COLLECTION = "bench"
BANDS = ("strong", "likely", "weak", "none")
Row = Mapping[str, str]


def sentences_by_document() -> dict[str, list[str]]:
    """The sentences of the sample library's plain texts, by file."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((EXAMPLES / "library").rglob("*")):
        if path.suffix in (".txt", ".md"):
            text = path.read_text(encoding="utf-8")
            found[path.stem] = [
                text[start:end].strip() for start, end in sentence_spans(text) if end - start > 12
            ]
    return found


def write_documents(folder: Path, passages: int, rng: random.Random) -> None:
    """Text files of about 20 passages each; every passage is a paragraph of several sentences."""
    sources = list(sentences_by_document().values())
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(passages // PASSAGES_PER_DOCUMENT):
        sentences = rng.choice(sources)
        paragraphs = []
        for _ in range(PASSAGES_PER_DOCUMENT):
            text = " ".join(rng.sample(sentences, min(len(sentences), 6)))
            paragraphs.append(re.sub(r"\d+", lambda _: str(rng.randrange(2, 5000)), text))
        subfolder = folder / f"{number % 50:02d}"
        subfolder.mkdir(exist_ok=True)
        (subfolder / f"{number:05d}.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000, help="about how many (default 100000)")
    parser.add_argument("--queries", type=int, default=300, help="searches per mode (default 300)")
    parser.add_argument("--data", type=Path, default=Path("/tmp/me5-search-bench"), help="folder, kept")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--quality", action="store_true", help="measure finding, not time")
    arguments = parser.parse_args()
    if arguments.quality:
        measure_quality(arguments.model)
    else:
        measure_time(arguments)


def measure_time(arguments: argparse.Namespace) -> None:
    """Build the collection if needed, ask, print a table."""
    rng = random.Random(1)
    texts = arguments.data / "texts"
    if not texts.exists():
        write_documents(texts, arguments.passages, rng)
    questions = [
        json.loads(line)["question"] for line in (EXAMPLES / "questions.jsonl").open(encoding="utf-8")
    ]
    with Library.open(arguments.data / "library", model=arguments.model) as library:
        started = time.perf_counter()
        library.add([texts], collection=COLLECTION)
        info = next(one for one in library.collections() if one.name == COLLECTION)
        print(
            f"{info.chunks} passages, {info.documents} documents, {len(info.languages)} languages; ", end=""
        )
        print(f"ingest or check {time.perf_counter() - started:.0f} s")
        started = time.perf_counter()
        library.search("warm up", collection=COLLECTION)
        print(f"first search, with calibration: {(time.perf_counter() - started) * 1000:.0f} ms\n")
        print(f"{datetime.now(UTC):%Y-%m-%d}, {cpu_name()}, model {arguments.model}\n")
        print("| mode | passages | searches | p50 ms | p95 ms | max ms | processor ms |")
        print("|---|---|---|---|---|---|---|")
        for mode in ("hybrid", "dense", "lexical"):
            took = []
            busy = processor_seconds()
            for number in range(arguments.queries):
                # A number of its own keeps every query from being a repetition.
                query = f"{rng.choice(questions)} {number}"
                started = time.perf_counter()
                library.search(query, collection=COLLECTION, mode=mode)
                took.append((time.perf_counter() - started) * 1000)
            busy = (processor_seconds() - busy) / len(took) * 1000
            p50, p95, worst = np.percentile(took, [50, 95, 100])
            print(
                f"| {mode} | {info.chunks} | {len(took)} | {p50:.1f} | {p95:.1f} | {worst:.1f} | {busy:.1f} |"
            )


def processor_seconds() -> float:
    """Processor time of this process and its store process: what a search costs on a busy machine too."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children())]
    return float(sum(one.user + one.system for one in times))


def measure_quality(model: str) -> None:
    """Ask the sample library its own questions and off-topic ones, and a library of manuals; print tables."""
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder), model=model) as library:
        started = time.perf_counter()
        library.add([EXAMPLES / "library"], "sample")
        print(f"sample library indexed in {time.perf_counter() - started:.1f} s\n")
        sample = read_rows(EXAMPLES / "questions.jsonl"), read_rows(EXAMPLES / "off_topic.jsonl")
        print_quality(library, "sample", *sample)
        texts = Path(folder) / "manuals"
        texts.mkdir()
        try:
            write_manuals(texts)
        except FileNotFoundError as error:
            print(f"\n{error}")
            return
        library.add([texts], "manuals")
        asked, off_topic = read_rows(QUESTIONS / "passages.jsonl"), read_rows(QUESTIONS / "off_topic.jsonl")
        for split in ("tune", "held"):
            print(f"\nmanuals, half {split!r}\n")
            halves = [[one for one in rows if one["split"] == split] for rows in (asked, off_topic)]
            print_quality(library, "manuals", *halves)


def print_quality(
    library: Library, collection: str, questions: Sequence[Row], off_topic: Sequence[Row]
) -> None:
    """Where the right documents stand, per mode, and what confidence says."""
    library.warm(collection)
    print("| mode | questions | top 1 | top 3 | MRR |\n|---|---|---|---|---|")
    for mode in ("dense", "lexical", "hybrid"):
        ranks = np.array([rank_of(library, collection, one, mode) for one in questions])
        found = f"{np.sum(ranks == 1)} | {np.sum(ranks <= 3)} | {np.mean(1 / ranks):.3f}"
        print(f"| {mode} | {len(ranks)} | {found} |")
    print("\n| best hit | strong | likely | weak | none |\n|---|---|---|---|---|")
    for label, asked in (("answered", questions), ("off topic", off_topic)):
        best = Counter(best_confidence(library, collection, one["question"]) for one in asked)
        print(f"| {label} | " + " | ".join(str(best[band]) for band in BANDS) + " |")


def rank_of(library: Library, collection: str, question: Row, mode: SearchMode) -> float:
    """At which rank the document of a question stands; infinite when it is not found."""
    result = library.search(question["question"], collection=collection, mode=mode, top_k=60)
    hits = sorted((*result.hits, *result.weak_hits), key=lambda hit: -hit.score)
    ranks = [rank for rank, hit in enumerate(hits, 1) if question["document"] in hit.document]
    return ranks[0] if ranks else float("inf")


def best_confidence(library: Library, collection: str, query: str) -> str:
    """The highest band among the hits."""
    result = library.search(query, collection=collection)
    bands = [BANDS.index(hit.confidence) for hit in (*result.hits, *result.weak_hits)]
    return BANDS[min(bands, default=3)]


def read_rows(path: Path) -> list[Row]:
    """The questions of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def cpu_name() -> str:
    """Processor and core count."""
    cpuinfo = Path("/proc/cpuinfo")
    name = platform.processor() or platform.machine()
    if cpuinfo.exists():
        names = re.findall(r"model name\s*: (.+)", cpuinfo.read_text())
        name = f"{names[0]} ({len(names)} cores)" if names else name
    return name


if __name__ == "__main__":
    main()
