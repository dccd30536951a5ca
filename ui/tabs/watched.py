"""The fold of the tab Library with the folders that are watched; for the owner of the page."""

from typing import Any

import gradio as gr

from ui import markup_library as markup
from ui.guard import guarded
from ui.services import watching
from ui.services.library import Services
from ui.shell import Shell, refresh, script


def build(services: Services, shell: Shell) -> None:
    """Lay the fold out and wire it."""
    if not services.is_private:
        return
    with gr.Accordion("Watched folders", open=False, elem_id="watched") as fold:
        shown = gr.HTML(
            "", js_on_load=script("watched.js"), apply_default_css=False, elem_id="watched-folders"
        )
        with gr.Row(elem_id="watched-new"):
            path = gr.Textbox(
                placeholder="Path of a folder on this computer, kept in step with this collection",
                label="Folder",
                show_label=False,
                container=False,
                scale=4,
                elem_id="watched-path",
            )
            button = gr.Button("Watch", size="sm", scale=0, min_width=90, elem_id="watched-add")

    def draw() -> str:
        return markup.watched(watching.folders(services.library, services.access))

    def add(where: str, collection: str) -> tuple[Any, ...]:
        watching.add(services.library, services.access, where, collection)
        return "", draw(), *refresh(services, collection)

    def change(collection: str, event: gr.EventData) -> tuple[Any, ...]:
        watching.change(services.library, services.access, str(event.folder), str(event.action))
        return draw(), *refresh(services, collection)

    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    for event in (fold.expand, shell.revision.change):
        event(guarded(draw), None, shown, **hidden)
    for submit in (path.submit, button.click):
        submit(guarded(add), [path, shell.collection], [path, shown, *shell.refresh_outputs], **hidden)
    shown.change_folder(guarded(change), shell.collection, [shown, *shell.refresh_outputs], **hidden)
