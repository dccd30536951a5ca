"""How good is mining, and how good is its automatic threshold? Known pairs hidden among distractors.

    python benchmarks/bitext.py --tatoeba tatoeba-v1.tar.xz --keep neighbours \\
        --source-noise news.tsv.xz games.tsv.xz --target-noise medical.tsv.xz wiki.tsv.xz

For every language pair the Tatoeba sentences (LASER, 1000 pairs for most languages) are put among no, as
many, five and ten times as many sentences of other sources on either side. The noise of the two sides comes
from different files, and no row gives a sentence to both. Sentences are filtered (but for the language check:
all languages are known), encoded and compared once; candidates and threshold are chosen as the verb ``mine``
does it. F1 counts the known pairs; a pair that Tatoeba does not know is an error, even if it is right. Prints
the tables for ``benchmarks/bitext.md``: F1 at the automatic threshold, the best F1 that any threshold gives,
the loss, and the precision that was expected beside the one that came out.

With ``--keep`` the neighbours of all sentences are kept in a folder and found there the next time: another
rule for the threshold is tried in seconds, without the model and the noise.

Noise files hold rows of two languages, two texts: ``en<tab>de<tab>English<tab>German``.
"""

import argparse
import lzma
import random
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import me5
from indexer.bitext.filters import filter_side
from indexer.bitext.margins import Candidates, first
from indexer.bitext.mining import choose
from indexer.bitext.values import Estimate, MiningSettings, Sentence
from indexer.bitext.vectors import encode_sentences
from me5.encoder import Encoder
from me5.knn.neighbours import Neighbours, both_ways

LANGUAGES = {
    "ar": "ara", "de": "deu", "es": "spa", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "ja": "jpn",
    "ko": "kor", "ru": "rus", "tr": "tur", "uk": "ukr", "vi": "vie", "zh": "cmn",
}  # fmt: skip
HELD_OUT = {
    "bg": "bul", "el": "ell", "id": "ind", "it": "ita", "nl": "nld", "pl": "pol", "pt": "por", "sv": "swe",
}  # fmt: skip
"""Languages at which nothing was chosen."""
CODES = LANGUAGES | HELD_OUT
TIMES = (0, 1, 5, 10)
COLUMNS = 9
"""Neighbours that are kept of each sentence: more than k + 1, for trials."""


@dataclass(frozen=True)
class Hidden:
    """Known pairs among distractors: everyone's neighbours, rows of the known pairs that the filters left,
    and how many known pairs there were before.
    """

    found: Neighbours
    known_rows: NDArray[np.int64]
    known: int


@dataclass(frozen=True)
class Score:
    """Of the pairs above a threshold, against the known ones."""

    threshold: float
    f1: float
    precision: float


def main() -> None:
    """Read the arguments, mine every pair of languages, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tatoeba", type=Path, help="the archive of the LASER Tatoeba sets")
    parser.add_argument("--source-noise", type=Path, nargs="+", default=[], help="for the other language")
    parser.add_argument("--target-noise", type=Path, nargs="+", default=[], help="for English")
    parser.add_argument("--languages", nargs="+", choices=CODES, default=list(LANGUAGES))
    parser.add_argument("--times", type=int, nargs="+", default=TIMES, help="distractors per known pair")
    parser.add_argument("--margin", choices=("ratio", "distance", "absolute"), default="ratio")
    parser.add_argument("--model", default="builtin")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keeps neighbours there, or finds them there"
    )
    arguments = parser.parse_args()
    settings = MiningSettings(margin=arguments.margin, check_language=False)
    folder, times = arguments.keep, tuple(arguments.times)
    missing = [one for one in arguments.languages if folder is None or not (folder / f"{one}.npz").is_file()]
    if missing and not (arguments.tatoeba and arguments.source_noise and arguments.target_noise):
        print("mining needs --tatoeba, --source-noise and --target-noise; see --help")
        return
    if missing:
        encoder = me5.load_encoder(arguments.model)
        english = sorted({row[2] for path in arguments.target_noise for row in rows(path) if row[0] == "en"})
        noise = noise_of(arguments.source_noise, missing)
    results = {}
    for language in arguments.languages:
        if language in missing:
            pairs = tatoeba(arguments.tatoeba, CODES[language])
            wanted = max(times) * len(pairs[0])
            if min(len(noise[language]), len(english)) < wanted:
                print(f"{language}–en: only {len(noise[language])} and {len(english)} distractors, left out")
                continue
            hidden = hide(
                pairs,
                (noise[language], english),
                language=language,
                times=times,
                encoder=encoder,
                settings=settings,
            )
            if folder is not None:
                save(folder / f"{language}.npz", hidden)
        else:
            hidden = load(folder / f"{language}.npz", times)
        results[language] = [
            judge(*choose(first(one.found, settings.k + 1), settings), one) for one in hidden.values()
        ]
    show(results, times)


def hide(
    pairs: tuple[list[str], list[str]],
    noise: tuple[list[str], list[str]],
    *,
    language: str,
    times: Sequence[int],
    encoder: Encoder,
    settings: MiningSettings,
) -> dict[int, Hidden]:
    """Known pairs among so many times as many distractors, for each of the numbers."""
    rng = random.Random(1)
    count = len(pairs[0])
    texts, is_known, vectors = [], [], []
    drawn = [rng.sample(one, max(times) * count) for one in noise]
    for side, others, code in zip(pairs, drawn, (language, "en"), strict=True):
        ours = list(map(cleaned, side))
        both = list(dict.fromkeys([*ours, *map(cleaned, others)]))
        kept = filter_side([Sentence(text, code) for text in both], settings).kept
        texts.append([both[place] for place in kept])
        is_known.append(np.isin(texts[-1], ours))
        vectors.append(encode_sentences(texts[-1], encoder))
    known = {(cleaned(one), cleaned(other)) for one, other in zip(*pairs, strict=True)}
    hidden = {}
    for number in times:
        chosen, places = [], []
        for side in (0, 1):
            others_at = np.flatnonzero(~is_known[side])[: number * count]
            mixed = np.concatenate([np.flatnonzero(is_known[side]), others_at])
            chosen.append(np.random.default_rng(number).permutation(mixed))
            places.append({texts[side][at]: row for row, at in enumerate(chosen[side].tolist())})
        found = both_ways(vectors[0][chosen[0]], vectors[1][chosen[1]], COLUMNS, memory_mb=settings.memory_mb)
        left = [
            (places[0][one], places[1][other])
            for one, other in sorted(known)
            if one in places[0] and other in places[1]
        ]
        hidden[number] = Hidden(found, np.array(left, dtype=np.int64), len(known))
    return hidden


def save(path: Path, hidden: dict[int, Hidden]) -> None:
    """Keep what was found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for number, one in hidden.items():
        found = one.found
        arrays |= {
            f"{number}_fs": found.forward_scores_NK, f"{number}_fi": found.forward_ids_NK,
            f"{number}_bs": found.backward_scores_MK, f"{number}_bi": found.backward_ids_MK,
            f"{number}_kp": one.known_rows, "n_known": np.array(one.known),
        }  # fmt: skip
    np.savez(path, **arrays)


def load(path: Path, times: Sequence[int]) -> dict[int, Hidden]:
    """What was kept."""
    with np.load(path) as kept:
        return {
            number: Hidden(
                Neighbours(*(kept[f"{number}_{name}"] for name in ("fs", "fi", "bs", "bi"))),
                kept[f"{number}_kp"],
                int(kept["n_known"]),
            )
            for number in times
        }


def judge(candidates: Candidates, estimate: Estimate, hidden: Hidden) -> tuple[Score, Score, float]:
    """Scores at the threshold that was chosen and at the best one, and the precision that was expected."""
    partner = np.full(len(hidden.found.forward_ids_NK), -1)
    partner[hidden.known_rows[:, 0]] = hidden.known_rows[:, 1]
    hits = np.cumsum(partner[candidates.source] == candidates.target)
    kept = np.arange(1, len(candidates) + 1)
    f1 = 2 * hits / (kept + hidden.known)
    at = max(int((candidates.score >= np.float32(estimate.threshold)).sum()) - 1, 0)
    chosen, possible = (
        Score(float(candidates.score[place]), float(f1[place]), float(hits[place] / kept[place]))
        for place in (at, int(f1.argmax()))
    )
    return chosen, possible, estimate.precision


def show(results: dict[str, list[tuple[Score, Score, float]]], times: Sequence[int]) -> None:
    """Print a table of F1 and losses, and one of thresholds and precision."""
    heads = " | ".join(f"{number} distractors a pair" for number in times)
    rule = "---|" * (len(times) + 1)
    print(f"F1 auto / best (loss in points)\n\n| pair | {heads} |\n|{rule}")
    for language, row in results.items():
        cells = (f"{auto.f1:.3f} / {best.f1:.3f} ({100 * (best.f1 - auto.f1):.1f})" for auto, best, _ in row)
        print(f"| {language}–en | {' | '.join(cells)} |")
    losses = 100 * np.array([[best.f1 - auto.f1 for auto, best, _ in row] for row in results.values()])
    if len(losses):
        for name, values in (("mean loss", losses.mean(axis=0)), ("largest loss", losses.max(axis=0))):
            print(f"| {name} | {' | '.join(f'{value:.1f}' for value in values)} |")
    print(f"\nthreshold auto / best, precision expected / real\n\n| pair | {heads} |\n|{rule}")
    for language, row in results.items():
        cells = (
            f"{auto.threshold:.3f} / {best.threshold:.3f}, {expected:.2f} / {auto.precision:.2f}"
            for auto, best, expected in row
        )
        print(f"| {language}–en | {' | '.join(cells)} |")


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


def cleaned(text: str) -> str:
    """One line with single spaces."""
    return " ".join(text.split())


if __name__ == "__main__":
    main()
