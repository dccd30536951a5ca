"""The service behind the tab Train: drafts, presets, recipes, one run at a time. No process is started."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from indexer.library.encoders import KnownModel
from me5.errors import Me5Error
from trainer.config import build_config
from trainer.errors import DataError, TrainingError
from trainer.run import estimate as estimates
from trainer.run import launch
from trainer.run.records import Run, read_run
from trainer.stages.pretrain import ContrastiveConfig
from ui.services.access import Access
from ui.services.training import Training
from ui.services.training_plan import PURPOSES, Settings, preset
from ui.services.training_request import TrainingRequest

BODY = estimates.Body(118_000_000, 12, 384, 1536, 12, 512)


@pytest.fixture
def training(fake_library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    fake_library.models = list
    speed = estimates.Speed(1e-6, 2e-6, 1e-10)
    monkeypatch.setattr(estimates, "measure_speed", lambda *_, **__: speed)
    monkeypatch.setattr(launch, "_start_process", _no_process)
    return Training(fake_library, Access(tmp_path))


def _no_process(folder: Path, **options: Any) -> Any:
    (folder / "launch.json").write_text(json.dumps({"pid": None, "started_at": 1.0} | options))

    class Ended:
        pid = None

        def wait(self) -> int:
            return 143

    return Ended()


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "Hafen & Co.tsv"
    lines = [f"wann öffnet der Hafen {n}\tthe harbour number {n} opens at nine" for n in range(300)]
    path.write_text("query\tpassage\n" + "\n".join(lines) + "\n", encoding="utf8")
    return path


def order(training: Training, pairs: Path, base: str, **settings: Any) -> TrainingRequest:
    draft = training.drafts.from_file(pairs)
    values = {"batch_size": 16, "steps": 5, "max_tokens": 32} | settings
    return TrainingRequest("search", draft, base, Settings(**values), "Harbour archive")


def test_a_draft_survives_a_reload(training: Training, pairs: Path) -> None:
    draft = training.drafts.from_file(pairs)
    assert (draft.name, draft.intake.usable) == ("Hafen & Co.tsv", 300)
    assert training.drafts.find(draft.id) == draft
    assert training.drafts.from_file(pairs).id == draft.id
    assert training.drafts.find("") is None and training.drafts.find("../../etc") is None


def test_errors_name_the_file_that_was_brought(training: Training, tmp_path: Path) -> None:
    (tmp_path / "mein.tsv").write_text("a\tb\n")
    with pytest.raises(DataError, match=r"'mein\.tsv' holds"):
        training.drafts.from_file(tmp_path / "mein.tsv")


def test_the_recipe_is_one_that_trains(training: Training, pairs: Path, tiny_model_dir: Path) -> None:
    run = training.start(order(training, pairs, str(tiny_model_dir)))
    recipe = yaml.safe_load((run.folder / "recipe.yaml").read_text(encoding="utf8"))
    config = build_config(ContrastiveConfig, recipe)
    assert config.out == str(run.folder) and config.optim.steps == 5 and config.evaluate.tasks
    train = Path(config.sources[0].path).read_text(encoding="utf8").splitlines()
    about = training.about(run)
    assert run.name == "harbour-archive" and about["title"] == "Harbour archive"
    assert len(train) == about["train"] == 300 - about["held_out"] and about["held_out"] == 60
    again = training.start(order(training, pairs, str(tiny_model_dir)))
    assert again.name == "harbour-archive-2"


def test_only_a_new_language_brings_pieces(training: Training, pairs: Path, tiny_model_dir: Path) -> None:
    draft = training.drafts.from_file(pairs)
    for purpose, pieces in (("search", 0), ("translation", 0), ("language", 300 // 16)):
        settings = training.orders.preset(purpose, str(tiny_model_dir), draft)
        assert settings.new_pieces == pieces
    grown = TrainingRequest("language", draft, str(tiny_model_dir), replace(settings, batch_size=16))
    plain = replace(grown, settings=replace(grown.settings, new_pieces=0))
    needed, less = training.orders.estimate(grown), training.orders.estimate(plain)
    assert needed.memory_bytes > less.memory_bytes and needed.disk_bytes > less.disk_bytes
    recipe = yaml.safe_load((training.start(grown).folder / "recipe.yaml").read_text(encoding="utf8"))
    assert build_config(ContrastiveConfig, recipe).start.new_pieces == 18


def test_one_run_at_a_time(
    training: Training, pairs: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = Run("other", Path("/x"), "running", 3, 9)
    monkeypatch.setattr(training, "runs", lambda: [alive])
    with pytest.raises(TrainingError, match=r"'other' is running \(step 3 of 9\)"):
        training.start(order(training, pairs, str(tiny_model_dir)))


def test_nothing_is_left_of_a_run_that_did_not_start(
    training: Training, pairs: Path, tiny_model_dir: Path
) -> None:
    with pytest.raises(DataError, match="a batch is 512"):
        training.start(order(training, pairs, str(tiny_model_dir), batch_size=512))
    assert training.runs() == []
    with pytest.raises(Me5Error, match="no-such"):
        training.start(order(training, pairs, "./no-such-model"))


def test_a_run_that_does_not_fit_is_refused(
    training: Training, pairs: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(TrainingError, match="of disk"):
        training.start(order(training, pairs, str(tiny_model_dir)))
    assert training.runs() == []


def test_resume_can_take_less_memory_or_a_lower_rate(
    training: Training, pairs: Path, tiny_model_dir: Path
) -> None:
    run = training.start(
        order(training, pairs, str(tiny_model_dir), mini_batch_tokens=4096, learning_rate=1e-3)
    )
    training.resume(run.name, smaller=True)
    recipe = yaml.safe_load((run.folder / "recipe.yaml").read_text(encoding="utf8"))
    assert recipe["runtime"]["mini_batch_tokens"] == 2048 and recipe["optim"]["learning_rate"] == 1e-3
    training.resume(run.name, slower=True)
    recipe = yaml.safe_load((run.folder / "recipe.yaml").read_text(encoding="utf8"))
    assert recipe["optim"]["learning_rate"] == pytest.approx(2e-4)
    assert build_config(ContrastiveConfig, recipe)


def test_bases_say_what_they_cost(training: Training) -> None:
    bases = training.orders.bases()
    assert [base.value for base in bases[:5]] == ["fast", "builtin", "small", "base", "large"]
    assert bases[0].label == "fast · 41 M parameters · no layers: the quickest · on this computer"
    assert bases[1].label == "builtin · 118 M parameters · 12 layers · on this computer"


def test_names_do_not_lead_out_of_the_folder(training: Training) -> None:
    for name in ("../secret", "/etc", "", ".drafts", "unknown"):
        with pytest.raises(TrainingError, match="no run called"):
            training.run(name)


def test_only_finished_runs_become_models(
    training: Training, pairs: Path, tiny_model_dir: Path, fake_library: Any
) -> None:
    registered: list[tuple[Path, str]] = []
    switched: list[tuple[str, str]] = []
    fake_library.register_model = lambda folder, name: registered.append((folder, name))
    fake_library.switch_model = lambda collection, model: switched.append((collection, model))
    run = training.start(order(training, pairs, str(tiny_model_dir)))
    with pytest.raises(TrainingError, match="finished"):
        training.register(run.name)
    (run.folder / "model").mkdir()
    (run.folder / "model" / "config.json").write_text("{}")
    (run.folder / "state.json").write_text(json.dumps({"state": "done", "pid": None}))
    assert (found := read_run(run.folder)) is not None and found.model is not None
    training.use(run.name, "library")
    assert registered == [(run.folder, run.name)] and switched == [("library", run.name)]
    assert any(base.group == "run" and run.name in base.label for base in training.orders.bases())
    fake_library.models = lambda: [KnownModel(run.name, None, run.folder)]
    training.use(run.name, "library")
    assert len(registered) == 1


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("count", [20, 300, 5_000, 1_000_000])
def test_presets_fit_the_number_of_pairs(purpose: str, count: int) -> None:
    chosen = preset(PURPOSES[purpose], BODY, count, has_gpu=False)
    assert 2 <= chosen.batch_size <= max(8, count // 5) and chosen.precision == "fp32"
    assert 1 <= chosen.steps <= 2_000 and chosen.optim()["warmup_steps"] <= chosen.steps
    assert chosen.runtime()["save_every"] >= 1
    static = preset(PURPOSES[purpose], estimates.Body(1, 0, 256, 1, 4, 512), count, has_gpu=False)
    assert static.learning_rate > 10 * chosen.learning_rate
    assert preset(PURPOSES[purpose], BODY, 10**6, has_gpu=True).batch_size > 64


def test_settings_are_changed_by_name(training: Training, pairs: Path, tiny_model_dir: Path) -> None:
    made = order(training, pairs, str(tiny_model_dir))
    assert training.orders.with_settings(made, {"steps": 3}).settings.steps == 3
    with pytest.raises(TrainingError, match="no setting 'step'"):
        training.orders.with_settings(made, {"step": 3})
