"""What the tab Train may do: start and look after runs, and put their models to use. No gradio.

Everything is files: ``DATA/runs/NAME`` is a run, and its ``about.json`` says what it was started for.
"""

import json
import re
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.types import JobInfo
from trainer.data.import_pairs import Split, hold_out
from trainer.errors import DataError, TrainingError
from trainer.run import estimate as estimates
from trainer.run import launch, records
from ui.services.access import Access
from ui.services.training_pairs import Drafts, languages_of, safe_name
from ui.services.training_plan import PURPOSES
from ui.services.training_request import Orders, TrainingRequest

if TYPE_CHECKING:
    from indexer.library.library import Library

MAX_TITLE = 80
RESERVED = "new"  # in the address of the page it means the form
MODEL_FILES = "model"
PIECES_REPORT = Path("tokenizer", "report.json")  # as trainer.models.new_pieces writes it


class Training:
    """The runs of one data folder, with the imported pairs for them.

    Args:
        library: whose collections give pairs and take trained models.
        access: what may be named.
    """

    def __init__(self, library: "Library", access: Access) -> None:
        self.library = library
        self.folder = access.data_dir / "runs"
        self.drafts = Drafts(library, self.folder, access)
        self.orders = Orders(library, self.folder, access)
        self._followers: dict[Path, records.MetricsFollower] = {}
        self._starting = threading.Lock()

    # -- looking ----------------------------------------------------------------------------------------

    def runs(self) -> list[records.Run]:
        """All runs, the newest first."""
        return records.list_runs(self.folder)

    def run(self, name: str) -> records.Run:
        """The run of that name.

        Raises:
            TrainingError: there is none.
        """
        result = records.read_run(self.folder / name) if name == safe_name(name) else None
        if result is None:
            raise TrainingError(
                f"There is no run called '{name}'. Expected one of the list; choose it there."
            )
        return result

    def about(self, run: records.Run) -> dict[str, Any]:
        """What a run was started for: title, purpose, base, data; empty for runs of the terminal."""
        return records.read_json(run.folder / "about.json")

    def metrics(self, run: records.Run) -> list[dict[str, Any]]:
        """The rows of its curve so far."""
        path = run.folder / "metrics.jsonl"
        return self._followers.setdefault(path, records.MetricsFollower(path)).look()

    def pieces(self, run: records.Run) -> dict[str, Any]:
        """How many pieces it has added to the vocabulary, and the tokens of a text before and after."""
        return records.read_json(run.folder / PIECES_REPORT)

    def card(self, run: records.Run) -> str:
        """The model card of a finished run."""
        path = run.folder / MODEL_FILES / "README.md"
        return path.read_text(encoding="utf8") if path.is_file() else ""

    # -- starting and ending ----------------------------------------------------------------------------

    def start(self, order: TrainingRequest) -> records.Run:
        """Divide the pairs, write the recipe and start the run in a process of its own.

        Raises:
            TrainingError: another run is going on, or disk or memory do not suffice.
            DataError: too few pairs are left.
        """
        with self._starting:
            self._require_idle()
            needed = self.orders.estimate(order)
            estimates.check(needed)
            purpose, draft = PURPOSES[order.purpose], order.draft
            folder = self._free_folder(order.title or f"{purpose.key} {Path(draft.name).stem}")
            try:
                split = hold_out(draft.pairs_file, folder / "data", languages_of, purpose.measured_as)
                _require_a_batch(split, order.settings.batch_size)
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
                records.write_json(folder / "about.json", about)
                return launch.start_run(folder, self.orders.recipe(order, folder, split))
            except Exception:
                shutil.rmtree(folder, ignore_errors=True)
                raise

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
                f"Run '{alive.name}' is running (step {alive.step} of {alive.steps}). One run at a time is "
                "expected: two would each take more than twice as long. Wait for it, or stop it; a stopped "
                "run can be resumed."
            )

    def _free_folder(self, title: str) -> Path:
        """A new folder for a run, named after its title in signs that a model's name may have."""
        stem = re.sub(r"[^a-z0-9]+", "-", title.casefold())[:48].strip("-") or "model"
        taken = {RESERVED, *(model.name for model in self.library.models())}
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


def _require_a_batch(split: Split, batch_size: int) -> None:
    if split.train < batch_size:
        raise DataError(
            f"{split.train} pairs are left to train on and a batch is {batch_size}. Expected more pairs than "
            "one batch. Lower the pairs per batch, or bring more pairs."
        )


def _changed(config: Mapping[str, Any], *, smaller: bool, slower: bool) -> dict[str, Any]:
    recipe = json.loads(json.dumps(dict(config)))
    if smaller:
        tokens = int(recipe.setdefault("runtime", {}).get("mini_batch_tokens", 16_384))
        recipe["runtime"]["mini_batch_tokens"] = max(256, tokens // 2)
    if slower:
        recipe["optim"]["learning_rate"] = float(recipe["optim"]["learning_rate"]) / 5
    return dict(recipe)
