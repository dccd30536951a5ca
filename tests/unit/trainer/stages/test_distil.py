"""Distillation: targets, their dimension, what is embedded, and that it learns."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import app
from me5 import Encoder, Role, load_encoder
from tests.support.runs import killed_at, losses, metrics, train
from trainer.config import build_config, read_recipe
from trainer.errors import ConfigError
from trainer.models.backbone import build_model
from trainer.models.teacher_vectors import Room, TeacherVectors
from trainer.stages.distil import DistilConfig, DistilObjective

RECIPE = Path("trainer/recipes/distil.yaml")
TOPICS = ("river", "city", "law", "bread", "music", "stone", "winter", "school")


@pytest.fixture
def translations(tmp_path: Path) -> Path:
    path = tmp_path / "translations.tsv"
    rows = [f"the {one} and the {two}\tdas {two[::-1]} {one[::-1]}" for one in TOPICS for two in TOPICS]
    path.write_text("\n".join(rows) + "\n", encoding="utf8")
    return path


def config(out: Path, translations: Path, model: Path, *overrides: str, teacher: str = "") -> DistilConfig:
    words = [
        f"out={out}", f"teacher={teacher or model}", f"start.model={model}", f"sources.0.path={translations}",
        "optim.batch_size=16", "optim.steps=12", "optim.warmup_steps=2", "optim.max_tokens=32",
        "optim.learning_rate=3e-3", "runtime.save_every=4", "runtime.device=cpu", *overrides,
    ]  # fmt: skip
    return build_config(DistilConfig, read_recipe(RECIPE, words))


def objective(
    recipe: DistilConfig, folder: Path, encoder: Encoder, *, index: int = 0, count: int = 1
) -> DistilObjective:
    processes: Any = SimpleNamespace(
        index=index,
        count=count,
        device=torch.device("cpu"),
        gather=lambda part: part,
        sum=lambda value: value,
    )
    model = build_model(recipe.start, max_tokens=32, seed=1)
    teacher = TeacherVectors(encoder, folder / "teacher", process=index)
    return DistilObjective(recipe, model, processes, teacher)


def test_vectors_are_encoded_once_and_found_by_another_run(tmp_path: Path, tiny_encoder: Encoder) -> None:
    texts = ["one", "two", "one", "three"]
    teacher = TeacherVectors(tiny_encoder, tmp_path, process=0)
    vectors = teacher(texts, Role.QUERY)
    np.testing.assert_allclose(vectors, tiny_encoder.encode(texts, Role.QUERY), atol=1e-5)
    asked: list[list[str]] = []

    class Counting:
        contract, runtime, dimension = tiny_encoder.contract, tiny_encoder.runtime, tiny_encoder.dimension

        def encode(self, new: list[str], role: Role) -> Any:
            asked.append(new)
            return tiny_encoder.encode(new, role)

    counting: Any = Counting()
    again = TeacherVectors(counting, tmp_path, process=0)
    np.testing.assert_array_equal(again(texts, Role.QUERY), vectors)
    again(["two", "four"], Role.QUERY)
    again(["one"], Role.PASSAGE)  # another prefix, another vector
    assert asked == [["four"], ["one"]]


def test_a_file_that_a_killed_run_left_half_written_is_gone_on_with(
    tmp_path: Path, tiny_encoder: Encoder
) -> None:
    vectors = TeacherVectors(tiny_encoder, tmp_path, process=0)(["one", "two"], Role.QUERY)
    (keys,) = tmp_path.glob("*.keys")
    keys.write_bytes(keys.read_bytes()[:-5])
    again = TeacherVectors(tiny_encoder, tmp_path, process=0)
    np.testing.assert_allclose(again(["two", "one"], Role.QUERY), vectors[::-1], atol=1e-5)


def test_a_larger_student_keeps_every_cosine_and_a_smaller_one_the_strongest_directions() -> None:
    generator = torch.Generator().manual_seed(1)
    teacher_ND = normalize(torch.randn(50, 8, generator=generator))
    larger_ND = Room(8, 12)(teacher_ND)
    assert larger_ND.shape == (50, 12)
    torch.testing.assert_close(larger_ND @ larger_ND.T, teacher_ND @ teacher_ND.T)
    flat_ND = normalize(torch.randn(50, 3, generator=generator) @ torch.randn(3, 8, generator=generator))
    room = Room(8, 3)
    room.fit(flat_ND)
    assert room.kept == pytest.approx(1.0)
    torch.testing.assert_close(room(flat_ND) @ room(flat_ND).T, flat_ND @ flat_ND.T, atol=1e-5, rtol=0)
    room.fit(teacher_ND)
    assert 3 / 8 < room.kept < 1


def test_both_sides_of_a_pair_have_the_vector_that_the_teacher_gives_the_first(
    tmp_path: Path, translations: Path, tiny_model_dir: Path, tiny_encoder: Encoder
) -> None:
    one = objective(config(tmp_path / "run", translations, tiny_model_dir), tmp_path, tiny_encoder)
    batch = one.next_batch()
    assert (batch.items, len(batch.ids)) == (16, 32)
    targets = batch.data
    assert one.loss(torch.cat([targets, targets]), batch).parts["cosine"] == pytest.approx(1.0, abs=1e-5)
    swapped = torch.cat([targets, targets.roll(1, dims=0)])
    assert one.loss(swapped, batch).value > one.loss(torch.cat([targets, targets]), batch).value + 0.01


@pytest.mark.parametrize(("contrastive", "distance"), [(1.0, 0.0), (0.0, 2.0), (0.5, 1.5)])
def test_the_loss_is_its_definition(
    tmp_path: Path, translations: Path, tiny_model_dir: Path, tiny_encoder: Encoder, contrastive: float,
    distance: float,
) -> None:  # fmt: skip
    recipe = config(
        tmp_path / "run", translations, tiny_model_dir, "optim.temperature=0.1",
        f"optim.contrastive_weight={contrastive}", f"optim.distance_weight={distance}",
    )  # fmt: skip
    one = objective(recipe, tmp_path, tiny_encoder)
    batch = one.next_batch()
    student_BD = normalize(torch.randn(32, 32, generator=torch.Generator().manual_seed(2))).double()
    known_BD = batch.data.double()
    logits = student_BD @ known_BD.T / 0.1
    own = torch.arange(16).repeat(2)
    cross_entropy = torch.nn.functional.cross_entropy(logits, own)
    squared = (student_BD - known_BD[own]).square().sum(dim=1).mean() / 2
    expected = contrastive * cross_entropy + distance * squared
    assert one.loss(student_BD.float(), batch).value == pytest.approx(float(expected), rel=1e-4)


def test_plain_texts_are_learnt_once(
    tmp_path: Path, translations: Path, tiny_model_dir: Path, tiny_encoder: Encoder
) -> None:
    recipe = config(tmp_path / "run", translations, tiny_model_dir, "sources.0.passage=english")
    assert len(objective(recipe, tmp_path, tiny_encoder).next_batch().ids) == 16


def test_processes_share_a_batch_and_read_their_own_part_of_it_to_the_teacher(
    tmp_path: Path, translations: Path, tiny_model_dir: Path, tiny_encoder: Encoder
) -> None:
    recipe = config(tmp_path / "run", translations, tiny_model_dir)
    whole = objective(recipe, tmp_path, tiny_encoder).next_batch()
    parts = [
        objective(recipe, tmp_path / str(index), tiny_encoder, index=index, count=2).next_batch()
        for index in range(2)
    ]
    assert [*parts[0].ids[:8], *parts[1].ids[:8]] == list(whole.ids[:16])
    torch.testing.assert_close(torch.cat([part.data for part in parts]), whole.data, atol=1e-5, rtol=0)


def test_a_run_learns_the_teacher_and_goes_on_after_a_kill_as_if_there_had_been_none(
    tmp_path: Path, translations: Path, tiny_model_dir: Path, tiny_xlmr_dir: Path
) -> None:
    def words(out: Path) -> list[str]:
        return [
            f"out={out}", f"teacher={tiny_xlmr_dir}", f"start.model={tiny_model_dir}",
            f"sources.0.path={translations}", "optim.batch_size=16", "optim.steps=12", "optim.warmup_steps=2",
            "optim.max_tokens=32", "optim.learning_rate=3e-3", "runtime.save_every=4", "runtime.device=cpu",
        ]  # fmt: skip

    assert train(RECIPE, *words(tmp_path / "whole")) == 0
    cosines = [row["cosine"] for row in metrics(tmp_path / "whole")]
    assert cosines[-1] > cosines[0] + 0.1
    assert killed_at(6, RECIPE, *words(tmp_path / "cut")) != 0
    assert train(RECIPE, "--resume", *words(tmp_path / "cut")) == 0
    assert losses(tmp_path / "cut")[-1] == pytest.approx(losses(tmp_path / "whole")[-1], rel=1e-4)
    encoder = load_encoder(str(tmp_path / "whole" / "model"), device="cpu")
    teacher = load_encoder(str(tiny_xlmr_dir), device="cpu")
    text = ["the river and the law"]
    before = load_encoder(str(tiny_model_dir), device="cpu").encode(text, "query")
    target = teacher.encode(text, "query")
    assert float((encoder.encode(text, "query") @ target.T).item()) > float((before @ target.T).item())


def test_a_smaller_student_chooses_its_directions_once(
    tmp_path: Path, translations: Path, tiny_model_dir: Path, tiny_encoder: Encoder
) -> None:
    mixing = np.random.default_rng(3).standard_normal((32, 48)).astype(np.float32)

    class Wide:
        contract, runtime, dimension = tiny_encoder.contract, tiny_encoder.runtime, 48

        def encode(self, texts: list[str], role: Role) -> Any:
            wide = tiny_encoder.encode(texts, role) @ mixing
            return wide / np.linalg.norm(wide, axis=1, keepdims=True)

    wide: Any = Wide()
    recipe = config(tmp_path / "run", translations, tiny_model_dir)
    one = objective(recipe, tmp_path, wide)
    first = one.next_batch()
    targets = first.data
    assert targets.shape == (16, 32)
    torch.testing.assert_close(targets.norm(dim=1), torch.ones(16))
    state, tensors = one.state(), one.tensors()
    second = one.next_batch()
    other = objective(recipe, tmp_path, wide)
    other.restore(state, tensors)
    torch.testing.assert_close(other.next_batch().data, second.data)
    assert list(other.next_batch().ids) == list(one.next_batch().ids)
    again = objective(recipe, tmp_path, wide).next_batch()
    torch.testing.assert_close(again.data, targets)  # looking ahead takes nothing from the run


def test_a_recipe_names_models_as_the_data_folder_knows_them(
    tmp_path: Path, translations: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(tmp_path / "data")]
    assert app.main(["models", *data, "--register", str(tiny_model_dir), "mine"]) == 0
    words = [
        f"out={tmp_path / 'run'}", "teacher=mine", "start.model=mine", f"sources.0.path={translations}",
        "optim.batch_size=16", "optim.steps=1", "optim.warmup_steps=0", "runtime.device=cpu",
    ]  # fmt: skip
    assert train(RECIPE, *data, *words) == 0
    assert losses(tmp_path / "run")
    assert train(RECIPE, "--data", str(tmp_path / "other"), *words, f"out={tmp_path / 'again'}") == 1
    assert "mine" in capsys.readouterr().err


def test_what_cannot_be_meant_is_refused(tmp_path: Path, translations: Path, tiny_model_dir: Path) -> None:
    with pytest.raises(ConfigError, match="at least 0, and one above"):
        config(
            tmp_path, translations, tiny_model_dir, "optim.contrastive_weight=0", "optim.distance_weight=0"
        )
