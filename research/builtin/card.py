"""The model card of the built-in model: sources, licences, limits, measured scores, as Markdown.

    python -m research.builtin.card RECIPE.yaml --run RUN --report report.json --date 2030-01-02

RUN is the folder of the training run, ``report.json`` what ``benchmarks/builtin.py`` measured of RUN/model;
the card is written there as README.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.builtin.report import read_report, summary, tables
from trainer.config import SourceConfig
from trainer.errors import DataError, TrainerError
from trainer.stages.static.recipe import StaticConfig, load_recipe
from trainer.stages.static.steps import recipe_fingerprint

HEADER = """\
---
license: apache-2.0
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [multilingual, sentence-similarity, feature-extraction, static-embeddings]
---

# me5-search fast model

The model that me5-search has for millions of sentences. It turns a short text in any of more than a hundred
languages into a unit vector of {dimension} numbers; texts that say the same in different languages get
similar vectors.

It is a table of {pieces:,} piece vectors and nothing else: a text is the mean of the vectors of its pieces.
It was trained on a CPU by `trainer/`, on public parallel text, strings of programs, dictionaries, questions
and documentation, with all-MiniLM-L6-v2 (Apache-2.0) as the teacher of its English. In the folder it has the
form of a `BertModel` with no layers, whose LayerNorm is linear by construction, and its numbers have 8 bits
(`float8_e4m3fn`), so `transformers` and `sentence-transformers` load it like any other model.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("me5/fast")
scores = (
    model.encode(["how do trees drink?"], prompt_name="query")
    @ model.encode(["Bäume nehmen Wasser über die Wurzeln auf."], prompt_name="passage").T
)
```

The prefixes `query: ` and `passage: ` are accepted and have no effect.
Text is lower-cased; at most 512 pieces count.

## What it cannot do

- It does not see word order: "the dog bites the man" and "the man bites the dog" are the same to it.
- It is best on single sentences and short paragraphs; the mean of a long text says little about its parts.
- Languages with little training text are weak; the table below says which. A language without any is not
  understood.
- It knows words by their company in translations, not facts; negation and numbers weigh little.
- It has seen much software documentation, and learns the biases and mistakes of its sources. Part of the
  documentation was translated by a machine.
- A model of mE5 is better at everything but speed; the one in `me5/builtin` is no larger.
"""


@dataclass(frozen=True)
class Measured:
    """What the card reports; ``report`` is of ``benchmarks/builtin.py``."""

    rows_used: Mapping[str, int]
    size_bytes: int
    pieces: int
    date: str
    report: Mapping[str, Any]


def model_card(config: StaticConfig, measured: Measured) -> str:
    """The whole card: what it is, its figures in short, sources, training, and last the long tables."""
    return "\n".join(
        [
            HEADER.format(dimension=config.dimension, pieces=measured.pieces),
            _summary(measured.report),
            _sources(config, measured.rows_used),
            _training(config, measured),
            "## All figures",
            "",
            *tables(measured.report),
        ]
    )


def _summary(report: Mapping[str, Any]) -> str:
    lines = [
        "## Measured",
        "",
        "With the files of this folder, loaded by me5's `Encoder`, on text that was not trained on; in "
        "brackets the 95 % interval, beside it what was aimed at. All figures per language stand at the end.",
        "",
        *summary(report),
        "",
        "Tatoeba's test sentences were never trained on; other sentences of the Tatoeba project were, so "
        "everyday sentences of this kind are what the model knows best.",
        "",
    ]
    return "\n".join(lines)


def _sources(config: StaticConfig, rows_used: Mapping[str, int]) -> str:
    lines = [
        "## Training data",
        "",
        "| file | rows | from | licence |",
        "|---|---:|---|---|",
        *(_source_row(source, rows_used.get(source.file, 0)) for source in config.sources),
        "",
        "Text under CC BY-SA licences and the translations of GPL, AGPL and MPL programs were used to train "
        "on; the weights hold none of it as text. Nothing that may not be used commercially, and nothing "
        "without a stated licence, took part.",
        "",
        "Left out:",
        "",
        *(f"- {entry}" for entry in config.left_out),
        "",
    ]
    return "\n".join(lines)


def _source_row(source: SourceConfig, rows: int) -> str:
    origin = f"{source.origin} ({source.note})" if source.note else source.origin
    return f"| {source.file} | {rows:,} | {origin} | {source.licence} |"


def _training(config: StaticConfig, measured: Measured) -> str:
    optim = config.optim
    mixture = ", ".join(f"{kind} {share:g}" for kind, share in config.mixture.items())
    second = _distillation(config)
    lines: Sequence[str] = [
        "## Training",
        "",
        f"InfoNCE in both directions, temperature {optim.temperature:g}, batch {optim.batch_size:,}, "
        f"{optim.steps:,} steps, row-wise Adagrad {optim.learning_rate:g} falling to "
        f"{100 * optim.final_learning_rate:.0f} %; steps by kind of pairs: {mixture}. {second}"
        f"Recipe fingerprint `{recipe_fingerprint(config)}`, made {measured.date}, "
        f"{measured.size_bytes / 1e6:.1f} MB. Again with:",
        "",
        "```",
        "python app.py train trainer/recipes/static.yaml data=FOLDER out=FOLDER \\",
        "  distillation.teacher=FOLDER",
        "```",
        "",
        *([config.note, ""] if config.note else []),
    ]
    return "\n".join(lines)


def _distillation(config: StaticConfig) -> str:
    stage = config.distillation
    if stage is None:
        return ""
    mixture = ", ".join(f"{kind} {share:g}" for kind, share in stage.mixture.items())
    return (
        f"Then {stage.steps:,} steps with a teacher, all-MiniLM-L6-v2 (Apache-2.0): the space is turned to "
        "fit the teacher's, and in the steps of kind teacher a text or its translation is brought to the "
        "teacher's vector of the English (InfoNCE plus "
        f"{stage.cosine_weight:g} times one minus the cosine); {mixture}. "
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the card of a finished run; 1 with a message when that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m research.builtin.card", description="Write a model card."
    )
    parser.add_argument("recipe", type=Path, help="YAML file that the run followed")
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="its folder")
    parser.add_argument("--report", type=Path, required=True, metavar="FILE", help="of benchmarks/builtin.py")
    parser.add_argument("--date", required=True, help="of the run, YYYY-MM-DD")
    args = parser.parse_args(argv)
    try:
        card = model_card(load_recipe(args.recipe), _of_run(args.run, read_report(args.report), args.date))
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    path = args.run / "model" / "README.md"
    path.write_text(card, encoding="utf8")
    print(path)
    return 0


def _of_run(run: Path, report: Mapping[str, Any], date: str) -> Measured:
    """What the report says, and how many rows of each source the run used."""
    size = report.get("size")
    if size is None:
        raise DataError("The report has no size. Expected one with it. Measure again without --skip size.")
    return Measured(read_report(run / "used.json"), size["bytes"], size["pieces"], date, report)


if __name__ == "__main__":
    raise SystemExit(main())
