"""Training towards vectors without language, on tiny models: the same vectors as me5, what a step moves, resuming."""

import json
import logging
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import trainer
from me5 import Role, load_encoder
from me5.neutral import fit
from me5.neutral_map import NeutralMap
from me5.packed import pack_blocks, unpack_blocks
from me5.registry import spec_from_folder
from tests.conftest import write_model_dir
from trainer.config import SourceConfig, build_config, read_recipe
from trainer.data.multilingual.corpus import Pairs
from trainer.data.multilingual.sampling import PairSampler
from trainer.data.multilingual.tokenising import tokenise
from trainer.errors import ConfigError
from trainer.losses.autograd import to_targets
from trainer.models.vocabulary import open_tokenizer
from trainer.stages.fair import run as fair_run
from trainer.stages.fair.need import beside_english, need_of_groups
from trainer.stages.fair.objective import Objective, Targets
from trainer.stages.fair.recipe import FairConfig
from trainer.stages.fair.run import run_fair
from trainer.stages.fair.samplers import PASSAGE, QUERY, make_samplers
from trainer.stages.fair.stack import Workers
from trainer.stages.fair.student import Student, Teacher, Texts, as_4_bits, open_student

WORDS = ("river", "city", "bread", "house", "library", "winter", "garden", "mountain", "school", "engine")
COLOURS = ("red", "blue", "green", "black", "white", "golden", "silver", "broken", "ancient", "quiet")
TEXTS = ["The library opens at nine.", "图书馆早上九点开门。", "x", "Die Bibliothek öffnet um neun Uhr. " * 4]


def translated(text: str) -> str:
    return " ".join(word[::-1] for word in text.split())


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model_dir(tmp_path_factory.mktemp("fair-start") / "e5", "bert", hidden=64)


@pytest.fixture(scope="module")
def neutral(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder = load_encoder(str(start), engine="torch", device="cpu", precision="fp32")
    english = [f"the {colour} {word}" for colour in COLOURS for word in WORDS]
    texts = [*english, *map(translated, english), *WORDS]
    groups = ["en"] * len(english) + ["xx"] * len(english) + ["words"] * len(WORDS)
    path = tmp_path_factory.mktemp("neutral") / "neutral.safetensors"
    fit(encoder.encode(texts, Role.QUERY), groups, directions=2).save(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fair-data")
    english = [
        f"the {colour} {word} near the {other}" for colour in COLOURS for word in WORDS for other in WORDS[:3]
    ]
    rows = ["\t".join(("en", "xx", text, translated(text))) for text in english]
    (root / "p.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    asked = [{"lang": "xx", "question": translated(one), "passage": f"{one} of old"} for one in english]
    (root / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
    return root


@pytest.fixture
def config(data: Path, start: Path, neutral: Path, tmp_path: Path) -> FairConfig:
    return FairConfig(
        data=str(data),
        out=str(tmp_path / "run"),
        start=str(start),
        neutral=str(neutral),
        sources=(
            SourceConfig("p.tsv", "parallel", "CC0", "made here"),
            SourceConfig("q.jsonl", "question", "CC0", "made here"),
        ),
        mixture={"parallel": 0.8, "question": 0.2},
        batch_size=32,
        steps=60,
        warmup_steps=5,
        learning_rate=3e-3,
        table_rate=5e-2,
        held_out_one_in=5,
    )


@pytest.mark.parametrize(("prefix", "role"), [(QUERY, Role.QUERY), (PASSAGE, Role.PASSAGE)])
def test_vectors_are_those_of_me5(start: Path, neutral: Path, prefix: str, role: Role) -> None:
    student = open_student(str(start), str(neutral))
    tokenizer = open_tokenizer(start / "tokenizer.json")
    texts = Texts(tokenise(TEXTS, tokenizer, 100), tokenizer)
    part = texts.part(np.arange(len(TEXTS), dtype=np.int32), prefix, 100)
    means = student.forward(Workers(student.stack), [part], learn=False).means
    exact = load_encoder(str(start), engine="torch", device="cpu", precision="fp32")
    expected = student.neutral(exact.encode(TEXTS, role))
    other = student.neutral(exact.encode(TEXTS, Role.PASSAGE if role is Role.QUERY else Role.QUERY))
    cosines = (student.vectors(means).numpy() * expected).sum(axis=1)
    assert cosines.min() > 0.998  # products are in bf16
    assert ((student.vectors(means).numpy() * other).sum(axis=1) < cosines).all()


def test_a_saved_student_is_the_same_model(start: Path, neutral: Path, tmp_path: Path) -> None:
    student = open_student(str(start), str(neutral))
    with torch.no_grad():
        for parameter in student.stack.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        student.table.add_(torch.randn_like(student.table), alpha=0.05)
    student.save(tmp_path / "model")
    again = open_student(str(tmp_path / "model"), str(tmp_path / "model" / "neutral.safetensors"))
    assert torch.equal(again.table, student.table) and again.neutral == student.neutral
    for name, tensor in student.stack.state_dict().items():
        assert torch.equal(again.stack.state_dict()[name], tensor), name
    assert spec_from_folder(tmp_path / "model").query_prefix == "query: "


def test_matrices_are_trained_as_4_bits_hold_them(start: Path, neutral: Path) -> None:
    weights = Student(start, NeutralMap.load(neutral)).stack.state_dict()
    seen = as_4_bits(weights)
    name = "layers.0.intermediate.weight"
    expected = unpack_blocks(*pack_blocks(weights[name].numpy()))
    np.testing.assert_array_equal(seen[name].numpy(), expected)
    assert not torch.equal(seen[name], weights[name])
    assert seen["positions"] is weights["positions"] and seen["layers.0.output_norm.weight"].ndim == 1
    again = as_4_bits(seen)
    assert all(torch.equal(again[one], seen[one]) for one in seen)


def test_translations_come_to_their_english(config: FairConfig, start: Path, neutral: Path) -> None:
    model = run_fair(replace(config, steps=200, batch_size=64), resume=False)
    trained, untrained = (
        replace_neutral(load_encoder(str(folder), engine="torch", device="cpu"), neutral)
        for folder in (model, start)
    )
    english = [
        f"the {colour} {word} near the {other}" for colour in COLOURS for word in WORDS for other in WORDS[:3]
    ]
    target = untrained.encode(english, Role.QUERY)

    def right(encoder) -> float:
        found = encoder.encode([translated(one) for one in english], Role.QUERY)
        return float((np.argmax(found @ target.T, axis=1) == np.arange(len(english))).mean())

    assert right(trained) > 0.25 > 0.1 > right(untrained)  # of 300
    lines = (Path(config.out) / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses[-1] < losses[0]


def replace_neutral(encoder, neutral: Path):
    return encoder.with_neutral(NeutralMap.load(neutral))


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    config: FairConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_run, "SAVE_STEPS", 4)
    short = replace(config, steps=8, warmup_steps=2)
    whole = run_fair(short, resume=False)
    parts = replace(short, out=str(tmp_path / "parts"))
    update, calls = fair_run._update, []

    def failing(*arguments) -> None:
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        update(*arguments)

    monkeypatch.setattr(fair_run, "_update", failing)
    with pytest.raises(KeyboardInterrupt):
        run_fair(parts, resume=False)
    monkeypatch.setattr(fair_run, "_update", update)
    resumed = run_fair(parts, resume=True)
    assert (resumed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="of another recipe"):
        run_fair(replace(parts, seed=2), resume=True)
    with pytest.raises(ConfigError, match="is not empty"):
        run_fair(parts, resume=False)


def test_one_english_sentence_is_no_negative_of_itself(
    config: FairConfig, start: Path, neutral: Path, tmp_path: Path
) -> None:
    """Two translations of one sentence in a batch have the same target."""
    corpus = fair_run.build_corpus(config)
    tokenizer = open_tokenizer(start / "tokenizer.json")
    texts = Texts(tokenise(corpus.texts, tokenizer, 100), tokenizer)
    teacher, large = Teacher(open_student(str(start), str(neutral))), replace(config, batch_size=600)
    samplers = make_samplers(corpus, large, partial(teacher.encode, texts), tmp_path / "measured.npz")
    objective = Objective(texts, samplers, large, teacher)
    drawn = objective.draw("parallel", np.random.default_rng(1))
    assert drawn.english is not None and len(drawn.english) < len(drawn.parts[0])  # some came twice
    assert len(drawn.which) == len(drawn.parts[0])
    pairs = drawn.batch.ignored()
    assert len(pairs) > len(drawn.which)  # beside each with itself


def test_a_text_is_told_from_targets_of_earlier_steps_but_not_from_its_own() -> None:
    generator = torch.Generator().manual_seed(1)
    known = torch.nn.functional.normalize(torch.randn(5, 8, generator=generator), dim=1)
    student = torch.nn.functional.normalize(torch.randn(2, 8, generator=generator), dim=1)
    which, own = (
        torch.tensor([1, 0]),
        torch.tensor([[0, 1], [1, 0], [1, 4]]),
    )  # known 4 is the text of 0 again
    loss = to_targets(student, known, which, own, temperature=0.1, cosine_weight=2.0)
    expected = 0.0
    for row, negatives in ((0, [0, 2, 3, 4]), (1, [1, 2, 3])):
        target = int(which[row])
        cosine = {column: float(student[row] @ known[column]) for column in [target, *negatives]}
        total = sum(math.exp(value / 0.1) for value in cosine.values())
        expected += (math.log(total) - cosine[target] / 0.1 + 2.0 * (1 - cosine[target])) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_targets_keep_the_latest() -> None:
    targets = Targets(5, 2)
    for first in (0, 3, 6):
        numbers = np.arange(first, first + 3, dtype=np.int32)
        targets.add(torch.from_numpy(numbers).float()[:, None].expand(3, 2), numbers)
    assert targets.texts_M.tolist() == [4, 5, 6, 7, 8]
    assert targets.vectors_MD[:, 0].tolist() == [4, 5, 6, 7, 8]


def test_a_language_that_the_model_knows_less_is_drawn_more() -> None:
    pairs = Pairs()
    for number in range(40):
        pairs.add(number, 100 + number, "en-near")
        pairs.add(200 + number, number, "far-en")  # the English may stand on the right
        pairs.add(100 + number, 200 + number, "near-far")  # none is English
    is_english = np.arange(300) < 40
    table = beside_english(pairs.arrays(), is_english)
    assert len(table) == 80 and is_english[table.left].all() and not is_english[table.right].any()

    def encode(texts):
        angles = torch.from_numpy(np.where(texts >= 200, 1.2, np.where(texts >= 100, 0.3, 0.0)))
        return torch.stack([angles.cos(), angles.sin()], dim=1)

    need = dict(zip(table.group_names, need_of_groups(table, encode, 1), strict=True))
    assert need == pytest.approx({"en-near": 1 - math.cos(0.3), "far-en": 1 - math.cos(1.2), "near-far": 0.0})
    drawn = PairSampler(
        table, exponent=0.5, seed=2, weights=np.array([need[name] for name in table.group_names])
    ).draw(2_000)
    share = (1 - math.cos(1.2)) / (2 - math.cos(1.2) - math.cos(0.3))
    assert (drawn.right >= 200).mean() == pytest.approx(share, abs=0.03)


def test_a_run_begins_with_the_student_of_another(config: FairConfig, tmp_path: Path) -> None:
    first = run_fair(replace(config, steps=3), resume=False)
    still = replace(
        config, out=str(tmp_path / "on"), begin=config.out, steps=1, learning_rate=0, table_rate=0
    )
    second = run_fair(still, resume=False)
    assert (second / "model.safetensors").read_bytes() == (first / "model.safetensors").read_bytes()
    with pytest.raises(ConfigError, match=r"begin: .* is missing"):
        run_fair(replace(still, out=str(tmp_path / "none"), begin=str(tmp_path / "nothing")), resume=False)


def test_the_recipe_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = Path(trainer.__file__).parent / "recipes" / "fair.yaml"
    recipe: FairConfig = build_config(FairConfig, read_recipe(path, ["data=d", "out=o"]))
    assert abs(sum(recipe.mixture.values()) - 1) < 1e-9
    forbidden = ("GPL", "MPL", "NC")
    assert not [one.file for one in recipe.sources if any(word in one.licence for word in forbidden)]
    with pytest.raises(ConfigError, match="temperature"):
        replace(recipe, temperature=0.001)
