"""The tab Library: bring documents in, see what is there, take them out again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import gradio as gr

from ui import markup_library as markup
from ui.exports import ExportFormat
from ui.guard import guarded
from ui.services.jobs import job_json
from ui.services.library import DEFAULT_COLLECTION, Services
from ui.services.models import ModelChoice
from ui.shell import TO_DOWNLOAD, Shell, refresh, script
from ui.tabs import home, watched

FORMATS: tuple[ExportFormat, ...] = ("csv", "xlsx")
DEFAULT_ORDER = ("added", True)
DESCENDING_FIRST = ("passages", "size", "added")
IS_OPEN = """(collection) =>
  [collection, document.querySelector('#tab-library-button')?.getAttribute('aria-selected') === 'true']"""


@dataclass(frozen=True)
class LibraryTab:
    """What follows the library in this tab."""

    languages: gr.HTML
    offer: gr.HTML
    table: gr.HTML
    words: gr.Textbox
    order: gr.State


def build(services: Services, shell: Shell) -> LibraryTab:
    """Lay the tab out and wire it."""
    drop = gr.File(
        file_count="multiple",
        label="Drop documents or archives",
        show_label=False,
        height=150,
        elem_id="drop",
    )
    with gr.Row(elem_id="other-ways"):
        folder = gr.UploadButton(
            "Upload a folder",
            file_count="directory",
            size="sm",
            scale=0,
            min_width=150,
            elem_id="drop-folder",
        )
        path = gr.Textbox(
            placeholder="or the path of a folder on this computer, indexed where it lies",
            label="Path",
            show_label=False,
            container=False,
            visible=services.is_private,
            scale=4,
            elem_id="server-path",
        )
        add_path = gr.Button(
            "Add", size="sm", scale=0, min_width=70, visible=services.is_private, elem_id="add-path"
        )
    offer = gr.HTML("", js_on_load=script("offer.js"), apply_default_css=False, elem_id="model-offer")
    languages = gr.HTML("", apply_default_css=False, elem_id="language-bar")
    with gr.Row(elem_id="table-tools"):
        words = gr.Textbox(
            placeholder="Filter by title, folder, type, language or state",
            label="Filter",
            show_label=False,
            container=False,
            scale=4,
            elem_id="document-filter",
        )
        export_buttons = [
            gr.Button(
                f"Export {kind.upper()}", size="sm", scale=0, min_width=110, elem_id=f"documents-{kind}"
            )
            for kind in FORMATS
        ]
    table = gr.HTML("", js_on_load=script("documents.js"), apply_default_css=False, elem_id="documents")
    order = gr.State(DEFAULT_ORDER)
    tab = LibraryTab(languages, offer, table, words, order)
    wire_uploads(services, shell, drop, "add")
    _wire_adding(services, shell, folder=folder, path=path, button=add_path)
    _wire_table(services, shell, tab)
    for button, kind in zip(export_buttons, FORMATS, strict=True):
        _wire_export(services, shell, tab, button, kind)
    watched.build(services, shell)
    _collections(services, shell)
    home.build(services, shell)
    return tab


def wire_offer(services: Services, shell: Shell, tab: LibraryTab, selected: gr.Tab) -> None:
    """A better model for the chosen collection is offered while this tab is looked at."""
    is_open = gr.Checkbox(visible=False, elem_id="library-is-open")
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def draw(collection: str, seen: bool) -> str:
        return markup.offer(services.library.offer(collection, measure=seen))

    def answer(collection: str, event: gr.EventData) -> tuple[Any, ...]:
        services.library.answer_offer(collection, accept=event.answer == "yes")
        return "", *refresh(services, collection)

    for event in (selected.select, shell.revision.change):
        # Speed is only measured for whoever looks.
        event(guarded(draw), [shell.collection, is_open], tab.offer, js=IS_OPEN, **hidden)
    tab.offer.answer(guarded(answer), shell.collection, [tab.offer, *shell.refresh_outputs], **hidden)


def draw_table(services: Services, collection: str, words: str, order: tuple[str, bool]) -> str:
    """The rows that fit the filter, in the chosen order."""
    info = services.collection(collection)
    if info is None or not info.documents:
        return markup.table([], 0)
    key, descending = cast(markup.SortKey, order[0]), order[1]
    page = services.document_page(
        collection,
        markup.filter_words(words or "", info.languages),
        markup.order_of(key, descending=descending),
        limit=markup.PAGE_ROWS,
    )
    return markup.page_table(page, info.documents, key, descending=descending)


def wire_uploads(
    services: Services, shell: Shell, drop: gr.File, api_name: str, visibility: Any = "public"
) -> None:
    """Files dropped on ``drop`` become a job, and the zone is free for the next ones."""
    started = gr.JSON(visible=False, elem_id=f"{drop.elem_id}-job")

    def add(files: list[str] | None, collection: str) -> tuple[None, dict[str, Any]]:
        return None, job_json(services.add_uploads([Path(file) for file in files or []], collection))

    drop.upload(
        guarded(add), [drop, shell.collection], [drop, started], show_progress="hidden",
        api_name=api_name, api_visibility=visibility,
    ).then(
        lambda collection: refresh(services, collection), shell.collection, shell.refresh_outputs,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip


def _wire_adding(
    services: Services, shell: Shell, *, folder: gr.UploadButton, path: gr.Textbox, button: gr.Button
) -> None:
    def add_folder(files: list[str] | None, collection: str) -> tuple[Any, ...]:
        services.add_uploads([Path(file) for file in files or []], collection)
        return refresh(services, collection)

    def add_path(where: str, collection: str) -> tuple[Any, ...]:
        services.add_server_path(where, collection)
        return "", *refresh(services, collection)

    folder.upload(
        guarded(add_folder), [folder, shell.collection], shell.refresh_outputs, show_progress="hidden",
        api_name="add_folder", api_visibility="undocumented",
    )  # fmt: skip
    for number, submit in enumerate((path.submit, button.click)):
        submit(
            guarded(add_path), [path, shell.collection], [path, *shell.refresh_outputs],
            show_progress="hidden", api_name=f"add_path_{number}", api_visibility="undocumented",
        )  # fmt: skip


def _wire_table(services: Services, shell: Shell, tab: LibraryTab) -> None:
    inputs = [shell.collection, tab.words, tab.order]

    def sort(order: tuple[str, bool], event: gr.EventData) -> tuple[str, bool]:
        key = str(event.key)
        if key not in get_args(markup.SortKey):
            return order
        return (key, not order[1]) if key == order[0] else (key, key in DESCENDING_FIRST)

    def draw(collection: str, words: str, order: tuple[str, bool]) -> str:
        return draw_table(services, collection, words, order)

    def act(collection: str, event: gr.EventData) -> tuple[Any, ...]:
        ids = [str(value) for value in event.ids]
        change = services.remove if event.action == "remove" else services.reindex
        change(ids, collection)
        return refresh(services, collection)

    def save(event: gr.EventData) -> str:
        ids = [str(value) for value in event.ids]
        return str(services.export_documents(services.documents_by_id(ids)))

    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    tab.table.sort(guarded(sort), tab.order, tab.order, **hidden).then(
        guarded(draw), inputs, tab.table, **hidden
    )
    tab.words.change(guarded(draw), inputs, tab.table, trigger_mode="always_last", **hidden)
    tab.table.act(
        guarded(act), shell.collection, shell.refresh_outputs, **hidden
    ).success(guarded(draw), inputs, tab.table, **hidden)  # fmt: skip
    tab.table.save(
        guarded(save), None, shell.download, **hidden
    ).success(None, js=TO_DOWNLOAD, api_visibility="private")  # fmt: skip


def _wire_export(
    services: Services, shell: Shell, tab: LibraryTab, button: gr.Button, kind: ExportFormat
) -> None:
    def export(collection: str, words: str) -> str:
        documents = markup.select_documents(services.documents(collection), words or "")
        return str(services.export_documents(documents, kind))

    button.click(
        guarded(export), [shell.collection, tab.words], shell.download, show_progress="hidden",
        api_name=f"export_documents_{kind}",
    ).success(None, js=TO_DOWNLOAD, api_visibility="private")  # fmt: skip


def _collections(services: Services, shell: Shell) -> None:
    with gr.Accordion("Collections", open=False, elem_id="collections") as fold:
        with gr.Row(elem_id="collection-new"):
            name = gr.Textbox(
                placeholder="Name of a new collection",
                label="Name",
                show_label=False,
                container=False,
                scale=4,
                elem_id="collection-name",
            )
            model = gr.Dropdown(
                _labelled(services.model_choices()),
                value=services.model_name,
                label="Model",
                show_label=False,
                container=False,
                scale=4,
                min_width=260,
                elem_id="collection-model",
            )
            create = gr.Button("Create", size="sm", scale=0, min_width=90, elem_id="collection-create")
        published = gr.Checkbox(
            label="Vectors as published (finds less across languages)",
            container=False,
            visible=False,
            elem_id="collection-published",
        )
        _deletion(services, shell)

    @guarded
    def make_collection(
        wanted: str,
        model: str,
        published: bool,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands progress to a handler
    ) -> tuple[Any, ...]:
        def report(done: int, total: int, unit: str, message: str) -> None:
            progress((done, total), desc=message, unit=unit)

        made = services.create_collection(wanted, model or None, False if published else None, report)
        return "", gr.Dropdown(choices=services.collection_names(), value=made)

    def fit_to_model(chosen: str) -> gr.Checkbox:
        is_shipped = any(
            model_choice.name == chosen and model_choice.is_shipped
            for model_choice in services.model_choices()
        )
        return gr.Checkbox(value=False, visible=not is_shipped)

    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    model.change(guarded(fit_to_model), model, published, **hidden)
    fold.expand(lambda: gr.Dropdown(choices=_labelled(services.model_choices())), None, model, **hidden)
    for submit in (name.submit, create.click):
        submit(
            make_collection, [name, model, published], [name, shell.collection], show_progress="minimal",
            show_progress_on=[name], api_visibility="private",
        )  # fmt: skip
    # Programs give the name alone, as when there was nothing to choose. A private event that has the name of
    # its function would take theirs.
    by_name = gr.Button("Create", visible=False, elem_id="collection-create-by-name")
    for number in range(2):
        by_name.click(
            lambda wanted: make_collection(wanted, "", False), name, [name, shell.collection],
            api_name=f"create_collection_{number}", api_visibility="undocumented",
        )  # fmt: skip


def _labelled(choices: Sequence[ModelChoice]) -> list[tuple[str, str]]:
    return [(f"{choice.name}: {choice.words}", choice.name) for choice in choices]


def _deletion(services: Services, shell: Shell) -> None:
    """Deleting the chosen collection takes two steps; the second says what goes and what stays."""
    with gr.Row():
        ask = gr.Button(
            "Delete this collection …", size="sm", scale=0, min_width=190, elem_id="collection-delete"
        )
    with gr.Row(visible=False, elem_id="collection-confirm") as confirm:
        words = gr.HTML("", apply_default_css=False, elem_id="collection-words")
        delete = gr.Button(
            "Delete", variant="stop", size="sm", scale=0, min_width=90, elem_id="collection-delete-yes"
        )
        keep = gr.Button("Keep", size="sm", scale=0, min_width=90, elem_id="collection-delete-no")

    def ask_first(collection: str) -> tuple[Any, ...]:
        info = services.collection(collection)
        return markup.deletion_question(collection, info.documents if info else 0), gr.Row(visible=True)

    def drop(collection: str) -> tuple[Any, ...]:
        services.drop_collection(collection)
        left = [
            collection_name
            for collection_name in services.collection_names()
            if collection_name != collection
        ] or [DEFAULT_COLLECTION]
        return gr.Row(visible=False), gr.Dropdown(choices=left, value=left[0]), *refresh(services, left[0])

    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    ask.click(guarded(ask_first), shell.collection, [words, confirm], **hidden)
    for event in (keep.click, shell.collection.change):
        event(lambda: gr.Row(visible=False), None, confirm, **hidden)
    delete.click(
        guarded(drop), shell.collection, [confirm, shell.collection, *shell.refresh_outputs], **hidden
    )
