"""The tab Search: ask, read the cards, open a passage in its surroundings, export."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from indexer.text.language.names import language_name
from indexer.types import SearchResult
from ui import formatting as fmt
from ui import markup_search as markup
from ui.exports import ExportFormat
from ui.filters import to_filters
from ui.guard import guarded
from ui.services.library import Services
from ui.services.models import where_texts_go
from ui.shell import TO_DOWNLOAD, Shell, script

MODES = [("meaning and words", "hybrid"), ("meaning", "dense"), ("words", "lexical")]
ADDED = [
    ("any time", ""),
    ("today", "day"),
    ("past week", "week"),
    ("past month", "month"),
    ("past year", "year"),
]
FORMATS: tuple[ExportFormat, ...] = ("csv", "xlsx", "json")
FOLDER_CHOICES = 100
INSIDE = 100
"""Passages shown of one document: as many as its card can have counted."""
Facets = Mapping[str, Mapping[str, int]]
REMEMBER = """(query, collection, ...rest) => {
  const url = new URL(window.location);
  query ? url.searchParams.set('q', query) : url.searchParams.delete('q');
  url.searchParams.set('collection', collection || '');
  window.history.replaceState(null, '', url);
  return [query, collection, ...rest];
}"""
"""Keeps question and collection in the address, so that a reload or a bookmark brings them back."""


@dataclass(frozen=True)
class SearchTab:
    """What others need of this tab: parts that follow the library, and how to ask on load."""

    welcome: gr.Column
    ask: gr.Column
    questions: gr.HTML
    languages: gr.Dropdown
    file_types: gr.Dropdown
    folders: gr.Dropdown
    query: gr.Textbox
    search: Any
    search_inputs: list[gr.components.Component]
    search_outputs: list[gr.components.Component]
    drop: gr.File
    samples: gr.Button


def build(services: Services, shell: Shell) -> SearchTab:
    """Lay the tab out and wire it."""
    with gr.Column(visible=False, elem_id="welcome") as welcome:
        gr.HTML(
            "<h1>Ask in your language, find it in any other</h1>"
            f"<p>Drop documents here to begin. {escape(where_texts_go(services.library))}</p>",
            elem_id="welcome-words",
            apply_default_css=False,
        )
        drop = gr.File(
            file_count="multiple", label="Documents", show_label=False, height=170, elem_id="welcome-drop"
        )
        samples = gr.Button("Try the sample library", elem_id="try-samples", variant="primary")
    with gr.Column(elem_id="ask") as ask:
        with gr.Row(elem_id="query-row"):
            query = gr.Textbox(
                placeholder="Ask in any language …",
                label="Question",
                show_label=False,
                container=False,
                autofocus=True,
                scale=5,
                max_length=4000,
                elem_id="query",
            )
            button = gr.Button("Search", variant="primary", scale=0, min_width=110, elem_id="search-button")
        questions = gr.HTML(
            "", js_on_load=script("questions.js"), apply_default_css=False, elem_id="questions"
        )
        status = gr.HTML("", js_on_load=script("status.js"), apply_default_css=False, elem_id="status")
        filters = _filters()
        with gr.Row(elem_id="found"):
            with gr.Column(scale=5, min_width=300, elem_id="results-column"):
                results = gr.HTML(
                    "", js_on_load=script("results.js"), apply_default_css=False, elem_id="results"
                )
                with gr.Row(visible=False, elem_id="export-row") as export_row:
                    gr.HTML("Export", apply_default_css=False, elem_id="export-label")
                    exports = [
                        gr.Button(kind.upper(), size="sm", scale=0, min_width=70, elem_id=f"export-{kind}")
                        for kind in FORMATS
                    ]
            with gr.Column(scale=4, min_width=300, elem_id="preview-column"):
                preview = gr.HTML(
                    "",
                    js_on_load=script("preview.js"),
                    apply_default_css=False,
                    elem_id="preview",
                )
                page = gr.HTML("", apply_default_css=False, elem_id="page-image")
        _many_questions(services, shell, filters)
    kept = gr.State([])
    narrow = gr.State(("", ""))
    inputs = [query, shell.collection, *filters, narrow]
    outputs = [kept, status, results, preview, page, export_row, *filters[1:4]]

    @guarded
    def search(words: str, collection: str, *said: Any) -> tuple[Any, ...]:
        *chosen, only = said  # the values of the filters, and of ``narrow``
        return _answer(services, words, collection, chosen, only)

    common: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "show_progress_on": [status]}
    for number, submit in enumerate((query.submit, button.click)):
        # A new question leaves the document that an earlier one was narrowed to.
        submit(
            lambda: ("", ""), outputs=narrow, show_progress="hidden", queue=False, api_visibility="private"
        ).then(
            search, **common, js=REMEMBER, show_progress="minimal", api_name=f"search_page_{number}",
            api_visibility="undocumented",
        )  # fmt: skip
    gr.on(
        [control.input for control in filters],
        search, **common, show_progress="minimal", api_name="search_filtered", api_visibility="undocumented",
    )  # fmt: skip
    _wire_questions(questions, query, narrow, search, common)
    _wire_status(status, filters[1], narrow, search, common)
    chosen = gr.State("")  # the passage in the preview
    _wire_cards(services, results, chosen, preview, page)
    _wire_onwards(services, preview, [chosen, shell.collection], [kept, status, results, export_row])
    _wire_narrowing(results, narrow, search, common)
    _wire_exports(services, shell, exports, kept, "results")
    return SearchTab(
        welcome, ask, questions, filters[1], filters[2], filters[3], query, search, inputs, outputs, drop,
        samples,
    )  # fmt: skip


def _filters() -> list[Any]:
    with gr.Accordion("Filters", open=False, elem_id="filters"), gr.Row():
        mode = gr.Dropdown(MODES, value="hybrid", label="Search by", elem_id="filter-mode", min_width=150)
        languages = gr.Dropdown(
            [], multiselect=True, label="Language", elem_id="filter-language", min_width=180
        )
        types = gr.Dropdown([], multiselect=True, label="File type", elem_id="filter-type", min_width=140)
        folders = gr.Dropdown([], multiselect=True, label="Folder", elem_id="filter-folder", min_width=180)
        added = gr.Dropdown(ADDED, value="", label="Added", elem_id="filter-added", min_width=130)
    return [mode, languages, types, folders, added]


def _answer(
    services: Services, words: str, collection: str, chosen: Sequence[Any], only: tuple[str, str]
) -> tuple[Any, ...]:
    if not words.strip() or services.collection(collection) is None:
        return [], "", "", "", "", gr.Row(visible=False), *[gr.skip()] * 3
    filters = to_filters(*chosen, document_id=only[0], top_k=INSIDE if only[0] else 10)
    result = services.search(words.strip(), collection, filters)
    shown = markup.status(result, filters.languages, only[1])
    any_hits = bool(result.hits or result.weak_hits)
    hint = markup.preview_hint() if any_hits else ""
    choices = filter_choices(result.facets)
    return [result], shown, markup.cards(result), hint, "", gr.Row(visible=any_hits), *choices


def _wire_questions(
    questions: gr.HTML, query: gr.Textbox, narrow: gr.State, search: Any, common: dict[str, Any]
) -> None:
    def to_box(event: gr.EventData) -> tuple[str, tuple[str, str]]:
        return str(event.question), ("", "")

    questions.ask(
        guarded(to_box), outputs=[query, narrow], show_progress="hidden", api_visibility="private"
    ).then(search, **common, js=REMEMBER, show_progress="minimal", api_visibility="private")  # fmt: skip


def _wire_status(
    status: gr.HTML, languages: gr.Dropdown, narrow: gr.State, search: Any, common: dict[str, Any]
) -> None:
    def toggle(chosen: list[str] | None, event: gr.EventData) -> list[str]:
        language = str(event.language)
        chosen = chosen or []
        return [code for code in chosen if code != language] if language in chosen else [*chosen, language]

    again = {**common, "show_progress": "minimal", "api_visibility": "private"}
    status.facet(
        guarded(toggle), languages, languages, show_progress="hidden", api_visibility="private"
    ).then(search, **again)  # fmt: skip
    status.widen(
        lambda: ("", ""), outputs=narrow, show_progress="hidden", api_visibility="private"
    ).then(search, **again)  # fmt: skip


def _wire_cards(
    services: Services, results: gr.HTML, chosen: gr.State, preview: gr.HTML, page: gr.HTML
) -> None:
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def open_passage(event: gr.EventData) -> tuple[str, str, str]:
        chunk_id = str(event.chunk)
        evidence = markup.evidence_from(str(event.evidence))
        return chunk_id, markup.preview(services.context(chunk_id), chunk_id, evidence), ""

    def show_page(chunk_id: str) -> str:
        image = services.page_png(chunk_id)
        return markup.page_image(*image) if image else ""

    results.select(guarded(open_passage), outputs=[chosen, preview, page], **hidden).then(
        guarded(show_page), chosen, page, **hidden
    )


def _wire_onwards(services: Services, preview: gr.HTML, inputs: list[Any], outputs: list[Any]) -> None:
    """From the passage in the preview to what is like it."""

    def look_onwards(chunk_id: str, collection: str, event: gr.EventData) -> tuple[Any, ...]:
        is_other = event.languages == "other"
        result = services.similar(chunk_id, collection, in_other_languages=is_other)
        line, cards = markup.onwards(result, in_other_languages=is_other)
        return [result], line, cards, gr.Row(visible=bool(result.weak_hits))

    preview.similar(guarded(look_onwards), inputs, outputs, show_progress="hidden", api_visibility="private")


def _wire_narrowing(results: gr.HTML, narrow: gr.State, search: Any, common: dict[str, Any]) -> None:
    def to_document(event: gr.EventData) -> tuple[str, str]:
        return str(event.document), str(event.title)

    results.narrow(
        guarded(to_document), outputs=narrow, show_progress="hidden", api_visibility="private"
    ).then(search, **common, show_progress="minimal", api_visibility="private")  # fmt: skip


def _wire_exports(
    services: Services, shell: Shell, buttons: Sequence[gr.Button], kept: gr.State, name: str
) -> None:
    """One button per format of FORMATS saves the results that ``kept`` holds."""

    def save_as(kind: ExportFormat) -> Any:
        return guarded(lambda results: str(services.export_results(results, kind)))

    for button, kind in zip(buttons, FORMATS, strict=True):
        button.click(
            save_as(kind), kept, shell.download, show_progress="hidden",
            api_name=f"export_{name}_{kind}", api_visibility="undocumented",
        ).success(None, js=TO_DOWNLOAD, api_visibility="private")  # fmt: skip


def _many_questions(services: Services, shell: Shell, filters: list[Any]) -> None:
    with gr.Accordion("Ask many questions at once", open=False, elem_id="many"):
        gr.HTML(
            "<p>A text file with one question per line, or a CSV with a column named query. "
            "The filters above apply.</p>",
            apply_default_css=False,
            elem_id="many-words",
        )
        with gr.Row(elem_id="many-row"):
            upload = gr.UploadButton(
                "Choose a file of questions",
                file_types=[".txt", ".csv", ".tsv"],
                size="sm",
                scale=0,
                min_width=220,
                elem_id="many-upload",
            )
            buttons = [
                gr.Button(
                    f"Save {kind.upper()}",
                    size="sm",
                    scale=0,
                    min_width=100,
                    visible=False,
                    elem_id=f"many-{kind}",
                )
                for kind in FORMATS
            ]
        summary = gr.HTML("", apply_default_css=False, elem_id="many-summary")
    many = gr.State([])

    @guarded
    def ask_all(
        path: str,
        collection: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands progress to a handler
        *said: Any,
    ) -> tuple[Any, ...]:
        chosen = to_filters(*said)
        results: list[SearchResult] = []
        for result in services.run_queries(Path(path), collection, chosen):
            results.append(result)
            progress((len(results), None), desc=f"{len(results)} asked", unit="questions")
        return results, markup.many_table(results), *[gr.Button(visible=True)] * len(FORMATS)

    upload.upload(
        ask_all, [upload, shell.collection, *filters], [many, summary, *buttons],
        show_progress_on=[summary], api_name="search_file", api_visibility="undocumented",
    )  # fmt: skip
    _wire_exports(services, shell, buttons, many, "many")


def filter_choices(facets: Facets) -> tuple[gr.Dropdown, ...]:
    """Choices of the filters with their counts, as updates for languages, file types and folders."""
    languages, types, folders = (Counter(facets.get(key, {})) for key in ("language", "file_type", "folder"))
    folders.pop("", None)
    return (
        gr.Dropdown(choices=[(_label(language_name(code), n), code) for code, n in languages.most_common()]),
        gr.Dropdown(choices=[(_label(name, n), name) for name, n in types.most_common()]),
        gr.Dropdown(
            choices=[(_label(fmt.short_path(p), n), p) for p, n in folders.most_common(FOLDER_CHOICES)]
        ),
    )


def _label(name: str, count: int) -> str:
    return f"{name} ({fmt.number(count)})"
