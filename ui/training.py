"""What the tab Train may do: take in pairs, prepare and estimate a run, start and look after runs. No gradio.

Everything is files: ``DATA/runs/NAME`` is a run (``about.json`` says what it was started for), and
``DATA/runs/.drafts/ID`` holds pairs that were brought and checked but not trained on yet. So a reload, a
second window and the next start of the app see the same.
"""

import hashlib
import json
import re
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.documents import JobInfo
from indexer.language import detect_many
from me5.registry import MODELS, resolve_spec
from trainer.data.intake import Columns, Intake, hold_out, iter_pairs, take_in
from trainer.data.pairs import Pair
from trainer.errors import DataError, TrainingError
from trainer.runs import estimate as estimates
from trainer.runs import launch, records
from ui.training_plan import PURPOSES, Purpose, Settings, preset

if TYPE_CHECKING:
    from indexer.library import Library

OFFERED = ("builtin", "small", "base", "large")
"""Models of the registry that can be trained: pooled unit vectors with fixed prefixes."""
DRAFT_DAYS = 7
TOKEN_SAMPLE = 200
MAX_TITLE = 80
MODEL_FILES = "model"


@dataclass(frozen=True)
class Base:
    """A model that training may start from; ``value`` is what me5 resolves."""

    value: str
    label: str
    group: str


@dataclass(frozen=True)
class Draft:
    """Pairs that were brought: where they are and what was found in them."""

    id: str
    folder: Path
    name: str
    intake: Intake

    @property
    def is_of_collection(self) -> bool:
        """Whether the pairs were made here, not brought."""
        return (self.folder / "collection").exists()

    @property
    def pairs_file(self) -> Path:
        """The usable pairs."""
        return self.folder / "pairs.jsonl"


@dataclass(frozen=True)
class Order:
    """What somebody wants to train."""

    purpose: str
    draft: Draft
    base: str
    settings: Settings
    title: str = ""


class Training:
    """The runs of one data folder.

    Args:
        library: whose collections give pairs and take trained models.
        data_dir: the data folder.
    """

    def __init__(self, library: "Library", data_dir: Path) -> None:
        self.library = library
        self.folder = data_dir / "runs"
        self._followers: dict[Path, records.MetricsFollower] = {}
        self._starting = threading.Lock()

    # -- pairs ------------------------------------------------------------------------------------------

    def draft_from_file(self, path: Path, columns: Columns | None = None) -> Draft:
        """Read and check a file of pairs.

        Raises:
            DataError: it cannot be read as pairs, or holds too few.
        """
        kept = self._place_draft(path, path.name)
        return self._check(kept, columns)

    def draft_from_collection(self, collection: str) -> Draft:
        """Make pairs of the documents of a collection: titles with passages, neighbouring passages.

        Raises:
            DataError: the collection is missing or gives too few.
        """
        from indexer.pairs import write_pairs

        aside = self.folder / ".drafts" / f"collection-{time.time_ns():x}.jsonl"
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_pairs(self.library.catalog, collection, aside)
            folder = self._place_draft(aside, collection)
            (folder / "collection").touch()
            return self._check(folder, None)
        finally:
            aside.unlink(missing_ok=True)

    def choose_columns(self, draft_id: str, query: str, passage: str) -> Draft:
        """Read a draft again with other columns as the two sides.

        Raises:
            DataError: it is gone, the columns are one, or they hold too few pairs.
        """
        known = self.draft(draft_id)
        if known is None or not query or query == passage:
            raise DataError(
                f"The columns '{query}' and '{passage}' cannot be the two sides. Expected two that differ. "
                "Choose two."
            )
        title = known.intake.columns.title
        return self._check(known.folder, Columns(query, passage, "" if title in (query, passage) else title))

    def draft(self, draft_id: str) -> Draft | None:
        """A draft that was checked before; None when it is gone."""
        folder = self.folder / ".drafts" / _safe_name(draft_id)
        said = records.read_json(folder / "draft.json")
        if not said:
            return None
        intake = said["intake"]
        intake |= {
            "columns": Columns(**intake["columns"]),
            "available": tuple(intake["available"]),
            "samples": tuple(Pair(**pair) for pair in intake["samples"]),
        }
        return Draft(folder.name, folder, said["name"], Intake(**intake))

    def _place_draft(self, path: Path, name: str) -> Path:
        """Copy a file into a folder named by its content, so that the same file is one draft."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
        self._remove_old_drafts()
        folder = self.folder / ".drafts" / digest
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / f"source{path.suffix.lower()}")
        (folder / "name.txt").write_text(name, encoding="utf8")
        return folder

    def _check(self, folder: Path, columns: Columns | None) -> Draft:
        source = next(folder.glob("source.*"), None)
        if source is None:
            raise DataError("These pairs are no longer there. Expected a file. Choose the file again.")
        name = (folder / "name.txt").read_text(encoding="utf8")
        try:
            intake = take_in(source, folder / "pairs.jsonl", languages_of, columns)
        except DataError as error:
            raise DataError(str(error).replace(f"'{source.name}'", f"'{name}'")) from error
        said = {"name": name, "intake": asdict(intake)}
        (folder / "draft.json").write_text(json.dumps(said, ensure_ascii=False), encoding="utf8")
        return Draft(folder.name, folder, name, intake)

    def _remove_old_drafts(self) -> None:
        for folder in (self.folder / ".drafts").glob("*"):
            if folder.stat().st_mtime < time.time() - DRAFT_DAYS * 86_400:
                shutil.rmtree(folder, ignore_errors=True)

    # -- preparing --------------------------------------------------------------------------------------

    def bases(self) -> list[Base]:
        """Models to start from: of the registry, registered ones, and those of finished runs."""
        found = []
        for name in OFFERED:
            spec = MODELS[name]
            here = estimates.read_body(resolve_spec(name) if name == "builtin" else spec).path is not None
            where = "on this computer" if here else f"fetched first, {_mega((spec.parameters or 0) * 4)}"
            found.append(Base(name, f"{name} · {_millions(spec.parameters)} parameters · {where}", "known"))
        for model in self.library.models():
            if model.folder is not None and not model.problem:
                found.append(Base(model.name, f"{model.name} · registered here", "registered"))
        for run in self.runs():
            if run.model is not None:
                found.append(Base(str(run.model), f"{run.name} · an earlier run", "run"))
        return found

    def body(self, base: str) -> estimates.Body:
        """The shape of a base model.

        Raises:
            Me5Error: there is no such model.
        """
        return estimates.read_body(resolve_spec(self._locate(base)))

    def preset(self, purpose: str, base: str, draft: Draft | None) -> Settings:
        """Settings that fit purpose, model, machine and number of pairs."""
        return preset(PURPOSES[purpose], self.body(base), draft.intake.usable if draft else 2_000)

    def with_settings(self, order: Order, changed: Mapping[str, Any]) -> Order:
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

    def estimate(self, order: Order) -> estimates.Estimate:
        """Time, memory and disk of a run; the first time for a kind of model, the machine is measured."""
        body, settings = self.body(order.base), order.settings
        sample = [text for pair in islice(iter_pairs(order.draft.pairs_file), TOKEN_SAMPLE)
                  for text in (pair.query, f"{pair.title} {pair.passage}".strip())]  # fmt: skip
        tokens = estimates.mean_tokens(sample, body, settings.max_tokens)
        speed = estimates.measure_speed(
            body, self.folder / ".drafts" / "speed.json", precision=settings.precision, tokens=_padded(tokens)
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
        self.folder.mkdir(parents=True, exist_ok=True)
        return estimates.estimate(body, work, speed, self.folder, step_seconds=self._earlier_pace(order))

    def _earlier_pace(self, order: Order) -> float | None:
        """Seconds of a step of the newest run of the same model, batch and length on this machine."""
        for run in self.runs():
            optim, runtime = run.config.get("optim", {}), run.config.get("runtime", {})
            same = (
                self.about(run).get("base") == order.base
                and self.about(run).get("draft") == order.draft.id
                and optim.get("batch_size") == order.settings.batch_size
                and optim.get("max_tokens") == order.settings.max_tokens
                and runtime.get("precision") == order.settings.precision
            )
            pace = estimates.common_step_seconds(self.metrics(run)) if same else None
            if pace is not None:
                return pace
        return None

    def _locate(self, base: str) -> str:
        """What me5 resolves: registered models by their folder, everything else by its name."""
        return next(
            (str(model.folder) for model in self.library.models() if model.folder and model.name == base),
            base,
        )

    # -- runs -------------------------------------------------------------------------------------------

    def runs(self) -> list[records.Run]:
        """All runs, the newest first."""
        return records.list_runs(self.folder)

    def run(self, name: str) -> records.Run:
        """The run of that name.

        Raises:
            TrainingError: there is none.
        """
        found = records.read_run(self.folder / name) if name == _safe_name(name) else None
        if found is None:
            raise TrainingError(
                f"There is no run called '{name}'. Expected one of the list; choose it there."
            )
        return found

    def about(self, run: records.Run) -> dict[str, Any]:
        """What a run was started for: title, purpose, base, data; empty for runs of the terminal."""
        return records.read_json(run.folder / "about.json")

    def metrics(self, run: records.Run) -> list[dict[str, Any]]:
        """The rows of its curve so far."""
        path = run.folder / "metrics.jsonl"
        return self._followers.setdefault(path, records.MetricsFollower(path)).look()

    def card(self, run: records.Run) -> str:
        """The model card of a finished run."""
        path = run.folder / MODEL_FILES / "README.md"
        return path.read_text(encoding="utf8") if path.is_file() else ""

    def start(self, order: Order) -> records.Run:
        """Divide the pairs, write the recipe and start the run in a process of its own.

        Raises:
            TrainingError: another run is going on, or disk or memory do not suffice.
            DataError: too few pairs are left.
        """
        with self._starting:
            self._require_idle()
            needed = self.estimate(order)
            estimates.check(needed)
            purpose, draft = PURPOSES[order.purpose], order.draft
            folder = self._free_folder(order.title or f"{purpose.key} {Path(draft.name).stem}")
            data = folder / "data"
            try:
                split = hold_out(draft.pairs_file, data, languages_of, purpose.measured_as)
                settings = order.settings
                if split.train < settings.batch_size:
                    raise DataError(
                        f"{split.train} pairs are left to train on and a batch is {settings.batch_size}. "
                        "Expected more pairs than one batch. Lower the pairs per batch, or bring more pairs."
                    )
                about = {
                    "title": order.title.strip()[:MAX_TITLE] or folder.name,
                    "purpose": purpose.key,
                    "base": order.base,
                    "data": draft.name,
                    "draft": draft.id,
                    "train": split.train,
                    "held_out": split.held_out,
                    "seconds": needed.seconds,
                }
                text = json.dumps(about, ensure_ascii=False)
                (folder / "about.json").write_text(text, encoding="utf8")
                recipe = self._recipe(folder, purpose, order, split.task)
                return launch.start_run(folder, recipe)
            except Exception:
                shutil.rmtree(folder, ignore_errors=True)
                raise

    def _recipe(self, folder: Path, purpose: Purpose, order: Order, task: Path | None) -> dict[str, Any]:
        settings = order.settings
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
            "start": {"model": self._locate(order.base)},
            "sources": [source],
            "seed": 13,
            "optim": settings.optim(),
            "runtime": settings.runtime(),
        }
        if task is not None:
            recipe["evaluate"] = {"tasks": [str(task)], "every": settings.evaluate_every}
        return recipe

    def stop(self, name: str) -> None:
        """Ask a run to finish its step, save and end."""
        launch.stop_run(self.run(name))

    def kill(self, name: str) -> None:
        """End a run at once; it goes on from its last checkpoint when resumed."""
        launch.kill_run(self.run(name))

    def resume(self, name: str, *, smaller: bool = False, slower: bool = False) -> records.Run:
        """Go on with a run that has ended before its last step.

        Args:
            name: of the run.
            smaller: with half the tokens per mini-batch, after memory ran out. The result is the same.
            slower: with a fifth of the learning rate, after the loss was not finite.

        Raises:
            TrainingError: it goes on already, is finished, or another one is going on.
        """
        with self._starting:
            run = self.run(name)
            if not run.can_resume:
                raise TrainingError(
                    f"Run '{name}' is {run.state}. Expected one that ended early. Start a new one."
                )
            self._require_idle()
            recipe = _changed(run.config, smaller=smaller, slower=slower)
            return launch.start_run(run.folder, recipe | {"out": str(run.folder)}, resume=True)

    def delete(self, name: str) -> None:
        """Remove a run with its checkpoints; a model that was registered is a copy and stays."""
        run = self.run(name)
        launch.delete_run(run)
        self._followers.pop(run.folder / "metrics.jsonl", None)

    def _require_idle(self) -> None:
        alive = next((run for run in self.runs() if run.is_alive), None)
        if alive is not None:
            raise TrainingError(
                f"Run '{alive.name}' is going on (step {alive.step} of {alive.steps}). One run at a time is "
                "expected: two would each take more than twice as long. Wait for it, or stop it; a stopped "
                "run can be resumed."
            )

    def _free_folder(self, title: str) -> Path:
        """A new folder for a run, named after its title in signs that a model's name may have."""
        stem = re.sub(r"[^a-z0-9]+", "-", title.casefold())[:48].strip("-") or "model"
        taken = {model.name for model in self.library.models()}
        number = 1
        while True:
            name = stem if number == 1 else f"{stem}-{number}"
            if name not in taken and not (self.folder / name).exists():
                (self.folder / name).mkdir(parents=True)
                return self.folder / name
            number += 1

    # -- using a model ----------------------------------------------------------------------------------

    def is_registered(self, name: str) -> bool:
        """Whether a model of that name is registered."""
        return any(model.name == name and model.folder for model in self.library.models())

    def register(self, name: str) -> Path:
        """Copy the model of a finished run to the models of the data folder.

        Raises:
            TrainingError: the run is not finished.
            ModelError: the model does not work, or its name is taken.
        """
        run = self.run(name)
        if run.model is None:
            raise TrainingError(f"Run '{name}' is {run.state}. Expected a finished one. Resume it first.")
        return self.library.register_model(run.folder, name)

    def use(self, name: str, collection: str) -> JobInfo:
        """Embed a collection again with the model of a run, in the background; registers it where needed."""
        if not self.is_registered(name):
            self.register(name)
        return self.library.switch_model(collection, name)

    def undo(self, collection: str) -> JobInfo:
        """Go back to the model that the collection had before."""
        return self.library.undo_switch(collection)

    def previous_model(self, collection: str) -> str | None:
        """The model that :meth:`undo` would bring back, if any."""
        known = any(info.name == collection for info in self.library.collections())
        return self.library.previous_model(collection) if known else None


def languages_of(texts: Sequence[str]) -> list[str]:
    """The language of each text."""
    return [guess.language for guess in detect_many(texts)]


def _changed(config: Mapping[str, Any], *, smaller: bool, slower: bool) -> dict[str, Any]:
    recipe = json.loads(json.dumps(dict(config)))
    if smaller:
        tokens = int(recipe.setdefault("runtime", {}).get("mini_batch_tokens", 16_384))
        recipe["runtime"]["mini_batch_tokens"] = max(256, tokens // 2)
    if slower:
        recipe["optim"]["learning_rate"] = float(recipe["optim"]["learning_rate"]) / 5
    return dict(recipe)


def _safe_name(name: str) -> str:
    """The name without anything that would lead out of its folder."""
    cleaned = Path(str(name)).name
    return "" if cleaned.startswith(".") else cleaned


def _padded(tokens: float) -> int:
    """A few lengths stand for all, so that a machine is measured few times."""
    return next((length for length in (16, 32, 64, 128, 256) if tokens <= length), 512)


def _mega(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes < 1e9 else f"{size_bytes / 1e9:.1f} GB"


def _millions(count: int | None) -> str:
    return f"{(count or 0) / 1e6:.0f} M"
