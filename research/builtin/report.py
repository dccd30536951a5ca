"""The report of the built-in model as Markdown: a short summary with the goals, and a table per question.

    python -m research.builtin.report report.json --summary FILE.md --tables FILE.md

Reads the JSON that ``benchmarks/builtin.py`` writes; parts that were skipped are left out. The command puts
them into Markdown files, between the lines ``<!-- measured -->`` and ``<!-- /measured -->``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.errors import DataError, TrainerError
from trainer.evaluation.tatoeba import XTREME_36

Report = Mapping[str, Any]
Lines = list[str]

COLUMNS = 4
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
AS_SEARCH = ", as search compares"
"""How the name of a set ends that was measured again as search compares scores across languages."""

KINDS = {
    "query_language": "the query's language",
    "answer_language": "the answer's language",
    "third_same_script": "a third, script of the query",
    "third_other_script": "a third, other script",
}


def summary(report: Report) -> Lines:
    """One row per question: the figure with its 95 % interval, and the goal."""
    rows = [
        *_tatoeba_summary(report),
        *_ranking_summary(report),
        *_across_summary(report),
        *_other_summary(report),
    ]
    return ["| question | measured | goal |", "|---|---|---|", *rows]


def tables(report: Report) -> Lines:
    """All figures per language."""
    return [
        *_tatoeba_table(report),
        *_ranking_table(report),
        *_across_tables(report),
        *_fairness_tables(report),
        *_similarity_table(report),
        *_precision_table(report),
        *_leak_table(report),
    ]


def _tatoeba_summary(report: Report) -> Lines:
    tatoeba = report.get("tatoeba")
    if not tatoeba:
        return []
    rows = []
    for key, name, goal in (("all", "languages", "64.2"), ("xtreme_36", "languages of XTREME", "80")):
        own = tatoeba.get(key)
        if own is None:
            continue
        f1 = f"F1 {_span(own['f1_to_english'], 1)}"
        accuracy = _span(own["accuracy_to_english"], 1)
        back = _span(own["accuracy_from_english"], 1)
        label = f"Tatoeba, mean of {own['languages']} {name}: accuracy"
        rows.append(f"| {label} | **{accuracy}** to English, {back} from it; {f1} | {goal} |")
    return rows


def _ranking_summary(report: Report) -> Lines:
    rankings = report.get("rankings")
    if not rankings or not rankings["same_language"]:
        return []
    same = rankings["same_language"]
    both = f"{same['ndcg_10']['value']:.3f} against {same['bm25_ndcg_10']['value']:.3f}"
    measured = f"**{_signed(same['difference'])}**; {both}"
    rows = [
        f"| Same language: nDCG@10 above BM25, mean of {same['sets']} sets | {measured} | +0.05 |",
        f"| Same language: sets above BM25 | {same['above_bm25']} of {same['sets']} | all |",
    ]
    return rows


def _across_summary(report: Report) -> Lines:
    rows = []
    for name, own in report.get("across", {}).items():
        pairs = f"{own['pairs_counted']} ordered pairs of {len(own['languages'])} languages"
        everywhere = _span(own["all_languages_mrr_10"])
        english = own["bm25_from_english"]
        if english["queries"]:
            everywhere += f"; from English {english['model_mrr_10']:.3f}, BM25 {english['mrr_10']:.3f}"
        bias = own["fairness"]["same_language_bias"]
        if not name.endswith(AS_SEARCH):  # within a language nothing changes
            rows.append(
                f"| Across languages, {name}: MRR@10, mean of {pairs} | **{_span(own['mrr_10'])}** | 0.5 |"
            )
        rows += [
            f"| Across languages, {name}: MRR@10 in all other languages at once | {everywhere} | |",
            f"| Language fairness, {name}: same-language bias in points | {_span(bias, 1)} | 0 |",
        ]
        if own_too := own.get("own_language_too_mrr_10"):
            label = f"Across languages, {name}: MRR@10 among all languages, the query's own too"
            rows.append(f"| {label} | {_span(own_too)} | |")
    return rows


def _other_summary(report: Report) -> Lines:
    rows = []
    if mean := (report.get("similarity") or {}).get("mean"):
        rows.append(f"| Similarity: Spearman × 100, mean | {_span(mean, 1)} | |")
    if size := report.get("size"):
        rows.append(f"| Size on disk | {size['bytes'] / 1e6:.1f} MB | 48 MB |")
        rows.append(f"| Start of Python, load and first text | {size['load_seconds']:.2f} s | 1 s |")
    if speed := report.get("speed"):
        ratios = ", ".join(f"{own['ratio']:.0f}× ({name})" for name, own in speed["workloads"].items())
        rows.append(f"| Throughput beside the built-in model | {ratios} | 2× |")
    for name, own in report.get("precision", {}).items():
        if name != "fp32":
            worst = max((abs(value) for value in own["difference"].values()), default=0.0)
            rows.append(f"| {name}: largest change of these means in points | {worst:.2f} | 0.5 |")
    if library := report.get("library"):
        result = f"{library['first']} of {library['questions']}"
        rows.append(f"| Sample library: right document first | {result} | 17 of 20 |")
    return rows


def _tatoeba_table(report: Report) -> Lines:
    tatoeba = report.get("tatoeba")
    if not tatoeba:
        return []
    cells = [
        f"{language}{'*' * (language in XTREME_36)} | {own['accuracy_to_english']:.1f} "
        f"| {own['accuracy_from_english']:.1f} | {own['f1_to_english']:.1f}"
        for language, own in sorted(tatoeba["languages"].items())
    ]
    cells += [" | | | "] * (-len(cells) % COLUMNS)
    rows = [" | ".join(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    clean = tatoeba.get("all_without_leaks")
    note = "" if clean is None else (
        " Without the sentences that are, or nearly are, in training text (see Leaks): "
        f"{_span(clean['accuracy_to_english'], 1)}."
    )  # fmt: skip
    return [
        "### Tatoeba",
        "",
        "Accuracy of the nearest neighbour to and from English, and F1 to English, in percent; "
        f"\\* a language of XTREME.{note}",
        "",
        "| " + " | ".join(["language | → eng | eng → | F1"] * COLUMNS) + " |",
        "|" + "---|---:|---:|---:|" * COLUMNS,
        *(f"| {row} |" for row in rows),
        "",
    ]


def _ranking_table(report: Report) -> Lines:
    rankings = report.get("rankings")
    if not rankings:
        return []
    lines = [
        "### Questions and titles in one language",
        "",
        "nDCG@10 beside BM25 over words and over pieces of this model's tokenizer. The difference, with its "
        "95 % interval, is to the better of the two in that row.",
        "",
        "| kind | languages | queries | passages | nDCG@10 | BM25 words | BM25 pieces | difference |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for ranking in rankings["sets"]:
        languages = ranking["language"]
        if ranking["passage_language"] != languages:
            languages += f" → {ranking['passage_language']}"
        cells = [
            *(ranking["kind"], languages, str(ranking["queries"]), str(ranking["passages"])),
            *(f"{ranking['ndcg_10']['value']:.3f}", f"{ranking['bm25_words_ndcg_10']:.3f}"),
            *(f"{ranking['bm25_pieces_ndcg_10']:.3f}", _signed(ranking["difference"])),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _across_tables(report: Report) -> Lines:
    lines: Lines = []
    for name, own in report.get("across", {}).items():
        if name.endswith(AS_SEARCH):
            continue
        languages = own["languages"]
        lines += [
            f"### Across languages: {name}",
            "",
            f"MRR@10 of the section that holds the translation of the query (rows) among the sections of one "
            f"language (columns); the last column is among those of all other languages. {own['queries']:,} "
            f"queries, {own['passages']:,} sections, of which "
            f"{own['relevant_passages_seen_in_training']:,} relevant ones were in training beside other "
            "sentences of theirs; the queries were not.",
            "",
            "| | " + " | ".join(languages) + " | all |",
            "|---|" + "---:|" * (len(languages) + 1),
        ]
        for language in languages:
            cells = [_cell(own["pairs"].get(language, {}).get(other)) for other in languages]
            everywhere = own["all_languages_by_query_language"].get(language)
            cells.append("" if everywhere is None else f"{everywhere:.2f}")
            lines.append(f"| {language} | " + " | ".join(cells) + " |")
        lines.append("")
    return lines


def _fairness_tables(report: Report) -> Lines:
    lines: Lines = []
    for name, own in report.get("across", {}).items():
        fair = own["fairness"]
        lines += [
            f"### Language fairness: {name}",
            "",
            f"How often the relevant passage, in another language than the query, scores above all of "
            f"{fair['against']} irrelevant passages in one language, by that language, in percent. Rows: "
            "script of the query → script of the answer.",
            "",
            "| | " + " | ".join(KINDS.values()) + " |",
            "|---|" + "---:|" * len(KINDS),
            "| all | " + " | ".join(_percent(fair["wins"][kind]) for kind in KINDS) + " |",
        ]
        for family, wins in fair["families"].items():
            lines.append(f"| {family} | " + " | ".join(_percent(wins[kind]) for kind in KINDS) + " |")
        answers = fair["answers_win"]
        lines += [
            "",
            "Against passages of third languages, per language: how often its relevant passages win, and how "
            "often its irrelevant ones lose, in percent.",
            "",
            "| language | relevant win | irrelevant lose |",
            "|---|---:|---:|",
            *(
                f"| {language} | {100 * won:.0f} | {100 * fair['distractors_lose'][language]:.0f} |"
                for language, won in answers.items()
            ),
            "",
        ]
    return lines


def _similarity_table(report: Report) -> Lines:
    result = report.get("similarity")
    if not result or not result["languages"]:
        return []
    return [
        "### Similarity",
        "",
        "Spearman × 100 of cosine and label, on pairs held out by the SHA-1 of their first text.",
        "",
        "| language (set) | pairs | Spearman |",
        "|---|---:|---|",
        *(
            f"| {name} | {own['pairs']} | {_span(own, 1)} |"
            for name, own in sorted(result["languages"].items())
        ),
        "",
    ]


def _precision_table(report: Report) -> Lines:
    result = report.get("precision")
    if not result:
        return []
    names = list(result["fp32"]["values"])
    lines = [
        "### Precision",
        "",
        "| path | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
    ]
    for path, own in result.items():
        lines.append(f"| {path} | " + " | ".join(f"{own['values'][name]:.2f}" for name in names) + " |")
    return [*lines, ""]


def _leak_table(report: Report) -> Lines:
    leaks = report.get("leaks")
    if not leaks:
        return []
    return [
        "### Leaks",
        "",
        f"Evaluation text looked for in the {report['training_texts']:,} texts that the recipe trains on: "
        "the same after folding case and removing all but letters and digits, or character 5-grams that "
        "overlap by 0.8. An item counts once, by its worst text. What leaks is left out of the figures, "
        "except of Tatoeba, which is given whole and without.",
        "",
        "| set | items | exact | near | left out |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {leak['checked']:,} | {leak['exact']:,} | {leak['near']:,} | {leak['dropped']:,} |"
            for name, leak in leaks.items()
        ),
        "",
    ]


def _span(result: Mapping[str, float], digits: int = 3) -> str:
    return f"{result['value']:.{digits}f} ({result['low']:.{digits}f} to {result['high']:.{digits}f})"


def _signed(result: Mapping[str, float]) -> str:
    return f"{result['value']:+.3f} ({result['low']:+.3f} to {result['high']:+.3f})"


def _percent(result: Mapping[str, float]) -> str:
    return f"{100 * result['value']:.1f}"


def _cell(result: Mapping[str, float] | None) -> str:
    return "" if result is None else f"{result['mrr_10']:.2f}"


def read_report(path: Path) -> dict[str, Any]:
    """What ``benchmarks/builtin.py`` wrote.

    Raises:
        DataError: the file is not JSON.
    """
    try:
        values = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}). Expected JSON. Check the path.") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} holds {type(values).__name__}; expected a JSON object. Check the path.")
    return values


def put(lines: Sequence[str], path: Path) -> None:
    """Replace what stands between the two marks of a Markdown file.

    Raises:
        DataError: the file has no such marks.
    """
    text = path.read_text(encoding="utf8") if path.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DataError(f"{path} has no lines {BEGIN} and {END}. Expected both. Add them where figures go.")
    body = "\n".join(lines).strip("\n")
    path.write_text(f"{before}{begin}\n{body}\n{end}{after}", encoding="utf8")


def main(argv: Sequence[str] | None = None) -> int:
    """Put the figures into files; 1 with a message when that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m research.builtin.report", description="Put measured figures into Markdown."
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("--summary", type=Path, metavar="FILE", help="gets the short table")
    parser.add_argument("--tables", type=Path, metavar="FILE", help="gets the short and the long tables")
    args = parser.parse_args(argv)
    try:
        report = read_report(args.report)
        if args.summary:
            put(summary(report), args.summary)
        if args.tables:
            put([*summary(report), "", *tables(report)], args.tables)
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
