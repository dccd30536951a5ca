"""Draw sentences in many languages, from which language means are estimated: ``language <TAB> sentence``.

    python research/neutral_sample.py --data DIR                          me5/data/sentences.tsv.xz, bundled
    python research/neutral_sample.py --data DIR --wide --out FILE        the map of the built-in model

The bundled sample holds ordinary sentences of licences that allow to pass them on: Tatoeba (CC BY 2.0 FR, its
contributors), African Storybook and its translations (CC BY), TICO-19 (CC0), the Universal Declaration of
Human Rights (a public document of the United Nations) and Bible translations in the public domain. The wide
one has more of each language, and adds NTREX (CC BY-SA 4.0), NLLB-Seed (CC BY-SA 4.0) and translated course
texts (MIT); only a few numbers computed from it are passed on.
"""

import argparse
import lzma
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OUT = Path(__file__).parent.parent / "me5" / "data" / "sentences.tsv.xz"
LEFT_OUT = {"und", "jbo", "tlh", "lfn", "lfn-Cyrl", "tok", "avk", "vo", "ie", "io", "nqo"}  # constructed, too
NTREX_TRANSLATIONS = 30  # an English sentence of news with so many is one of NTREX
Pools = dict[str, dict[str, set[str]]]


@dataclass(frozen=True)
class Plan:
    """How many sentences of a language are drawn from each source, and in which order it is filled up.

    ``characters`` bound a sentence, ``dense_characters`` one in a script where a character is a syllable.
    """

    quotas: Mapping[str, int]
    fill: Sequence[str]
    least: int
    filled: int
    most: int
    characters: range
    dense_characters: range
    seed: int


BUNDLED = Plan(
    quotas={},
    fill=("tatoeba", "stories", "medical", "udhr", "bible"),
    least=60,
    filled=100,
    most=100,
    characters=range(12, 160),
    dense_characters=range(5, 80),
    seed=1,
)
WIDE = Plan(
    quotas={
        "tatoeba": 120,
        "news": 80,
        "wiki": 40,
        "stories": 40,
        "medical": 20,
        "bible": 20,
        "udhr": 60,
    },
    fill=("tatoeba", "news", "wiki", "stories", "bible"),
    least=200,
    filled=200,
    most=300,
    characters=range(12, 250),
    dense_characters=range(5, 100),
    seed=2,
)


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with parallel/*.tsv.xz")
    parser.add_argument("--wide", action="store_true", help="more sentences and sources, not to be bundled")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    plan = WIDE if arguments.wide else BUNDLED
    rng = random.Random(plan.seed)
    pools = read(arguments.data / "parallel", plan)
    drawn = {
        language: draw(by_source, plan, rng)
        for language, by_source in sorted(pools.items())
        if language not in LEFT_OUT
    }
    rows = [
        f"{language}\t{sentence}\n"
        for language, sentences in drawn.items()
        if len(sentences) >= plan.least
        for sentence in sorted(sentences)
    ]
    arguments.out.parent.mkdir(exist_ok=True)
    with lzma.open(arguments.out, "wt", encoding="utf-8", preset=9 | lzma.PRESET_EXTREME) as out:
        out.writelines(rows)
    print(f"{len({row.split(chr(9))[0] for row in rows})} languages, {len(rows)} sentences, ", end="")
    print(f"{arguments.out.stat().st_size / 1e6:.2f} MB")


def read(folder: Path, plan: Plan) -> Pools:
    """Usable sentences by language and source."""
    pools: Pools = defaultdict(lambda: defaultdict(set))
    for source in dict.fromkeys([*plan.quotas, *plan.fill]):
        rows = list(read_rows(folder / f"{source}.tsv.xz"))
        if source == "news":
            rows = ntrex(rows)
        for first, second, text, translation in rows:
            for language, sentence in ((first, text), (second, translation)):
                if is_usable(sentence, plan):
                    pools[language][source].add(sentence)
    return pools


def read_rows(path: Path) -> Iterator[list[str]]:
    """Two languages and two texts of each row."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield line.rstrip("\n").split("\t")


def ntrex(rows: Sequence[list[str]]) -> list[list[str]]:
    """The rows whose English side has translations into many languages."""
    languages: dict[str, set[str]] = defaultdict(set)
    for first, second, text, _ in rows:
        if first == "en":
            languages[text].add(second)
    return [row for row in rows if row[0] == "en" and len(languages[row[2]]) >= NTREX_TRANSLATIONS]


def is_usable(sentence: str, plan: Plan) -> bool:
    """Whether a sentence is neither a word nor a paragraph."""
    is_dense = any("\u3040" <= character <= "\u9fff" for character in sentence)
    return len(sentence) in (plan.dense_characters if is_dense else plan.characters)


def draw(by_source: Mapping[str, set[str]], plan: Plan, rng: random.Random) -> list[str]:
    """The quota of every source, then more from those that fill up, at most ``most``."""
    chosen: list[str] = []
    for source, quota in plan.quotas.items():
        pool = sorted(by_source.get(source, set()) - set(chosen))
        chosen += rng.sample(pool, min(len(pool), quota))
    for source in plan.fill:
        pool = sorted(by_source.get(source, set()) - set(chosen))
        chosen += rng.sample(pool, max(0, min(len(pool), plan.filled - len(chosen))))
    return chosen[: plan.most]


if __name__ == "__main__":
    main()
