"""The form of the tab Evaluate: models, tasks, options; and what is folded away below the results."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.services.evaluation import SAMPLE_TASK, Evaluations
from ui.shell import script

INTRO = "<p>How well models search, pair and compare texts, beside each other and what was published.</p>"
NOTES = """
- **Files** that can be measured: own questions with judged answers (`.csv` with the columns *query* and
  *document* and, where you like, *grade* and *language*); pairs with a likeness (`.tsv` of text 1, text 2,
  score, language); translations (two files `NAME.de` and `NAME.en`, or a `.tsv` of source and target);
  Tatoeba (`.tar.xz`). On this computer also the path of a folder in the layout of BEIR, MIRACL, BUCC or
  Tatoeba.
- **Tasks of the hub** (MIRACL, BUCC, Tatoeba, any name that *mteb* knows) need `pip install mteb` and the
  network; on a processor the large ones take hours.
- **Intervals** say what chance leaves open: 95 of 100 samples of questions like these would give a
  value inside. Two models are compared on the same questions, which tells more than two intervals side by
  side. Where the questions are translations of each other, as in the sample, the interval of the mean is too
  narrow.
- **Zero-shot?** mE5 was trained on the training parts of MIRACL, Mr. TyDi, NQ, HotpotQA, FEVER, SQuAD, Quora
  and MS MARCO, so its figures there say less about your documents.
- **Cosines** of mE5 lie between 0.7 and 1.0. Only their order counts, and only the order is measured here.
- The report averages MIRACL over 16 languages, MTEB over 18; Recall@100 of *MIRACLRetrievalHardNegatives* is
  higher than of MIRACL, because its pool is small.
"""


@dataclass(frozen=True)
class Form:
    """The controls; ``options`` are languages, items at most, instruction."""

    models: gr.Dropdown
    tasks: gr.Dropdown
    start: gr.Button
    sample: gr.Button
    upload: gr.UploadButton
    options: list[Any]


def build_form(evaluations: Evaluations) -> Form:
    """Lay the form out."""
    gr.HTML(INTRO, apply_default_css=False, elem_id="evaluate-intro")
    with gr.Row(elem_id="evaluate-choose"):
        models = gr.Dropdown(
            evaluations.model_choices(), value=["builtin"], multiselect=True, allow_custom_value=True,
            label="Models", info="trained here, built in, or a name on the hub", min_width=260,
            elem_id="evaluate-models",
        )  # fmt: skip
        paths = ", or a path on this computer" if evaluations.access.is_private else ""
        tasks = gr.Dropdown(
            evaluations.task_choices(), value=[], multiselect=True, allow_custom_value=True, label="Tasks",
            info=f"a file of yours, a name on the hub{paths}", elem_id="evaluate-tasks", min_width=260,
        )  # fmt: skip
    with gr.Row(elem_id="evaluate-buttons"):
        start = gr.Button("Measure", variant="primary", scale=0, min_width=120, elem_id="evaluate-start")
        sample = gr.Button(
            "Try the sample task", scale=0, min_width=170, visible=SAMPLE_TASK.is_dir(),
            elem_id="evaluate-sample",
        )  # fmt: skip
        upload = gr.UploadButton(
            "Upload questions or pairs …", file_count="multiple", scale=0, min_width=220,
            elem_id="evaluate-upload",
        )  # fmt: skip
    with gr.Accordion("Options", open=False, elem_id="evaluate-options"), gr.Row():
        languages = gr.Textbox(
            label="Languages", placeholder="all; or codes as the task spells them: de, sw", min_width=220,
            elem_id="evaluate-languages",
        )  # fmt: skip
        most = gr.Number(
            0, label="Max items per language", info="0 for all; a small number for a quick look",
            precision=0, minimum=0, elem_id="evaluate-most", min_width=220,
        )  # fmt: skip
        instruction = gr.Textbox(
            label="Instruction", placeholder="one sentence, for models that take one", min_width=220,
            elem_id="evaluate-instruction",
        )  # fmt: skip
    return Form(models, tasks, start, sample, upload, [languages, most, instruction])


def build_folds() -> tuple[gr.HTML, gr.Textbox]:
    """What is folded away: evaluations so far with the log of one, and how to read all this."""
    with gr.Accordion("History", open=False, elem_id="evaluate-past"):
        history = gr.HTML(
            "", js_on_load=script("evaluate.js"), apply_default_css=False, elem_id="evaluate-history"
        )
        log = gr.Textbox(
            label="Log", lines=8, max_lines=16, visible=False, interactive=False, elem_id="evaluate-log"
        )
    with gr.Accordion("How to read this", open=False, elem_id="evaluate-notes"):
        gr.Markdown(NOTES, elem_id="evaluate-notes-words")
    return history, log
