"""What somebody wants to train: which model, settings, cost and recipe. No gradio."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from me5.registry import MODELS, SHIPPED, resolve_spec
from trainer.data.import_pairs import Split, iter_pairs
from trainer.errors import TrainingError
from trainer.run import estimate as estimates
from trainer.run import records
from ui.services.access import Access
from ui.services.training_pairs import DRAFTS, Draft
from ui.services.training_plan import PURPOSES, Settings, preset

if TYPE_CHECKING:
    from indexer.library.library import Library

OFFERED = ("fast", "builtin", "small", "base", "large")
"""Models of the registry that can be trained: pooled unit vectors with fixed prefixes."""
DEFAULT_BASE = "fast"
"""Learns in minutes on any machine."""
TOKEN_SAMPLE = 200


@dataclass(frozen=True)
class Base:
    """A model that training may start from; ``value`` is what me5 resolves."""

    value: str
    label: str
    group: str


@dataclass(frozen=True)
class TrainingRequest:
    """What somebody wants to train."""

    purpose: str
    draft: Draft
    base: str
    settings: Settings
    title: str = ""


class Orders:
    """Prepares orders for one folder of runs.

    Args:
        library: whose registered models may be started from.
        folder: of the runs.
        access: what may be named.
    """

    def __init__(self, library: "Library", folder: Path, access: Access) -> None:
        self.library = library
        self.folder = folder
        self.access = access

    def bases(self) -> list[Base]:
        """Models to start from: of the registry, registered ones, and those of finished runs."""
        results = []
        for name in filter(partial(self.access.allows, "model"), OFFERED):
            spec = MODELS[name]
            body = estimates.read_body(resolve_spec(name) if name in SHIPPED else spec)
            here = body.path is not None
            where = "on this computer" if here else f"fetched first, {_mega((spec.parameters or 0) * 4)}"
            cost = f"{body.layers} layers" if body.layers else "no layers: the quickest"
            size = f"{_millions(spec.parameters)} parameters"
            results.append(Base(name, f"{name} · {size} · {cost} · {where}", "known"))
        for model in self.library.models():
            if model.folder is not None and not model.problem:
                results.append(Base(model.name, f"{model.name} · registered here", "registered"))
        for run in records.list_runs(self.folder):
            if run.model is not None:
                results.append(Base(str(run.model), f"{run.name} · an earlier run", "run"))
        return results

    def body(self, base: str) -> estimates.Body:
        """The shape of a base model.

        Raises:
            Me5Error: there is no such model.
            NotOfferedError: it is not offered on this page.
        """
        return estimates.read_body(resolve_spec(self._locate(base)))

    def preset(self, purpose: str, base: str, draft: Draft | None) -> Settings:
        """Settings that fit purpose, model, machine and number of pairs."""
        return preset(PURPOSES[purpose], self.body(base), draft.intake.usable if draft else 2_000)

    def with_settings(self, order: TrainingRequest, changed: Mapping[str, Any]) -> TrainingRequest:
        """The order with its preset settings, some of them changed by name.

        Raises:
            TrainingError: there is no such setting.
        """
        settings = self.preset(order.purpose, order.base, order.draft)
        unknown = sorted(set(changed) - set(vars(settings)))
        if unknown:
            raise TrainingError(
                f"There is no setting '{unknown[0]}'. Expected some of {', '.join(vars(settings))}."
            )
        return replace(order, settings=replace(settings, **changed))

    def estimate(self, order: TrainingRequest) -> estimates.Estimate:
        """Time, memory and disk of a run; the first time for a kind of model, the machine is measured."""
        body, settings = self.body(order.base), order.settings
        sample = [text for pair in islice(iter_pairs(order.draft.pairs_file), TOKEN_SAMPLE)
                  for text in (pair.query, f"{pair.title} {pair.passage}".strip())]  # fmt: skip
        tokens = estimates.mean_tokens(sample, body, settings.max_tokens)
        speed = estimates.measure_speed(
            body, self.folder / DRAFTS / "speed.json", precision=settings.precision, tokens=_padded(tokens)
        )
        rounds = 2 + (settings.steps // settings.evaluate_every if settings.evaluate_every else 0)
        work = estimates.Work(
            steps=settings.steps,
            batch_size=settings.batch_size,
            tokens=tokens,
            mini_batch_tokens=settings.mini_batch_tokens,
            keep=settings.keep,
            measured_texts=rounds * min(2_400, order.draft.intake.usable),
        )
        grown = replace(body, parameters=body.parameters + settings.new_pieces * body.hidden)
        self.folder.mkdir(parents=True, exist_ok=True)
        return estimates.estimate(grown, work, speed, self.folder, step_seconds=self._earlier_pace(order))

    def recipe(self, order: TrainingRequest, folder: Path, split: Split) -> dict[str, Any]:
        """The recipe of a run in ``folder``, whose pairs were divided as ``split`` says."""
        settings, purpose = order.settings, PURPOSES[order.purpose]
        source = {
            "name": "pairs",
            "path": str(folder / "data" / "train.jsonl"),
            "title": "title",
            "query_role": purpose.query_role,
            "passage_role": purpose.passage_role,
            "construction": purpose.construction,
            "volume": float(order.draft.intake.usable),
        }
        recipe: dict[str, Any] = {
            "stage": "contrastive",
            "out": str(folder),
            "start": {"model": self._locate(order.base), "new_pieces": settings.new_pieces},
            "sources": [source],
            "seed": 13,
            "optim": settings.optim(),
            "runtime": settings.runtime(),
        }
        if split.task is not None:
            recipe["evaluate"] = {"tasks": [str(split.task)], "every": settings.evaluate_every}
        return recipe

    def _earlier_pace(self, order: TrainingRequest) -> float | None:
        """Seconds of a step of the newest run of the same model, batch and length on this machine."""
        for run in records.list_runs(self.folder):
            about = records.read_json(run.folder / "about.json")
            optim, runtime = run.config.get("optim", {}), run.config.get("runtime", {})
            same = (
                about.get("base") == order.base
                and about.get("draft") == order.draft.id
                and optim.get("batch_size") == order.settings.batch_size
                and optim.get("max_tokens") == order.settings.max_tokens
                and runtime.get("precision") == order.settings.precision
            )
            rows = records.MetricsFollower(run.folder / "metrics.jsonl").look() if same else []
            if (pace := estimates.common_step_seconds(rows)) is not None:
                return pace
        return None

    def _locate(self, base: str) -> str:
        """What me5 resolves: registered models by their folder, everything else by its name."""
        self.access.require("model", base)
        return next(
            (str(model.folder) for model in self.library.models() if model.folder and model.name == base),
            base,
        )


def _padded(tokens: float) -> int:
    """A few lengths stand for all, so that a machine is measured few times."""
    return next((length for length in (16, 32, 64, 128, 256) if tokens <= length), 512)


def _mega(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes < 1e9 else f"{size_bytes / 1e9:.1f} GB"


def _millions(count: int | None) -> str:
    return f"{(count or 0) / 1e6:.0f} M"
