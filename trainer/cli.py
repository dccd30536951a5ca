"""``python -m trainer.cli``: train the built-in model, and measure a model on Tatoeba."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from trainer.errors import TrainerError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 on success."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    from me5.errors import Me5Error

    try:
        if arguments.verb == "builtin":
            _train_builtin(arguments)
        elif arguments.verb == "evaluate-tatoeba":
            _evaluate_tatoeba(arguments)
        elif arguments.verb == "evaluate-held-out":
            _evaluate_held_out(arguments)
        else:
            _write_card(arguments)
    except (TrainerError, Me5Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.cli", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    builtin = verbs.add_parser(
        "builtin", help="train static piece embeddings and export them as a model folder"
    )
    builtin.add_argument("recipe", type=Path)
    builtin.add_argument(
        "overrides", nargs="*", metavar="key=value", help="for example data=FOLDER out=FOLDER"
    )
    builtin.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")

    tatoeba = verbs.add_parser(
        "evaluate-tatoeba", help="accuracy per language on Tatoeba v1, X to English and back"
    )
    tatoeba.add_argument("--data", type=Path, required=True, help="folder or tar.xz of Tatoeba v1")
    held_out = verbs.add_parser("evaluate-held-out", help="scores on the pairs that a training run held out")
    held_out.add_argument("--data", type=Path, required=True, help="held_out.json of the run")
    for verb in (tatoeba, held_out):
        verb.add_argument("--model", default="builtin", help="name or folder (default builtin)")
        verb.add_argument("--json", action="store_true", help="print JSON")
    card = verbs.add_parser(
        "card", help="measure out/model of a run and write its model card beside the weights"
    )
    card.add_argument("recipe", type=Path)
    card.add_argument("overrides", nargs="*", metavar="key=value")
    card.add_argument("--tatoeba", type=Path, required=True, help="folder or tar.xz of Tatoeba v1")
    card.add_argument("--date", required=True, help="date of the run, for the card")
    return parser


def _train_builtin(arguments: argparse.Namespace) -> None:
    import torch

    from trainer.builtin import run
    from trainer.config import load_recipe

    torch.set_num_threads(arguments.threads)
    print(run(load_recipe(arguments.recipe, arguments.overrides)))


def _evaluate_tatoeba(arguments: argparse.Namespace) -> None:
    from me5 import Role, load_encoder
    from trainer.evaluation import XTREME_36, evaluate_tatoeba, mean_to_english

    encoder = load_encoder(arguments.model)
    scores = evaluate_tatoeba(arguments.data, lambda texts: encoder.encode(texts, Role.QUERY))
    summary = {"mean": mean_to_english(scores)}
    if set(XTREME_36) <= set(scores):
        summary["xtreme_36"] = mean_to_english(scores, XTREME_36)
    if arguments.json:
        languages = {language: asdict(score) for language, score in scores.items()}
        print(json.dumps({"model": arguments.model, **summary, "languages": languages}))
        return
    for language, score in scores.items():
        print(f"{language}  {score.sentences:5d}  {score.to_english:6.2f}  {score.from_english:6.2f}")
    print("  ".join(f"{name} {value:.2f}" for name, value in summary.items()))


def _evaluate_held_out(arguments: argparse.Namespace) -> None:
    from me5 import Role, load_encoder
    from trainer.builtin import evaluate_dev

    encoder = load_encoder(arguments.model)
    sets = json.loads(arguments.data.read_text(encoding="utf8"))
    scores = evaluate_dev(
        sets,
        lambda texts: encoder.encode(texts, Role.QUERY),
        lambda texts: encoder.encode(texts, Role.PASSAGE),
    )
    values = {
        kind: {group: asdict(score) for group, score in groups.items()} for kind, groups in scores.items()
    }
    if arguments.json:
        print(json.dumps(values))
        return
    for kind, groups in values.items():
        for group, numbers in groups.items():
            print(kind, group, "  ".join(f"{name} {value:.3f}" for name, value in numbers.items()))


def _write_card(arguments: argparse.Namespace) -> None:
    from me5 import Role, load_encoder
    from trainer.builtin import evaluate_dev
    from trainer.card import Measured, model_card
    from trainer.config import load_recipe
    from trainer.evaluation import evaluate_tatoeba

    config = load_recipe(arguments.recipe, arguments.overrides)
    run = Path(config.out)
    model = run / "model"
    encoder = load_encoder(str(model))
    held_out = json.loads((run / "held_out.json").read_text(encoding="utf8"))
    measured = Measured(
        tatoeba=evaluate_tatoeba(arguments.tatoeba, encoder.encode),
        held_out=evaluate_dev(held_out, encoder.encode, lambda texts: encoder.encode(texts, Role.PASSAGE)),
        rows_used=json.loads((run / "used.json").read_text(encoding="utf8")),
        size_bytes=sum(path.stat().st_size for path in model.rglob("*") if path.is_file()),
        pieces=json.loads((model / "config.json").read_text(encoding="utf8"))["vocab_size"],
        date=arguments.date,
    )
    (model / "README.md").write_text(model_card(config, measured), encoding="utf8")
    print(model / "README.md")


if __name__ == "__main__":
    sys.exit(main())
