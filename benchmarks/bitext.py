"""How good is mining, and how good is its automatic threshold? Known pairs hidden among distractors.

    python benchmarks/bitext.py --tatoeba tatoeba-v1.tar.xz \
        --source-noise news.tsv.xz games.tsv.xz --target-noise medical.tsv.xz wiki.tsv.xz

For every language pair the Tatoeba sentences (LASER, 1000 pairs for most languages) are put among at least
five times as many sentences of other sources on either side. The noise of the two sides comes from different
files, and no row gives a sentence to both. Everything is mined as the verb ``mine`` does it. F1 counts the
known pairs; a pair that Tatoeba does not know is an error, even if it is right. Prints a table for
``benchmarks/bitext.md``: F1 at the automatic threshold, the best F1 that any threshold gives, the loss, and
the precision that was expected beside the one that came out.

Noise files hold rows of two languages, two texts: ``en<tab>de<tab>English<tab>German``.
"""

import argparse
import lzma
import random
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import me5
from indexer.bitext.mining import mine
from indexer.bitext.values import MiningResult, MiningSettings, Sentence

LANGUAGES = {
    "ar": "ara", "de": "deu", "es": "spa", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "ja": "jpn",
    "ko": "kor", "ru": "rus", "tr": "tur", "uk": "ukr", "vi": "vie", "zh": "cmn",
}  # fmt: skip
TIMES = 5


@dataclass(frozen=True)
class Score:
    """Of the pairs above a threshold, against the known ones."""

    threshold: float
    f1: float
    precision: float
    recall: float


def main() -> None:
    """Read the arguments, mine every pair of languages, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tatoeba", type=Path, help="the archive of the LASER Tatoeba sets")
    parser.add_argument("--source-noise", type=Path, nargs="+", default=[], help="for the other language")
    parser.add_argument("--target-noise", type=Path, nargs="+", default=[], help="for English")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=list(LANGUAGES))
    parser.add_argument("--times", type=int, default=TIMES, help="distractors per known pair (default 5)")
    parser.add_argument("--margin", choices=("ratio", "distance", "absolute"), default="ratio")
    parser.add_argument("--model", default="builtin")
    arguments = parser.parse_args()
    if arguments.tatoeba is None or not arguments.source_noise or not arguments.target_noise:
        print("mining needs --tatoeba, --source-noise and --target-noise; see --help")
        return
    encoder = me5.load_encoder(arguments.model)
    english = sorted({row[2] for path in arguments.target_noise for row in rows(path) if row[0] == "en"})
    noise = noise_of(arguments.source_noise, arguments.languages)
    print(
        "| pair | known | sentences | F1 auto | F1 best | loss | threshold auto / best "
        "| precision expected / real | s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    losses = []
    for language in arguments.languages:
        source, target = tatoeba(arguments.tatoeba, LANGUAGES[language])
        rng = random.Random(1)
        wanted = arguments.times * len(source)
        ours, theirs = noise[language], english
        if min(len(ours), len(theirs)) < wanted:
            print(f"| {language}–en | {len(source)} | only {len(ours)} and {len(theirs)} distractors |")
            continue
        sides = (
            side_of(source, rng.sample(ours, wanted), language, rng),
            side_of(target, rng.sample(theirs, wanted), "en", rng),
        )
        known = {(cleaned(one), cleaned(other)) for one, other in zip(source, target, strict=True)}
        started = time.perf_counter()
        result = mine(*sides, encoder, MiningSettings(margin=arguments.margin, keep_below=True))
        took = time.perf_counter() - started
        auto, best = judge(result, known)
        losses.append(best.f1 - auto.f1)
        print(
            f"| {language}–en | {len(known)} | {len(sides[0])} × {len(sides[1])} "
            f"| {auto.f1:.3f} | {best.f1:.3f} | {100 * losses[-1]:.1f} "
            f"| {auto.threshold:.3f} / {best.threshold:.3f} "
            f"| {result.estimated_precision:.2f} / {auto.precision:.2f} | {took:.0f} |",
            flush=True,
        )
    print(f"\nLoss in points of F1: mean {100 * np.mean(losses):.1f}, largest {100 * np.max(losses):.1f}.")


def rows(path: Path) -> Iterator[list[str]]:
    """Rows of four fields."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if len(fields) == 4:
                yield fields


def noise_of(paths: Sequence[Path], languages: Sequence[str]) -> dict[str, list[str]]:
    """Different sentences of each language that is beside English in the files."""
    found: dict[str, dict[str, None]] = {language: {} for language in languages}
    for path in paths:
        for row in rows(path):
            if row[0] == "en" and row[1] in found:
                found[row[1]][row[3]] = None
    return {language: list(sentences) for language, sentences in found.items()}


def tatoeba(path: Path, code: str) -> tuple[list[str], list[str]]:
    """Sentences in the language of that code, and the English ones beside them."""
    with tarfile.open(path) as archive:
        members = {Path(member.name).name: member for member in archive.getmembers()}
        sides = []
        for name in (code, "eng"):
            file = archive.extractfile(members[f"tatoeba.{code}-eng.{name}"])
            assert file is not None
            sides.append(file.read().decode("utf-8").splitlines())
    return sides[0], sides[1]


def side_of(known: Sequence[str], noise: Sequence[str], language: str, rng: random.Random) -> list[Sentence]:
    """A side in random order; no sentence twice."""
    texts = list(dict.fromkeys([*map(cleaned, known), *map(cleaned, noise)]))
    rng.shuffle(texts)
    return [Sentence(text, language) for text in texts]


def cleaned(text: str) -> str:
    """One line with single spaces."""
    return " ".join(text.split())


def judge(result: MiningResult, known: set[tuple[str, str]]) -> tuple[Score, Score]:
    """Scores at the threshold that was chosen, and at the best one."""
    pairs = sorted(result.pairs, key=lambda pair: -pair.score)
    scores = np.array([pair.score for pair in pairs])
    hits = np.cumsum([(pair.source, pair.target) in known for pair in pairs])
    kept = np.arange(1, len(pairs) + 1)
    f1 = 2 * hits / (kept + len(known))
    best = int(f1.argmax())
    auto = max(int((scores >= result.threshold).sum()) - 1, 0)
    chosen, possible = (
        Score(float(scores[at]), float(f1[at]), float(hits[at] / kept[at]), float(hits[at] / len(known)))
        for at in (auto, best)
    )
    return chosen, possible


if __name__ == "__main__":
    main()
