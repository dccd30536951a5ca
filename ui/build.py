"""Puts the page together: header, tabs, what happens on load, and the endpoints for programs."""

from typing import Any

import gradio as gr

from ui import api, markup_library, markup_search
from ui.guard import guarded
from ui.no_fetching import never_fetch_addresses
from ui.services.library import DEFAULT_COLLECTION, Services
from ui.services.training import Training
from ui.shell import Shell, refresh, script
from ui.tabs import evaluate, library, parallel, search, train

POLL_SECONDS = 1.0
CONCURRENT = 8
"""Requests that may be answered at once; the library is thread-safe."""
TITLE = "mE5 Search"
REMEMBER_TAB = """() => {
  if ('%(tab)s' === 'search' && window.me5Arriving) return void (window.me5Arriving = false);
  const url = new URL(window.location);
  url.searchParams.set('tab', '%(tab)s');
  window.history.replaceState(null, '', url);
}"""
"""Gradio also tells of the tab that it opens first, at times after the one of the address has been opened."""
REMEMBER_COLLECTION = """(collection) => {
  const url = new URL(window.location);
  url.searchParams.set('collection', collection || '');
  window.history.replaceState(null, '', url);
}"""

HEAD = """<script>
window.me5Tab = new URLSearchParams(window.location.search).get('tab');
window.me5Arriving = ![null, 'search'].includes(window.me5Tab);
window.me5OpenTab = (tab) => {
  const button = document.querySelector(`#tab-${CSS.escape(tab)}-button`);
  if (button) return button.click();
  const name = {parallel: 'Parallel text'}[tab] || tab;
  [...document.querySelectorAll('#tabs .overflow-dropdown button')]
    .find((one) => one.textContent.trim().toLowerCase() === name.toLowerCase())?.click();
};
</script>"""
"""Notes the tab of the address before gradio selects the first one, which changes the address. In a narrow
window the last tabs are in a menu, whose entries have no ids."""

OPEN_TAB = """() => {
  const tab = window.me5Tab;
  if (tab && tab !== 'search') window.me5OpenTab(tab);
}"""
"""Opens the tab that the address names. A click: an update of ``gr.Tabs`` loses what is in it."""


def build(services: Services) -> gr.Blocks:
    """The whole page over one library; nothing is served yet."""
    never_fetch_addresses()
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        training = Training(services.library, services.access)
        api.add_endpoints(services)  # first: names of endpoints go to who comes first
        train.add_endpoints(training)
        shell = _shell()
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Search", id="search", elem_id="tab-search") as first:
                search_tab = search.build(services, shell)
            with gr.Tab("Library", id="library", elem_id="tab-library") as second:
                library_tab = library.build(services, shell)
            with gr.Tab("Parallel text", id="parallel", elem_id="tab-parallel") as between:
                parallel_tab = parallel.build(services, shell, between)
            with gr.Tab("Train", id="train", elem_id="tab-train") as third:
                train_tab = train.build(services, shell, training)
            with gr.Tab("Evaluate", id="evaluate", elem_id="tab-evaluate") as fourth:
                evaluate.build(services, shell)
        for handle in (first, second, between, third, fourth):
            handle.select(None, js=REMEMBER_TAB % {"tab": handle.id}, api_visibility="private")
        parallel.wire_training(parallel_tab, training, train_tab)
        _wire_revision(services, shell, search_tab, library_tab)
        library.wire_offer(services, shell, library_tab, second)
        _wire_welcome(services, shell, search_tab)
        _wire_load(page, services, shell, search_tab)
        train.wire_load(page, third, shell, train_tab)
    return page.queue(default_concurrency_limit=CONCURRENT)


def _shell() -> Shell:
    with gr.Row(elem_id="header"):
        gr.HTML(f'<span class="brand">{TITLE}</span>', apply_default_css=False, elem_id="brand")
        collection = gr.Dropdown(
            [DEFAULT_COLLECTION],
            value=DEFAULT_COLLECTION,
            label="Collection",
            show_label=False,
            container=False,
            min_width=150,
            scale=0,
            interactive=True,
            allow_custom_value=True,  # another tab may have made it
            elem_id="collection",
        )
        counts = gr.HTML("", apply_default_css=False, elem_id="counts")
    jobs = gr.HTML("", js_on_load=script("jobs.js"), apply_default_css=False, elem_id="jobs")
    download = gr.DownloadButton(visible="hidden", elem_id="download")
    return Shell(collection, counts, jobs, gr.Timer(POLL_SECONDS, active=False), gr.State(""), download)


def _wire_revision(
    services: Services, shell: Shell, search_tab: search.SearchTab, library_tab: library.LibraryTab
) -> None:
    """Look for news while jobs run and when somebody returns; draw what depends on them when they change."""
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def refresh_again(collection: str) -> tuple[Any, ...]:
        return refresh(services, collection)

    def cancel(collection: str, event: gr.EventData) -> tuple[Any, ...]:
        services.cancel(str(event.job))
        return refresh(services, collection)

    def go_fast(collection: str, event: gr.EventData) -> tuple[Any, ...]:
        services.fast_first(str(event.job))
        return refresh(services, collection)

    def undo(collection: str, event: gr.EventData) -> tuple[Any, ...]:
        services.undo_switch(str(event.collection))
        return refresh(services, collection)

    def remove_lost(collection: str, event: gr.EventData) -> tuple[Any, ...]:
        services.remove_lost(str(event.job))
        return refresh(services, collection)

    def dismiss(collection: str, event: gr.EventData) -> tuple[Any, ...]:
        services.dismissed_jobs.add(str(event.job))
        return refresh(services, collection)

    def draw(collection: str, words: str, order: tuple[str, bool]) -> tuple[Any, ...]:
        return _draw(services, collection, words, order)

    for event in (shell.timer.tick, shell.collection.change, shell.jobs.refresh):
        event(guarded(refresh_again), shell.collection, shell.refresh_outputs, **hidden)
    shell.collection.change(None, shell.collection, js=REMEMBER_COLLECTION, api_visibility="private")
    shell.jobs.cancel(guarded(cancel), shell.collection, shell.refresh_outputs, **hidden)
    shell.jobs.fast(guarded(go_fast), shell.collection, shell.refresh_outputs, **hidden)
    shell.jobs.undo(guarded(undo), shell.collection, shell.refresh_outputs, **hidden)
    shell.jobs.lost(guarded(remove_lost), shell.collection, shell.refresh_outputs, **hidden)
    shell.jobs.dismiss(guarded(dismiss), shell.collection, shell.refresh_outputs, **hidden)
    shell.revision.change(
        guarded(draw),
        [shell.collection, library_tab.words, library_tab.order],
        [
            shell.counts, library_tab.languages, library_tab.table, search_tab.welcome, search_tab.ask,
            search_tab.questions, search_tab.languages, search_tab.file_types, search_tab.folders,
        ],
        **hidden,
    )  # fmt: skip


def _draw(services: Services, collection: str, words: str, order: tuple[str, bool]) -> tuple[Any, ...]:
    info = services.collection(collection)
    has_something = bool(info and info.documents) or any(not job.folder for job in services.running_jobs())
    return (
        markup_library.header(info, info.model if info else services.model_name),
        markup_library.language_bar(info.languages if info else {}),
        library.draw_table(services, collection, words, order),
        gr.Column(visible=not has_something),
        gr.Column(visible=has_something),
        markup_search.questions(services.sample_questions(services.sample_documents(collection))),
        *search.filter_choices(services.facets(collection)),
    )


def _wire_welcome(services: Services, shell: Shell, search_tab: search.SearchTab) -> None:
    library.wire_uploads(services, shell, search_tab.drop, "add_welcome", "undocumented")

    def add_samples(collection: str) -> tuple[Any, ...]:
        services.add_samples(collection)
        return refresh(services, collection)

    search_tab.samples.click(
        guarded(add_samples), shell.collection, shell.refresh_outputs, show_progress="hidden",
        api_name="add_samples", api_visibility="undocumented",
    )  # fmt: skip


def _wire_load(page: gr.Blocks, services: Services, shell: Shell, search_tab: search.SearchTab) -> None:
    """A fresh page takes collection, tab and question from its address, then asks again."""

    def arrive(request: gr.Request) -> tuple[Any, ...]:
        wanted = dict(request.query_params)
        names = services.collection_names()
        collection = wanted.get("collection", "")
        chosen = collection if collection in names else names[0]
        return (
            gr.Dropdown(choices=names, value=chosen),
            wanted.get("q") or gr.skip(),  # whoever types while the page loads keeps what was typed
            *refresh(services, chosen),
        )

    def ask_again(request: gr.Request, *said: Any) -> Any:
        if not request.query_params.get("q"):
            return [gr.skip()] * len(search_tab.search_outputs)
        return search_tab.search(*said)

    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    page.load(
        guarded(arrive), None, [shell.collection, search_tab.query, *shell.refresh_outputs], **hidden
    ).then(
        guarded(ask_again), search_tab.search_inputs, search_tab.search_outputs, **hidden
    ).then(None, js=OPEN_TAB, api_visibility="private")  # fmt: skip
