"""One evaluated task in detail, as HTML: verdict, all metrics, bars per language. All text escaped."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trainer.evaluation.published import MAIN_SCORE, ME5, MEAN, NOT_ZERO_SHOT, benchmark_of, published
from ui import formatting as fmt
from ui.language_codes import task_language
from ui.markup_evaluate import (
    Labels,
    interval,
    items_word,
    label,
    percent,
    signed,
    task_title,
    value_of,
    verdict_of,
)
from ui.services.evaluation import Entry

if TYPE_CHECKING:
    from trainer.evaluation.statistics import Comparison

    Tests = Mapping[str, Comparison] | str | None

SIGNIFICANT = 0.05
MANY_LANGUAGES = 24
FEW = 50
METRIC_WORDS = {
    "nDCG@10": "how high the right passages stand among the first ten; 100 is perfect order",
    "Recall@100": "share of the right passages among the first hundred",
    "MRR@10": "1 / rank of the first right passage, 0 below rank ten",
    "F1": "sentences paired with their translation, weighted as MTEB does",
    "accuracy": "share of sentences whose nearest sentence is their translation",
    "reverse F1": "the same from the other language",
    "reverse accuracy": "the same from the other language",
    "precision": "share of the pairs found that are right",
    "recall": "share of the right pairs that are found",
    "Spearman": "rank correlation with what people said; 100 is the same order",
    "accuracy (logistic)": "classes told right after learning from labelled texts",
    "accuracy (kNN)": "classes told right by the five nearest labelled texts",
    "v-measure": "how well groups found without labels agree with the classes",
    "main score": "the figure that MTEB reports for this task",
}


def detail(entry: Entry, other: Entry | None, compared: "Tests", labels: Labels) -> str:
    """One task of one model, or of two beside each other: verdict, all metrics, bars per language.

    ``compared`` is the paired test per language, or the sentence why there is none.
    """
    rows = entry.report["results"]
    title = f"<h2>{fmt.isolated(task_title(entry))}</h2>"
    facts = [_kind_words(entry)]
    if rows[0]["pool"]:
        facts.append(f"chosen from {fmt.number(max(row['pool'] for row in rows))}")
    moment = datetime.fromtimestamp(entry.measured_at, UTC)
    facts.append(f"measured {fmt.when(moment)}")
    facts += _settings([item for item in (entry, other) if item is not None], labels)
    words = _published_words([item for item in (entry, other) if item is not None], labels)
    if other is not None:
        words.insert(0, _compared_words(entry, other, compared, labels))
    words.append(_cautions(entry))
    message = "".join(f"<p>{sentence}</p>" for sentence in words if sentence)
    return (
        f'<div class="ev-detail"><header>{title}<p class="facts">{" · ".join(facts)}</p></header>'
        f'<div class="ev-words">{message}</div>{_metrics(entry, other, labels)}'
        f"{_bars(entry, other, compared, labels)}</div>"
    )


def _settings(entries: Sequence[Entry], labels: Labels) -> list[str]:
    """What the values were measured with, once where it is the same for both models."""
    message = {entry.settings for entry in entries}
    if len(message) == 1:
        return [fmt.text(words) for words in message if words]
    return [
        f"{fmt.isolated(label(entry.model, labels))}: {fmt.text(entry.settings or 'no vectors')}"
        for entry in entries
    ]


def _kind_words(entry: Entry) -> str:
    kind = {
        "retrieval": "Retrieval", "bitext": "Bitext", "mining": "Bitext mining",
        "similarity": "Similarity", "classification": "Classification", "hub": "Hub task",
    }[entry.report["kind"]]  # fmt: skip
    count = len(entry.report["results"])
    return f"{kind} in {fmt.counted(count, 'language')}" if count > 1 else kind


def _compared_words(entry: Entry, other: Entry, compared: "Tests", labels: Labels) -> str:
    if compared is None or isinstance(compared, str):
        return fmt.text(compared or "")
    whole = compared.get(MEAN) or next(iter(compared.values()))
    names = [f"<b>{fmt.isolated(label(item.model, labels))}</b>" for item in (entry, other)]
    better, worse = (names[1], names[0]) if whole.difference > 0 else (names[0], names[1])
    ends = sorted((abs(whole.low), abs(whole.high)))
    if is_significant(whole):
        sentence = (
            f"{better} is better than {worse} by {100 * abs(whole.difference):.1f} points "
            f"[{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]; chance alone would give so large a difference in "
            f"{_chance(whole.p_value)} tests."
        )
    else:
        sentence = (
            f"No significant difference between {names[0]} and {names[1]}: "
            f"{signed(whole.difference)} points [{signed(whole.low)}, {signed(whole.high)}]."
        )
    single = [item for language, item in compared.items() if language != MEAN]
    if len(single) > 1:
        up, down = (
            sum(is_significant(item) and sign * item.difference > 0 for item in single) for sign in (1, -1)
        )
        sentence += (
            f" By language: {names[0]} is better in {down}, {names[1]} in {up}, undecided in "
            f"{len(single) - up - down}."
        )
    return sentence


def is_significant(one: "Comparison") -> bool:
    """Whether the paired test tells the two apart."""
    return one.p_value < SIGNIFICANT and not one.low <= 0 <= one.high


def _chance(p_value: float) -> str:
    return "fewer than 2 of 1,000" if p_value < 0.002 else f"about {round(1000 * p_value)} of 1,000"


def _published_words(entries: Sequence[Entry], labels: Labels) -> list[str]:
    """A sentence per model that somebody has published, or one that nobody has."""
    sentences = []
    for entry in entries:
        verdict = verdict_of(entry)
        if verdict.published is None:
            continue
        source = {"paper": "the report", "results": "public runs"}[verdict.published.source]
        sentences.append(
            f"<b>{fmt.isolated(label(entry.model, labels))}</b>: measured {value_of(entry):.1f}, published "
            f"{verdict.published.value:.1f} ({source}): {fmt.text(verdict.reason)}."
        )
    if sentences:
        return sentences
    reason = verdict_of(entries[0]).reason
    return [f"{fmt.text(reason[0].upper() + reason[1:])}."]


def _cautions(entry: Entry) -> str:
    benchmark = benchmark_of(task_title(entry))
    sentences = []
    if entry.report["kind"] == "hub":
        sentences.append(
            "Tasks of the hub give no values per item, so there is no interval and no paired test."
        )
    if benchmark in NOT_ZERO_SHOT:
        sentences.append(f"mE5 was trained on the training part of {benchmark}: for it, no zero-shot figure.")
    if "HardNegatives" in task_title(entry):
        sentences.append(
            "Its pool was made with BM25 and mE5-large, among others: it treats them unlike other models, "
            "and its Recall@100 is too high. It cannot be compared with MIRACL."
        )
    if benchmark_of(task_title(entry)) == "BUCC":
        sentences.append(
            "Only sentences that have a translation are asked here; mining all of them is the harder task."
        )
    fewest = min(row["items"] for row in entry.report["results"])
    if 0 < fewest < FEW:
        sample = fmt.counted(fewest, items_word(entry, one=fewest == 1), items_word(entry))
        sentences.append(f"Small sample ({sample} per language): compare intervals, not ranks.")
    return " ".join(map(fmt.text, sentences))


def _metrics(entry: Entry, other: Entry | None, labels: Labels) -> str:
    names = entry.main["metrics"]
    heads = "".join(
        f'<th scope="col">{fmt.isolated(label(item.model, labels))}</th>' for item in (entry, other) if item
    )
    rows = ""
    for name in names:
        cells = "".join(
            f"<td>{_shown(item.main['metrics'].get(name))}</td>"
            for item in (entry, other)
            if item is not None
        )
        meaning = METRIC_WORDS.get(name, "")
        rows += f'<tr><th scope="row">{fmt.text(name)}<small>{fmt.text(meaning)}</small></th>{cells}</tr>'
    return (
        f'<div class="scroll"><table class="metrics"><thead><tr><th>Metric</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _shown(score: Mapping[str, Any] | None) -> str:
    return "–" if score is None else f"<b>{percent(score['value'])}</b>{interval(score)}"


def _bars(entry: Entry, other: Entry | None, compared: "Tests", labels: Labels) -> str:
    """A bar per language and model with its interval; a mark where somebody published a number."""
    rows = entry.report["results"]
    right = {row["language"]: row for row in other.report["results"]} if other else {}
    marks = _published_by_language(entry)
    ordered = sorted(rows, key=lambda row: (-entry.score(row)["value"], row["language"]))
    tests = compared if isinstance(compared, Mapping) else {}
    lines = "".join(
        _language_bars(
            (entry, row),
            (other, right[row["language"]]) if other and row["language"] in right else None,
            marks.get(row["language"]),
            tests.get(row["language"]),
        )
        for row in ordered
    )
    legend = [f'<span><i class="c0"></i>{fmt.isolated(label(entry.model, labels))}</span>']
    if other is not None:
        legend.append(f'<span><i class="c1"></i>{fmt.isolated(label(other.model, labels))}</span>')
    if marks:
        legend.append('<span><i class="mark"></i>published</span>')
    many = " many" if len(ordered) > MANY_LANGUAGES else ""
    return (
        f'<div class="ev-legend"><b>{fmt.text(entry.report["main_metric"])} by language</b>'
        f"{''.join(legend)}</div>"
        f'<ul class="ev-bars{many}">{lines}</ul>'
    )


def _language_bars(
    own: tuple[Entry, Mapping[str, Any]],
    beside: tuple[Entry, Mapping[str, Any]] | None,
    mark: float | None,
    test: "Comparison | None",
) -> str:
    entry, row = own
    language = str(row["language"])
    bars = _bar(entry.score(row), 0, mark)
    if beside is not None:
        other, their_row = beside
        bars += _bar(other.score(their_row), 1, None)
    message = ""
    if test is not None and is_significant(test):
        sense = "told" if test.difference > 0 else "told down"
        message = f'<small class="{sense}">{signed(test.difference)}</small>'
    return (
        f'<li><span class="name" title="{fmt.text(language)}">{fmt.isolated(task_language(language))}'
        f"{message}</span>"
        f'<span class="pair">{bars}</span></li>'
    )


def _bar(score: Mapping[str, Any], colour: int, mark: float | None) -> str:
    value = 100 * score["value"]
    whisker, published_mark = "", ""
    if score["low"] is not None:
        low, high = _clip(100 * score["low"]), _clip(100 * score["high"])
        whisker = f'<em style="left:{low:.1f}%;width:{max(0.4, high - low):.1f}%"></em>'
    if mark is not None:
        published_mark = f'<s style="left:{_clip(mark):.1f}%" title="published {mark:.1f}"></s>'
    return (
        f'<span class="line"><span class="track"><i class="c{colour}" style="width:{_clip(value):.1f}%"></i>'
        f"{whisker}{published_mark}</span><b>{value:.1f}</b></span>"
    )


def _published_by_language(entry: Entry) -> dict[str, float]:
    benchmark = benchmark_of(task_title(entry))
    metric = entry.report["main_metric"]
    return {
        row.language: row.value
        for row in reversed(published())
        if (row.model, row.benchmark) == (entry.model, benchmark)
        and entry.model in ME5
        and row.language != MEAN
        and metric in (row.metric, MAIN_SCORE)
    }


def _clip(value: float) -> float:
    return min(100.0, max(0.0, value))
