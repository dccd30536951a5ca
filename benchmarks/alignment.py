"""Alignment of two translations whose true alignment is known, beside two naive ways.

    python benchmarks/alignment.py PATH… [--languages de fr …] [--rows 600] [--first 0] [--seed 0] [--pairing]

PATH is a file of ordered translations, one pair a line: source language, target language, source text, target
text, separated by tabs; .xz is unpacked. For each file and target language the first rows are taken (a text
of --rows pairs, in order) and disturbed with a fixed seed so that the true alignment is known but no longer
one to one: sentences are split at their sentence marks on one side, up to four neighbours are joined on one
side, two with two are cut elsewhere, and some are left out of either side.

F1 is strict: a bead counts when both its spans are those of the gold; left-out sentences are not counted.
*rank* pairs the n-th sentence with the n-th; *1:1* is the same alignment without blocks of several sentences.

With --pairing the rows are cut into documents of 30 pairs instead, some are taken out of either side, the
target is shuffled, and what is measured is how many documents find their translation by their text alone.
"""

import argparse
import csv
import json
import lzma
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indexer.bitext.alignment import AlignmentSettings, align
from indexer.bitext.document_pairing import TextDocument, pair_documents
from indexer.bitext.overlaps import join_sentences
from indexer.text.segmentation import sentence_spans
from me5 import Encoder, Role, load_encoder

Span = tuple[int, int]
BeadSpans = tuple[Span, Span]
CUT_TEXTS = 2  # texts of the two-with-two case
PIECE = 30  # pairs of a document that is to be paired


@dataclass
class Document:
    """Two texts and how their sentences belong together."""

    source: list[str]
    target: list[str]
    gold: list[BeadSpans]

    def add(self, source: Sequence[str], target: Sequence[str]) -> None:
        """Append a bead, which may have an empty side."""
        start, end = len(self.source), len(self.target)
        self.source += source
        self.target += target
        if source and target:
            self.gold.append(((start, len(self.source)), (end, len(self.target))))


def main(argv: Sequence[str] | None = None) -> int:
    """Align every file in every language asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--languages", nargs="+", help="target languages (default: the largest of each file)")
    parser.add_argument("--rows", type=int, default=600, help="pairs of each document (default 600)")
    parser.add_argument("--first", type=int, default=0, help="row to begin at (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="of the disturbance (default 0)")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--max-block", type=int, default=4)
    parser.add_argument("--skip-share", type=float, default=AlignmentSettings().skip_share)
    parser.add_argument("--json", type=Path, dest="out")
    parser.add_argument("--pairing", action="store_true", help="pair documents instead of aligning sentences")
    arguments = parser.parse_args(argv)
    encoder = load_encoder(arguments.model)
    if arguments.pairing:
        return pairing(arguments, encoder)
    results = []
    print("| document | languages | sentences | gold beads | not 1:1 | rank | 1:1 | m:n | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for path in arguments.paths:
        for languages, rows in documents(path, arguments.languages, arguments.first, arguments.rows):
            document = disturb(rows, random.Random(arguments.seed))
            result = {"document": path.name.split(".")[0], "languages": languages}
            result |= measure(document, encoder, arguments.max_block, arguments.skip_share)
            results.append(result)
            print(
                "| {document} | {languages} | {source} × {target} | {gold} | {several:.0%} | {rank:.1f} "
                "| {single:.1f} | **{several_f1:.1f}** | {seconds:.1f} |".format(**result),
                flush=True,
            )
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


def pairing(arguments: argparse.Namespace, encoder: Encoder) -> int:
    """Pair the pieces of every document asked for and print a table."""
    print("| document | languages | documents | true pairs | found | right |")
    print("|---|---|---|---|---|---|")
    for path in arguments.paths:
        for languages, rows in documents(path, arguments.languages, arguments.first, arguments.rows):
            draw = random.Random(arguments.seed)
            pieces = [disturb(rows[start : start + PIECE], draw) for start in range(0, len(rows), PIECE)]
            ours = [n for n in range(len(pieces)) if n % 7 != 6]
            theirs = [n for n in range(len(pieces)) if n % 5 != 4]
            draw.shuffle(theirs)
            found = pair_documents(
                [TextDocument(f"a{n}", pieces[n].source) for n in ours],
                [TextDocument(f"b{n}", pieces[n].target) for n in theirs],
                lambda texts: encoder.encode(texts, Role.BITEXT),
            ).pairs
            right = sum(1 for pair in found if ours[pair.source] == theirs[pair.target])
            name, both = path.name.split(".")[0], len({*ours} & {*theirs})
            sizes = f"{len(ours)} × {len(theirs)}"
            print(f"| {name} | {languages} | {sizes} | {both} | {len(found)} | {right} |", flush=True)
    return 0


def documents(
    path: Path, languages: Sequence[str] | None, first: int, count: int
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The documents of a file: its languages and so many pairs of texts in order."""
    by_languages: dict[tuple[str, str], list[tuple[str, str]]] = {}
    with open_text(path) as stream:
        for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            if len(row) == 4 and row[2].strip() and row[3].strip():
                by_languages.setdefault((row[0], row[1]), []).append((row[2], row[3]))
    wanted = languages or [max(by_languages, key=lambda key: len(by_languages[key]))[1]]
    for (ours, theirs), rows in by_languages.items():
        if theirs in wanted and len(rows) > first:
            yield f"{ours}–{theirs}", rows[first : first + count]


def open_text(path: Path) -> TextIO:
    """A text file, packed or not."""
    return lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8")


def disturb(rows: Sequence[tuple[str, str]], draw: random.Random) -> Document:
    """A document whose alignment is known and not one to one."""
    document, place = Document([], [], []), 0
    while place < len(rows):
        kind = draw.choices(("keep", "split", "join", "cut", "drop"), weights=(60, 14, 14, 4, 8))[0]
        size = {"join": draw.choice((2, 2, 2, 3, 4)), "cut": CUT_TEXTS}.get(kind, 1)
        ours, theirs = ([row[side] for row in rows[place : place + size]] for side in (0, 1))
        place += len(ours)
        swapped = draw.random() < 0.5
        near, far = (theirs, ours) if swapped else (ours, theirs)
        if kind == "split":
            near = pieces(near[0])
        elif kind == "join":
            near = [join_sentences(near)]
        elif kind == "cut" and len(near) == CUT_TEXTS:
            near = cut_elsewhere(near)
        elif kind == "drop":
            near = []
        document.add(*((far, near) if swapped else (near, far)))
    return document


def pieces(text: str) -> list[str]:
    """The sentences of a text, at most four: what follows goes with the fourth."""
    sentences = [text[start:end].strip() for start, end in sentence_spans(text)]
    return sentences if len(sentences) <= 4 else [*sentences[:3], join_sentences(sentences[3:])]


def cut_elsewhere(texts: Sequence[str]) -> list[str]:
    """Two texts as two others with the same words: half of the second goes with the first."""
    words = texts[1].split(" ")
    half = len(words) // 2
    return [join_sentences([texts[0], " ".join(words[:half])]), " ".join(words[half:])] if half else [*texts]


def measure(document: Document, encoder: Encoder, max_block: int, skip_share: float) -> dict[str, Any]:
    """Strict F1 of the three alignments in per cent, and the processor seconds of the best."""

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        return encoder.encode(texts, Role.BITEXT)

    def aligned(block: int) -> list[BeadSpans]:
        settings = AlignmentSettings(max_block=block, skip_share=skip_share)
        beads = align(document.source, document.target, encode, settings)
        return [(bead.source, bead.target) for bead in beads if 0 not in bead.shape]

    rank = [((n, n + 1), (n, n + 1)) for n in range(min(len(document.source), len(document.target)))]
    single = aligned(1)
    start = time.process_time()
    several = aligned(max_block)
    seconds = time.process_time() - start
    other = sum(1 for bead in document.gold if [span[1] - span[0] for span in bead] != [1, 1])
    return {
        "source": len(document.source),
        "target": len(document.target),
        "gold": len(document.gold),
        "several": other / len(document.gold),
        "rank": f1(rank, document.gold),
        "single": f1(single, document.gold),
        "several_f1": f1(several, document.gold),
        "seconds": seconds,
    }


def f1(found: Sequence[BeadSpans], gold: Sequence[BeadSpans]) -> float:
    """Of identical beads, in per cent."""
    return 200 * len(set(found) & set(gold)) / max(len(found) + len(gold), 1)


if __name__ == "__main__":
    sys.exit(main())
