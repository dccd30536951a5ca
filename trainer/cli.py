"""``python app.py train RECIPE.yaml [--resume] [key=value…]``; the same under ``accelerate launch``."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

OVERRIDE = re.compile(r"[A-Za-z_][\w.]*=")
NAMES_A_MODEL = frozenset({"model", "start", "teacher"})
"""Keys of a recipe whose text is a model."""


def add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``train``; nothing heavy is imported before it runs."""
    words = "train a model by a recipe; the run is a folder that can be resumed"
    parser = verbs.add_parser("train", help=words, description=words[0].upper() + words[1:] + ".")
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="YAML file; examples in trainer/recipes/")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="for example out=runs/mine optim.steps=1000"
    )
    parser.add_argument(
        "--resume", action="store_true", help="resume from the newest checkpoint of the recipe's folder"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads (default: all cores)")
    words = "data folder whose registered models the recipe may name"
    parser.add_argument("--data", type=Path, metavar="DIR", help=words)
    parser.set_defaults(run=run_train)
    _accept_overrides_anywhere(parser)


def _accept_overrides_anywhere(parser: argparse.ArgumentParser) -> None:
    """Let key=value words stand before and after options; argparse wants all positionals in one place."""
    parse = parser.parse_known_args

    def parse_known(words: Sequence[str], namespace: argparse.Namespace | None = None) -> Any:
        overrides = [word for word in words if OVERRIDE.match(word)]
        known, unknown = parse([word for word in words if not OVERRIDE.match(word)], namespace)
        known.overrides = overrides
        return known, unknown

    parser.parse_known_args = parse_known  # type: ignore[method-assign, assignment]  # add_parser takes no class


def run_train(args: argparse.Namespace) -> int:
    """Train; prints what was made, for most stages the folder of the model. 0 on success."""
    from me5.memory import configure_allocator

    configure_allocator()
    from trainer.config import read_recipe
    from trainer.errors import TrainerError
    from trainer.run.interruption import RunStopped
    from trainer.stages import run_stage

    logging.getLogger("trainer").setLevel(logging.INFO)
    try:
        values = with_folders(read_recipe(args.recipe, args.overrides), getattr(args, "locate", str))
        if args.threads is not None:
            import torch

            torch.set_num_threads(args.threads)
        print(run_stage(values, resume=args.resume))
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except RunStopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.exit_code
    return 0


def with_folders(value: Any, locate: Callable[[str], str]) -> Any:
    """The values of a recipe with what ``locate`` gives for the models in it."""
    if isinstance(value, list):
        return [with_folders(item, locate) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: locate(item) if key in NAMES_A_MODEL and isinstance(item, str) else with_folders(item, locate)
        for key, item in value.items()
    }
