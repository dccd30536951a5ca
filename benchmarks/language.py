"""Language identification per language, on single sentences and on passages, beside langdetect.

    python benchmarks/language.py --tatoeba tatoeba-v1.tar.xz --passages documentation.jsonl.xz [...]

Data: LASER's Tatoeba v1 test sets (the side that is not English), as sentences and joined by five; and
JSON lines with ``lang`` and ``text``. A passage counts as clean when it has at least 150 characters,
at least 80 % of its letters are in the script of its language and, for languages in Latin script,
fewer than a quarter of its words are English function words, digits or code: documentation holds
untranslated and code passages under the label of the translation. The choice does not look at a guess.
"""

import argparse
import json
import lzma
import random
import re
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from indexer.text.language import detect, detect_many
from indexer.text.unicode_scripts import script_counts

_CODE_LIST = """
afr:af ara:ar bul:bg ben:bn cat:ca ces:cs cym:cy dan:da deu:de ell:el est:et pes:fa
fin:fi fra:fr heb:he hin:hi hrv:hr hun:hu ind:id ita:it jpn:ja kor:ko lit:lt lvs:lv
mkd:mk mal:ml mar:mr nld:nl nob:nb pol:pl por:pt ron:ro rus:ru slk:sk slv:sl spa:es
sqi:sq swe:sv swh:sw tam:ta tel:te tgl:tl tha:th tur:tr ukr:uk urd:ur vie:vi cmn:zh
"""
CODES = dict(pair.split(":") for pair in _CODE_LIST.split())
"""Languages that both py3langid and langdetect know and Tatoeba v1 has."""
PASSAGE_ONLY = ("en", "gu", "kn", "ne", "pa", "so", "zh-Hant")
_ENGLISH_LIST = "the of and to in is that for with your you this are on be or as it can by an from will not"
ENGLISH = frozenset(_ENGLISH_LIST.split())
_OTHER_SCRIPTS_LIST = "ar bg bn el fa gu he hi ja kn ko mk ml mr ne pa ru ta te th uk ur zh zh-Hant"
OTHER_SCRIPTS = frozenset(_OTHER_SCRIPTS_LIST.split())
SAME = {"no": "nb", "zh-Hant": "zh", "zh-cn": "zh", "zh-tw": "zh"}
PER_LANGUAGE = 300


def same(guess: str, truth: str) -> bool:
    """Bokmål = Norwegian, Traditional = Chinese; hr/sr/bs, id/ms, da/nb/nn and so on are different."""
    return SAME.get(guess, guess) == SAME.get(truth, truth)


def tatoeba(path: Path) -> dict[str, list[str]]:
    texts = {}
    with tarfile.open(path) as archive:
        for member in archive:
            code = member.name.rsplit(".", 1)[-1]
            if code in CODES and (file := archive.extractfile(member)):
                texts[CODES[code]] = file.read().decode("utf-8").splitlines()
    return texts


def passages(paths: Sequence[Path]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if row["lang"] in {*CODES.values(), *PASSAGE_ONLY} and is_clean(row["text"], row["lang"]):
                    texts[row["lang"]].append(row["text"])
    for group in texts.values():
        random.Random(0).shuffle(group)
        del group[PER_LANGUAGE:]
    return {language: group for language, group in texts.items() if len(group) >= 30}


def is_clean(text: str, language: str) -> bool:
    if len(text) < 150:
        return False
    counts = script_counts(text)
    latin = counts.get("Latn", 0) / max(sum(counts.values()), 1)
    if language in OTHER_SCRIPTS:
        return latin < 0.2
    words = re.findall(r"\w+", text.lower())
    if latin < 0.8 or re.search(r"[{}=;<>|\\]|\w[_.(]\w", text):
        return False
    odd = sum(any(char.isdigit() for char in word) for word in words)
    english = 0 if language == "en" else sum(word in ENGLISH for word in words)
    return (odd + english) < len(words) / 8


def accuracy(texts: Mapping[str, Sequence[str]]) -> dict[str, tuple[float, Counter[str]]]:
    result = {}
    for language, group in sorted(texts.items()):
        guesses = [guess.language for guess in detect_many(group)]
        wrong = Counter(guess for guess in guesses if not same(guess, language))
        result[language] = (1 - sum(wrong.values()) / len(group), wrong)
    return result


def show(title: str, texts: Mapping[str, Sequence[str]]) -> None:
    result = accuracy(texts)
    mean = sum(share for share, _ in result.values()) / len(result)
    print(f"\n### {title}: {len(result)} languages, {sum(map(len, texts.values()))} texts, mean {mean:.4f}\n")
    print("| language | texts | accuracy | taken for |\n|---|---|---|---|")
    for language, (share, wrong) in result.items():
        mistakes = ", ".join(f"{other} {count}" for other, count in wrong.most_common(3))
        print(f"| {language} | {len(texts[language])} | {share:.3f} | {mistakes} |")


def show_speed(title: str, texts: Mapping[str, Sequence[str]]) -> None:
    """Texts per second of ours and of langdetect, interleaved in three rounds; langdetect's accuracy too."""
    from langdetect import DetectorFactory, LangDetectException
    from langdetect import detect as langdetect_detect

    DetectorFactory.seed = 0
    sample = [(text, language) for language, group in texts.items() for text in group[:20]]
    ours, theirs, right = [], [], 0
    for text, _ in sample[:20]:
        detect(text)
        langdetect_detect("warm up")
    for _ in range(3):
        start = time.perf_counter()
        detect_many([text for text, _ in sample])
        middle = time.perf_counter()
        right = 0
        for text, language in sample:
            try:
                right += same(langdetect_detect(text), language)
            except LangDetectException:
                continue
        ours.append(len(sample) / (middle - start))
        theirs.append(len(sample) / (time.perf_counter() - middle))
    mine = sum(same(guess.language, truth) for guess, (_, truth) in zip(
        detect_many([text for text, _ in sample]), sample, strict=True)) / len(sample)  # fmt: skip
    print(
        f"\n{title}: ours {max(ours):.0f} texts/s (accuracy {mine:.3f}), langdetect {max(theirs):.0f} texts/s"
    )
    print(
        f"(accuracy {right / len(sample):.3f}), ratio {max(ours) / max(theirs):.1f}, on {len(sample)} texts"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tatoeba", type=Path, help="tatoeba-v1.tar.xz")
    parser.add_argument("--passages", type=Path, nargs="*", default=[], help="*.jsonl.xz with lang and text")
    args = parser.parse_args()
    if not args.tatoeba and not args.passages:
        print("Skipped: no data. Give --tatoeba ARCHIVE and/or --passages FILES (see the top of this file).")
        return 0
    if args.tatoeba:
        short = tatoeba(args.tatoeba)
        joined = {
            language: [" ".join(group[i : i + 5]) for i in range(0, len(group) - 4, 5)]
            for language, group in short.items()
        }
        show("Single sentences (Tatoeba v1)", short)
        show("Five sentences joined (Tatoeba v1)", joined)
        show_speed("Single sentences", short)
        show_speed("Five sentences", joined)
    if args.passages:
        show("Clean passages (documentation)", passages(args.passages))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
