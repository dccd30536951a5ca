"""The form of the tab Parallel text: what to search, how, and what that asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from indexer.bitext.segmenters import SEGMENTERS, SegmenterName
from indexer.bitext.values import UNKNOWN_LANGUAGE
from indexer.text.language.tags import language_tag, primary_language
from ui.errors import UiError
from ui.services.parallel import SAMPLE, Request
from ui.services.reviews import Bitexts

FILES, LANGUAGES, PAIRS = "two files", "two languages of this collection", "pairs to review"
PAIR_SUFFIXES = [".tmx", ".xlf", ".xliff", ".tsv", ".csv", ".jsonl", ".xlsx", ".zip"]
CUTS: Mapping[SegmenterName, str] = {"rules": "rules for every script", "icu": "ICU"}
INTRO = (
    "<p>Finds the sentences of two languages that translate each other, lets you review them, and saves them "
    "as a translation memory.</p>"
)


@dataclass(frozen=True)
class Form:
    """The controls. :func:`show_rows` shows and hides ``rows``.

    :func:`request_from` reads ``settings`` and ``reading``; the latter come last in calls of programs, which
    may leave them out.
    """

    column: gr.Column
    origin: gr.Radio
    rows: list[Any]
    source: gr.File
    target: gr.File
    codes: list[gr.Dropdown]
    pairs: gr.File
    aligned: gr.Checkbox
    settings: list[Any]
    reading: list[Any]
    start: gr.Button
    sample: gr.Button


def build_form(bitexts: Bitexts) -> Form:
    """Lay the form out."""
    with gr.Column(visible=False, elem_id="parallel-new") as column:
        gr.HTML(INTRO, apply_default_css=False, elem_id="parallel-intro")
        origin = gr.Radio(
            [(f"{word[0].upper()}{word[1:]}", word) for word in (FILES, LANGUAGES, PAIRS)],
            value=FILES, label="From", show_label=False, elem_id="parallel-origin",
        )  # fmt: skip
        with gr.Row(elem_id="parallel-files") as files:
            source, target = (
                gr.File(label=words, height=132, min_width=220, elem_id=f"parallel-{side}")
                for side, words in (("source", "First language"), ("target", "Second language"))
            )
        with gr.Row(visible=False, elem_id="parallel-languages") as languages:
            source_code, target_code = (
                gr.Dropdown([], label=words, min_width=200, elem_id=f"parallel-{side}-language")
                for side, words in (("source", "First language"), ("target", "Second language"))
            )
        with gr.Row(visible=False, elem_id="parallel-pairs-row") as pairs_row:
            pairs = gr.File(
                label="TMX, XLIFF, TSV, CSV, JSONL, XLSX, or a zip of two Moses files",
                file_types=PAIR_SUFFIXES, height=132, elem_id="parallel-pairs",
            )  # fmt: skip
        with gr.Column(elem_id="parallel-run-options") as options:
            aligned = gr.Checkbox(
                False,
                label="These are translations of one text, in the same order",
                elem_id="parallel-aligned",
            )
            with gr.Accordion("Options", open=False, elem_id="parallel-options"):
                settings = _settings(bitexts)
                reading = _reading()
            with gr.Row(elem_id="parallel-buttons"):
                start = gr.Button(
                    "Find translations", variant="primary", scale=0, min_width=180, elem_id="parallel-start"
                )
                sample = gr.Button(
                    "Try the sample", scale=0, min_width=140, visible=all(path.is_file() for path in SAMPLE),
                    elem_id="parallel-sample",
                )  # fmt: skip
    rows = [files, languages, pairs_row, options, aligned]
    codes = [source_code, target_code]
    return Form(column, origin, rows, source, target, codes, pairs, aligned, settings, reading, start, sample)


def show_rows(origin: str) -> list[Any]:
    """What belongs to an origin."""
    return [
        *(gr.Row(visible=origin == item) for item in (FILES, LANGUAGES, PAIRS)),
        gr.Column(visible=origin != PAIRS),
        gr.Checkbox(visible=origin == FILES),
    ]


def _settings(bitexts: Bitexts) -> list[Any]:
    with gr.Row():
        model = gr.Dropdown(
            [bitexts.library.model], value=bitexts.library.model, label="Model", allow_custom_value=True,
            info="a name of the list, a folder, or a name on the hub", min_width=200,
            elem_id="parallel-model",
        )  # fmt: skip
        threshold = gr.Textbox(
            label="Threshold", placeholder="estimated from the scores", min_width=200,
            info="pairs above count as translations; can be moved later", elem_id="parallel-threshold",
        )  # fmt: skip
    with gr.Row():
        margin = gr.Dropdown(
            [("ratio to the neighbours", "ratio"), ("difference to the neighbours", "distance"),
             ("cosine alone", "absolute")],
            value="ratio", label="Score", min_width=200, elem_id="parallel-margin",
            info="ratio compares a pair with the next best ones",
        )  # fmt: skip
        retrieval = gr.Dropdown(
            [("best of both directions", "max"), ("from first to second", "forward"),
             ("from second to first", "backward"), ("where both agree", "intersect")],
            value="max", label="Candidates", min_width=200, elem_id="parallel-retrieval",
            info="where both agree: fewer pairs, more of them right",
        )  # fmt: skip
    with gr.Row():
        check = gr.Checkbox(
            True, label="Leave out sentences in another language", elem_id="parallel-check-language"
        )
        single = gr.Checkbox(True, label="Each sentence in one pair only", elem_id="parallel-one-to-one")
    with gr.Row():
        codes = [
            gr.Textbox(
                label=f"{place} language", placeholder="detected; or a code such as de",
                max_lines=1, min_width=200, elem_id=f"parallel-code-{number}",
            )
            for number, place in enumerate(("First", "Second"))
        ]  # fmt: skip
    return [model, threshold, margin, retrieval, check, single, *codes]


def _reading() -> list[Any]:
    with gr.Row():
        segmenter = gr.Dropdown(
            [(CUTS[name], name) for name in SEGMENTERS], value="rules", label="Sentence splitter",
            min_width=200, info="how running text is cut; one sentence per line stays as it is",
            elem_id="parallel-segmenter",
        )  # fmt: skip
        sample = gr.Number(
            0, label="Sample size", info="of the first side, for a quick look; 0 for all",
            precision=0, minimum=0, min_width=200, elem_id="parallel-draw",
        )  # fmt: skip
        seed = gr.Number(
            0, label="Seed", info="another number draws other sentences", precision=0, min_width=200,
            elem_id="parallel-seed",
        )  # fmt: skip
    return [segmenter, sample, seed]


def request_from(said: tuple[Any, ...], reading: tuple[Any, ...], *, aligned: bool = False) -> Request:
    """What the options say.

    Raises:
        UiError: the line is no number.
    """
    model, threshold, margin, retrieval, check, single, *codes = said
    segmenter, sample, seed = reading
    line = str(threshold or "").strip().replace(",", ".")
    try:
        value = float(line) if line else None
    except ValueError:
        value = float("nan")
    if value is not None and not abs(value) < 100:
        raise UiError(f"The threshold is '{threshold}'. Expected a number such as 1.06, or nothing.")
    return Request(
        name="", source="", target="", model=str(model or "builtin"), aligned=aligned, margin=margin,
        retrieval=retrieval, threshold=value, check_language=bool(check), one_to_one=bool(single),
        languages=(to_code(codes[0]), to_code(codes[1])), segmenter=segmenter or "rules",
        sample=int(sample or 0) or None, seed=int(seed or 0),
    )  # fmt: skip


def to_code(said: object) -> str:
    """A language as a person says it: a code, or nothing for one to be detected.

    Raises:
        UiError: it is not a code.
    """
    word = str(said or "").strip() or UNKNOWN_LANGUAGE
    tag = language_tag(word)
    if tag is None or not 2 <= len(primary_language(tag)) <= 3:
        raise UiError(
            f"The language is '{word}'. Expected a code such as de or zh-Hant, or nothing. Correct it."
        )
    return tag
