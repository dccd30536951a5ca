"""The fold of the tab Library that says where the vectors are and moves them; for the owner of the page."""

from typing import Any

import gradio as gr

from ui import formatting as fmt
from ui.guard import guarded
from ui.services import home
from ui.services.library import Services
from ui.shell import Shell, refresh


def build(services: Services, shell: Shell) -> None:
    """Lay the fold out and wire it."""
    if not services.is_private:
        return
    with gr.Accordion("Where the vectors are", open=False, elem_id="home") as fold:
        words = gr.HTML("", apply_default_css=False, elem_id="home-words")
        with gr.Row(elem_id="home-move"):
            address = gr.Textbox(
                placeholder="Address of a Qdrant server: qdrant.internal:6333",
                label="Address",
                show_label=False,
                container=False,
                scale=4,
                elem_id="home-address",
            )
            there = gr.Button("Move there", size="sm", scale=0, min_width=110, elem_id="home-there")
        with gr.Row():
            back = gr.Button(
                "Move into the data folder",
                size="sm",
                scale=0,
                min_width=210,
                visible=False,
                elem_id="home-back",
            )
            delete = gr.Button(
                "Delete the copy", size="sm", scale=0, min_width=140, visible=False, elem_id="home-delete"
            )

    def draw() -> tuple[Any, ...]:
        now = home.look(services.library)
        return _words(now), gr.Button(visible=not now.is_embedded), gr.Button(visible=now.copy is not None)

    def move(where: str | None, collection: str) -> tuple[Any, ...]:
        home.move(services.library, services.access, where)
        return "", *refresh(services, collection)

    def drop() -> tuple[Any, ...]:
        home.delete_copy(services.library, services.access)
        return draw()

    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    shown = [words, back, delete]
    for event in (fold.expand, shell.revision.change):
        event(guarded(draw), None, shown, **hidden)
    outputs = [address, *shell.refresh_outputs]
    for submit in (address.submit, there.click):
        submit(guarded(move), [address, shell.collection], outputs, **hidden)
    back.click(guarded(lambda collection: move(None, collection)), shell.collection, outputs, **hidden)
    delete.click(guarded(drop), None, shown, **hidden)


def _words(now: home.Home) -> str:
    lines = [
        f"The vectors of all collections are <b>{fmt.text(now.place)}</b>. Moving them embeds nothing anew; "
        "searches go on meanwhile."
    ]
    if now.copy is not None:
        lines.append(f"A copy is kept <b>{fmt.text(now.copy)}</b>.")
    return "".join(f"<p>{line}</p>" for line in lines)
