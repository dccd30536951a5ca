"""The form of the tab Train: what for, which pairs, which model, what it is called; the rest is preset."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from trainer.data.import_pairs import SUFFIXES
from ui.errors import UiError
from ui.markup_train_form import checked
from ui.services.training_pairs import Draft
from ui.services.training_plan import PURPOSES, Settings
from ui.services.training_request import DEFAULT_BASE

INTRO = (
    "<h1>Train a model on your own texts</h1>"
    "<p>Bring pairs of texts that belong together. The model learns on this computer; nothing leaves it.</p>"
)
BASE_INFO = "fast learns in minutes, a model with layers in hours; or a folder, a hub name"
NO_PAIRS = '<p class="soft">Choose pairs first: then time, memory and disk are estimated here.</p>'
WHY = {
    "batch_size": "Report: 32,768 in pre-training, 512 in fine-tuning. A query is told apart from all "
    "passages of its batch, so larger is better, and slower.",
    "steps": "Report: 30,000, then 2 passes over labelled data. Ours: about three passes over your pairs.",
    "learning_rate": "Report: 3e-4, 2e-4, 1e-4 for small, base, large; a tenth of it in fine-tuning. Higher "
    "learns faster and forgets more of what the model knew.",
    "temperature": "Report: 0.01. Lower looks harder at passages that are easily mistaken.",
    "max_tokens": "Report: 512. What is longer is cut; shorter is faster.",
    "both_directions": "Report: queries find passages. Ours: passages find their queries too, which helps "
    "where pairs are few.",
    "precision": "Report: not stated. bf16 is faster on GPUs and needs less memory; fp32 is exact.",
    "mini_batch_tokens": "Not in the report: gradients are cached, so a batch of any size fits. Lower it "
    "when memory runs out; the result stays the same.",
    "new_pieces": "Not in the report: pieces of words that occur often in the new language. A text takes "
    "fewer of them, and each has a vector of its own to learn. 0 keeps the vocabulary as it is.",
    "evaluate_every": "Ours: five times in a run, on held-out pairs. 0 measures before and after only.",
}


NEW_PIECES = -1  # place among the settings


@dataclass(frozen=True)
class Form:
    """The controls, in the order in which handlers take them."""

    column: gr.Column
    purpose: gr.Radio
    purpose_words: gr.HTML
    upload: gr.File
    from_collection: gr.Button
    checked: gr.HTML
    found: gr.JSON
    columns: gr.Row
    query_column: gr.Dropdown
    passage_column: gr.Dropdown
    base: gr.Dropdown
    name: gr.Textbox
    settings: list[Any]
    estimate: gr.HTML
    start: gr.Button

    @property
    def purpose_outputs(self) -> list[Any]:
        """What :func:`show_purpose` writes."""
        return [self.purpose_words, self.from_collection, self.settings[NEW_PIECES]]

    @property
    def draft_outputs(self) -> list[Any]:
        """What :func:`show_draft` writes."""
        return [self.checked, self.columns, self.query_column, self.passage_column, self.start]


def build_form() -> Form:
    """Lay the form out."""
    with gr.Column(visible=False, elem_id="train-new") as column:
        gr.HTML(INTRO, apply_default_css=False, elem_id="train-intro")
        choices = [(purpose.title, key) for key, purpose in PURPOSES.items()]
        purpose = gr.Radio(choices, value="search", label="What for", elem_id="train-purpose")
        words = gr.HTML(_purpose_words("search"), apply_default_css=False, elem_id="train-purpose-words")
        with gr.Row(elem_id="train-data"):
            upload = gr.File(
                file_types=list(SUFFIXES), label="Pairs", show_label=False, height=130, elem_id="train-upload"
            )
            from_collection = gr.Button(
                "Make pairs of this collection", scale=0, min_width=290, elem_id="train-from-collection"
            )
        checked = gr.HTML("", apply_default_css=False, elem_id="train-checked")
        with gr.Row(visible=False, elem_id="train-columns") as columns:
            query = gr.Dropdown([], label="Column of queries or sources", elem_id="train-query-column")
            passage = gr.Dropdown([], label="Column of passages or targets", elem_id="train-passage-column")
        with gr.Row(elem_id="train-model"):
            base = gr.Dropdown(
                [DEFAULT_BASE], value=DEFAULT_BASE, label="Start from", allow_custom_value=True, scale=3,
                min_width=240, info=BASE_INFO, elem_id="train-base",
            )  # fmt: skip
            name = gr.Textbox(
                label="Name", placeholder="harbour archive", info="What the new model is called",
                max_length=80, scale=2, min_width=240, elem_id="train-name",
            )  # fmt: skip
        with gr.Accordion("Settings", open=False, elem_id="train-settings"):
            settings = _settings(Settings())
        estimate = gr.HTML(NO_PAIRS, apply_default_css=False, elem_id="train-estimate")
        start = gr.Button("Start training", variant="primary", interactive=False, elem_id="train-start")
        result = gr.JSON(visible=False, elem_id="train-found")
    return Form(
        column, purpose, words, upload, from_collection, checked, result, columns, query, passage, base, name,
        settings, estimate, start,
    )  # fmt: skip


def _settings(preset: Settings) -> list[Any]:
    """One control per setting, in the order of :func:`settings_from`."""

    def number(name: str, label: str, **limits: Any) -> gr.Number:
        return gr.Number(
            getattr(preset, name), label=label, info=WHY[name], precision=0, elem_id=f"train-{name}", **limits
        )

    with gr.Row():
        batch = number("batch_size", "Pairs per batch", minimum=2, maximum=65_536)
        steps = number("steps", "Steps", minimum=1, maximum=1_000_000)
        rate = gr.Textbox(
            f"{preset.learning_rate:g}", label="Learning rate", info=WHY["learning_rate"],
            elem_id="train-learning_rate",
        )  # fmt: skip
    with gr.Row():
        temperature = gr.Number(
            preset.temperature, label="Temperature", info=WHY["temperature"], minimum=0.001, maximum=1,
            step=0.01, elem_id="train-temperature",
        )  # fmt: skip
        tokens = number("max_tokens", "Tokens per text", minimum=8, maximum=8_192)
        precision = gr.Dropdown(
            ["fp32", "bf16"], value=preset.precision, label="Precision", info=WHY["precision"],
            elem_id="train-precision",
        )  # fmt: skip
    with gr.Row():
        mini = number("mini_batch_tokens", "Tokens per mini-batch", minimum=64, maximum=1_000_000)
        every = number("evaluate_every", "Measure every … steps", minimum=0, maximum=1_000_000)
        both = gr.Checkbox(
            preset.both_directions, label="Both directions", info=WHY["both_directions"],
            elem_id="train-both_directions",
        )  # fmt: skip
    pieces = number("new_pieces", "New pieces", minimum=0, maximum=100_000, visible=False)
    return [batch, steps, rate, temperature, tokens, precision, mini, every, both, pieces]


def settings_from(values: tuple[Any, ...]) -> Settings:
    """Settings from the controls.

    Raises:
        UiError: one of them is no number, or out of range.
    """
    batch, steps, rate, temperature, tokens, precision, mini, every, both, pieces = values
    return Settings(
        batch_size=int(_number("Pairs per batch", batch, 2)),
        steps=int(_number("Steps", steps, 1)),
        learning_rate=_number("Learning rate", rate, 1e-12, 1.0),
        temperature=_number("Temperature", temperature, 1e-4, 1.0),
        max_tokens=int(_number("Tokens per text", tokens, 8)),
        precision="bf16" if precision == "bf16" else "fp32",
        mini_batch_tokens=int(_number("Tokens per mini-batch", mini, 1)),
        evaluate_every=int(_number("Measure every … steps", every, 0)),
        both_directions=bool(both),
        new_pieces=int(_number("New pieces", pieces, 0)),
    )


def to_values(settings: Settings) -> list[Any]:
    """The controls' values for settings."""
    return [
        settings.batch_size, settings.steps, f"{settings.learning_rate:g}", settings.temperature,
        settings.max_tokens, settings.precision, settings.mini_batch_tokens, settings.evaluate_every,
        settings.both_directions, settings.new_pieces,
    ]  # fmt: skip


def show_purpose(purpose: str) -> tuple[Any, ...]:
    """The words of a purpose; only a search is learned from a collection, only a language brings pieces."""
    return (
        _purpose_words(purpose),
        gr.Button(visible=purpose == "search"),
        gr.Number(visible=purpose == "language"),
    )


def show_draft(draft: Draft | None) -> tuple[Any, ...]:
    """What was found in the pairs, and the columns to choose from where there are more than two."""
    if draft is None:
        return "", gr.Row(visible=False), gr.skip(), gr.skip(), gr.Button(interactive=False)
    intake = draft.intake
    names = list(intake.available)
    return (
        checked(draft.name, intake),
        gr.Row(visible=len(names) > 2 and not draft.is_of_collection and names[:2] != ["query", "passage"]),
        gr.Dropdown(choices=names, value=intake.columns.query),
        gr.Dropdown(choices=names, value=intake.columns.passage),
        gr.Button(interactive=True),
    )


def _purpose_words(key: str) -> str:
    purpose = PURPOSES[key]
    data = f"{purpose.data} A tsv, csv or jsonl file, one pair per line."
    return f'<p>{purpose.words}</p><p class="soft">{data}</p>'


def _number(name: str, value: Any, low: float, high: float = 1e9) -> float:
    try:
        number = float(str(value).replace(",", "."))
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise UiError(
            f"{name} is '{value}'. Expected a number of at least {low:g}. Correct it under Settings."
        )
    return number
