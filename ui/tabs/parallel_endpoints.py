"""Parallel text for programs; files come in through ``/parallel_start`` and ``/parallel_open``."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast, get_args

import gradio as gr

from indexer.bitext.reviews import Bitext
from indexer.bitext.values import State
from ui.errors import UiError
from ui.guard import guarded
from ui.services.parallel import Job
from ui.services.reviews import Bitexts
from ui.tabs.parallel_page import PAGE_ROWS, filter_from


def add_endpoints(bitexts: Bitexts) -> None:
    """Endpoints over the parallel texts."""

    def parallel_texts() -> list[dict[str, Any]]:
        """All parallel texts and runs, the newest first."""
        jobs = {item.id: item for item in bitexts.collect_finished()}
        known = {item.id: item for item in bitexts.all()}
        return [
            _to_json(bitexts, known.get(item), jobs.get(item))
            for item in sorted({*known, *jobs}, reverse=True)
        ]

    def parallel_pairs(
        bitext: str, state: str = "", flag: str = "", sort: str = "best", page: int = 0
    ) -> list[dict[str, Any]]:
        """A page of pairs with their decisions."""
        result = bitexts.get(bitext)
        where, order = filter_from(result, (state, flag, "", sort, ""))
        rows = bitexts.catalog.bitexts.pairs(
            result.id, where, order, offset=PAGE_ROWS * max(0, int(page)), limit=PAGE_ROWS
        )
        return [{"number": row.number, **_plain(asdict(row.pair))} for row in rows]

    def parallel_decide(bitext: str, numbers: list[int], state: str) -> int:
        """Accept, reject or reopen pairs by number; how many changed."""
        return bitexts.catalog.bitexts.decide(
            bitexts.get(bitext).id, [int(number) for number in numbers], to_state(state)
        )

    def parallel_score(bitext: str) -> str:
        """Score imported pairs, in the background; ``/parallel_texts`` tells how far it is."""
        return bitexts.score(bitext).state

    for endpoint in (parallel_texts, parallel_pairs, parallel_decide, parallel_score):
        gr.api(guarded(endpoint), api_name=endpoint.__name__)


def _to_json(bitexts: Bitexts, bitext: Bitext | None, job: Job | None) -> dict[str, Any]:
    if bitext is None:
        assert job is not None
        return {
            "bitext": job.id, "name": job.request.name, "state": job.state, "share": job.share,
            "message": job.message,
        }  # fmt: skip
    counts, summary = bitexts.catalog.bitexts.counts(bitext.id), bitexts.summary(bitext)
    state = job.state if job and job.request.scored else "done"
    return {
        "bitext": bitext.id, "name": bitext.name, "state": state, "kind": bitext.kind,
        "languages": [bitext.source_language, bitext.target_language], "pairs": counts.total,
        "states": dict(counts.states), "flags": dict(counts.flags), "line": bitext.threshold,
        "above": summary.above if summary else None,
        "estimated_precision": summary.estimated if summary else None,
        "reviewed_precision": asdict(summary.reviewed) if summary and summary.reviewed else None,
    }  # fmt: skip


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """NaN, which JSON has not, as None."""
    return {name: None if value != value else value for name, value in values.items()}  # noqa: PLR0124 - NaN


def to_state(word: object) -> State:
    """A state out of what a program or the page says.

    Raises:
        UiError: there is no such state.
    """
    if word not in get_args(State):
        raise UiError(f"A pair cannot be '{word}'. Expected {', '.join(get_args(State))}. Choose one.")
    return cast(State, word)
