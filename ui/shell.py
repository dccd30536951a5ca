"""What the tabs share: components around them, scripts, and how the page learns of changes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from ui import markup_library
from ui.services.library import Services

STATIC = Path(__file__).parent / "static"

TO_DOWNLOAD = "() => setTimeout(() => document.querySelector('#download')?.click(), 150)"
"""Runs after an event has put a file behind the hidden download button."""


@dataclass(frozen=True)
class Shell:
    """Components around the tabs.

    ``revision`` is a fingerprint of everything the page shows; whoever changes the library has it written by
    :func:`refresh`, and a change of it redraws what depends on it.
    """

    collection: gr.Dropdown
    counts: gr.HTML
    jobs: gr.HTML
    timer: gr.Timer
    revision: gr.State
    download: gr.DownloadButton

    @property
    def refresh_outputs(self) -> list[gr.components.Component]:
        """The components that :func:`refresh` writes, in its order."""
        return [self.jobs, self.timer, self.revision]


def script(name: str) -> str:
    """A script of ``ui/static`` for ``js_on_load``."""
    return (STATIC / name).read_text(encoding="utf-8")


def refresh(services: Services, collection: str) -> tuple[str, gr.Timer, str]:
    """The job lines, a timer that runs while jobs do, and the fingerprint of the library."""
    running = services.running_jobs()
    finished = services.latest_finished()
    infos = services.collections()
    seen = repr(
        (
            collection,
            [(info.name, info.documents, info.chunks) for info in infos],
            [job.id for job in running],
            finished and finished.id,
        )
    )
    fingerprint = hashlib.blake2b(seen.encode(), digest_size=8).hexdigest()
    faster = [job.id for job in running if services.library.may_go_fast(job)]
    lost = 0 if running else services.lost_by(finished)
    undo = services.undo_of(finished)
    is_indexing = not running and services.library.vectors.is_indexing(collection)
    lines = markup_library.jobs(
        running, finished, faster=faster, undo=undo, lost=lost, is_indexing=is_indexing
    )
    is_moving = bool(running) or is_indexing or services.library.watching.is_watching
    return lines, gr.Timer(active=is_moving), fingerprint
