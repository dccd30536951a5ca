"""Sentence ends that are found: our rules beside the segmenters that are installed.

    python benchmarks/segmentation.py news.tsv.xz [tatoeba.tsv.xz …] [--languages en de …] [--sentences 600]

PATH is a file of translations with one sentence per text: source language, target language, source text,
target text, separated by tabs; .xz is unpacked. For each language the first different texts are shuffled
with a fixed seed and joined, twenty to a paragraph, with a space between them (Chinese and Japanese without).
F1 is that of the ends inside a paragraph, in per cent, with precision / recall. A text that holds two
sentences counts as one, so nobody can reach 100. Missing libraries are left out: `pip install icu4py pysbd
sentencex blingfire` measures all of them.
"""

import argparse
import importlib
import lzma
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from indexer.bitext.segmenters import icu_spans
from indexer.text.segmentation import sentence_spans

PARAGRAPH = 20
WITHOUT_SPACES = {"zh", "zh-Hant", "ja", "yue"}
Ends = Callable[[str, str], list[int] | None]
"""A text and its language to the ends of its sentences; None when the language is not known there."""


def main() -> None:
    """Read the arguments and print a table for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    parser.add_argument("--languages", nargs="+", help="default: all of the file")
    parser.add_argument("--sentences", type=int, default=600, help="of each language (default 600)")
    parser.add_argument(
        "--least", type=int, default=300, help="texts that a language must have (default 300)"
    )
    arguments = parser.parse_args()
    if not arguments.paths:
        print("segmentation needs files of translations; see --help")
        return
    engines = dict(installed())
    for path in arguments.paths:
        measure(path, arguments, engines)


def measure(path: Path, arguments: argparse.Namespace, engines: dict[str, Ends]) -> None:
    """The table of one file, and how long each segmenter took for all of it."""
    print(f"\n{path.name.split('.')[0]}: F1 (precision / recall)\n")
    print(f"| language | texts | {' | '.join(engines)} |")
    print(f"|{' --- |' * (2 + len(engines))}")
    texts = texts_of(path, arguments.sentences)
    wanted = [
        one for one in arguments.languages or sorted(texts) if len(texts.get(one, [])) >= arguments.least
    ]
    taken_s = dict.fromkeys(engines, 0.0)
    for language in wanted:
        sentences = texts[language]
        random.Random(0).shuffle(sentences)
        cells = []
        for name, ends in engines.items():
            began = time.process_time()
            cells.append(scored(sentences, language, ends))
            taken_s[name] += time.process_time() - began
        print(f"| {language} | {len(sentences)} | {' | '.join(cells)} |", flush=True)
    print("\nprocessor seconds: " + ", ".join(f"{name} {taken:.2f}" for name, taken in taken_s.items()))


def scored(sentences: Sequence[str], language: str, ends: Ends) -> str:
    """F1, precision and recall of one segmenter on one language."""
    hits = found_count = true_count = 0
    for start in range(0, len(sentences), PARAGRAPH):
        text, true = joined(sentences[start : start + PARAGRAPH], language)
        answer = ends(text, language)
        if answer is None:
            return "–"
        found = {len(text[:end].rstrip()) for end in answer if text[end:].strip()}
        hits += len(found & true)
        found_count += len(found)
        true_count += len(true)
    f1 = 200 * hits / max(found_count + true_count, 1)
    return f"{f1:.1f} ({100 * hits / max(found_count, 1):.0f} / {100 * hits / max(true_count, 1):.0f})"


def joined(sentences: Sequence[str], language: str) -> tuple[str, set[int]]:
    """A paragraph, and where its sentences end, the last one aside."""
    separator = "" if language in WITHOUT_SPACES else " "
    text, true = "", set()
    for sentence in sentences:
        if text:
            true.add(len(text))
            text += separator
        text += sentence
    return text, true


def texts_of(path: Path, count: int) -> dict[str, list[str]]:
    """The first so many different texts of each language."""
    found: dict[str, dict[str, None]] = {}
    with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if len(fields) != 4:
                continue
            for language, text in (fields[::2], fields[1::2]):
                texts = found.setdefault(language, {})
                if text.strip() and len(texts) < count:
                    texts[text.strip()] = None
    return {language: list(texts) for language, texts in found.items()}


def installed() -> Iterator[tuple[str, Ends]]:
    """Our rules, and the segmenters that can be imported."""
    yield "rules", lambda text, language: [end for _, end in sentence_spans(text, language)]
    makers: dict[str, tuple[str, Callable[[], Ends]]] = {
        "ICU": ("icu4py.breakers", _icu),
        "pysbd": ("pysbd", _pysbd),
        "sentencex": ("sentencex", _sentencex),
        "blingfire": ("blingfire", _blingfire),
    }
    for name, (module, make) in makers.items():
        try:
            importlib.import_module(module)
        except ImportError:
            continue
        yield name, make()


def _icu() -> Ends:
    return lambda text, language: [end for _, end in icu_spans(text, language)]


def _pysbd() -> Ends:
    import pysbd

    def ends(text: str, language: str) -> list[int] | None:
        try:
            segmenter = pysbd.Segmenter(language=language.partition("-")[0], clean=False, char_span=True)
        except ValueError:
            return None
        return [span.end for span in segmenter.segment(text)]

    return ends


def _sentencex() -> Ends:
    import sentencex

    def ends(text: str, language: str) -> list[int]:
        found, at = [], 0
        for sentence in sentencex.segment(language, text):
            at = text.index(sentence, at) + len(sentence)
            found.append(at)
        return found

    return ends


def _blingfire() -> Ends:
    import blingfire

    return lambda text, language: [end for _, end in blingfire.text_to_sentences_and_offsets(text)[1]]


if __name__ == "__main__":
    main()
