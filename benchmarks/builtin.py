"""Everything that is claimed of a model that ships, measured from its files on text it never trained on.

    python benchmarks/builtin.py [MODEL] --data FOLDER --tatoeba tatoeba-v1.tar.xz --out report.json

MODEL is a model folder or name (default: builtin), loaded by me5's ``Encoder``. FOLDER holds the training
files of the recipe of ``fast``; the evaluation sets are made from what that recipe holds out, checked for
leaks, and kept in ``--sets`` (minutes once; every model uses the same file). Prints Markdown, writes JSON
with ``--out``, where parts that are skipped stay as an earlier run on the same files left them. Without
``--data`` and ``--tatoeba`` it measures what needs neither.
"""

import argparse
import dataclasses
import hashlib
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from encode import passages, sentences

import me5
from indexer.search.fairness import fair_scores
from me5 import Role, load_encoder
from me5.neutral_map import FILE_NAME as NEUTRAL_FILE
from me5.packed import TOKENIZER_FILE, tokenizer_file
from research.builtin.across import mean_mrr, measure_multiway
from research.builtin.building import build_sets, sets_fingerprint
from research.builtin.figures import Encode, Model
from research.builtin.report import AS_SEARCH, summary, tables
from research.builtin.same_language import measure_rankings
from research.builtin.sentences import measure_similarity, measure_tatoeba
from research.builtin.sets import Sets, load_sets, save_sets
from trainer.evaluation.bm25 import model_pieces, word_pieces
from trainer.evaluation.tatoeba import XTREME_36, evaluate_tatoeba, mean_to_english
from trainer.stages.static.recipe import StaticConfig, load_recipe

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "trainer" / "recipes" / "static.yaml"
EXAMPLES = ROOT / "examples"
SETS = Path(tempfile.gettempdir()) / "me5-builtin-sets.json.gz"
PARTS = ("tatoeba", "rankings", "across", "similarity", "precision", "size", "speed", "library")
LOAD_PROGRAM = "import sys, me5; me5.load_encoder(sys.argv[1], device='cpu').encode(['a text'])"
SPEED_ROUNDS = 3

log = logging.getLogger("benchmarks.builtin")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was not skipped, print it, and write it when asked."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder = model_folder(args.model)
    parts = [part for part in PARTS if part not in args.skip]
    sets = None
    if args.data is not None and {"rankings", "across", "similarity", "precision", "tatoeba"} & set(parts):
        sets = evaluation_sets(load_recipe(args.recipe, [f"data={args.data}"]), args.tatoeba, args.sets)
    report = {"model": model_digest(folder), **measure(folder, parts, sets, args.tatoeba)}
    report = with_kept_parts(report, args.out)
    print("\n".join(["## Measured", "", *summary(report), "", *tables(report)]))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", default="builtin", help="folder or name (default: builtin)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the training files")
    parser.add_argument("--tatoeba", type=Path, metavar="PATH", help="Tatoeba v1, folder or archive")
    parser.add_argument("--recipe", type=Path, default=RECIPE, metavar="FILE", help="what was trained on")
    parser.add_argument(
        "--sets", type=Path, default=SETS, metavar="FILE",
        help="kept evaluation sets; made where missing or of another recipe (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--skip", action="append", default=[], choices=PARTS, help="leave out; repeatable")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    return parser


def evaluation_sets(config: StaticConfig, tatoeba: Path | None, path: Path) -> Sets:
    """The kept sets where they fit the recipe, else new ones."""
    if path.is_file():
        kept = load_sets(path)
        if kept.fingerprint == sets_fingerprint(config) and (kept.tatoeba_leaks or tatoeba is None):
            return kept
        log.info("%s is of another recipe", path)
    sets = build_sets(config, tatoeba)
    save_sets(sets, path)
    return sets


def model_digest(folder: Path) -> str:
    """16 hex digits of the weights, the tokenizer and the language-neutral map."""
    digest = hashlib.sha256()
    for name in ("model.safetensors", "tokenizer.json", TOKENIZER_FILE, NEUTRAL_FILE):
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def with_kept_parts(report: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """The report, and what was skipped from an earlier one of the same files on the same sets."""
    if path is None or not path.is_file():
        return report
    earlier = json.loads(path.read_text(encoding="utf-8"))
    other_sets = {one["sets"] for one in (earlier, report) if "sets" in one}
    if earlier.get("model") != report["model"] or len(other_sets) > 1:
        return report
    return {**earlier, **report, "seconds": {**earlier["seconds"], **report["seconds"]}}


def measure(folder: Path, parts: Sequence[str], sets: Sets | None, tatoeba: Path | None) -> dict[str, Any]:
    """The report: a value per part that could be measured, and the seconds each took."""
    seconds: dict[str, float] = {}
    report: dict[str, Any] = {"seconds": seconds}
    if sets is not None:
        report["leaks"] = {name: dataclasses.asdict(one) for name, one in sets.leaks.items()}
        report["training_texts"] = sets.training_texts
        report["sets"] = sets.fingerprint
    for part, action in actions(folder, sets, tatoeba).items():
        if part in parts:
            with part_timed(part, seconds):
                report[part] = action()
    return report


def actions(folder: Path, sets: Sets | None, tatoeba: Path | None) -> dict[str, Callable[[], Any]]:
    """What can be measured with what there is, by part."""
    encoder = load_encoder(str(folder), device="cpu")
    model = as_model(encoder)
    possible: dict[str, Callable[[], Any]] = {}
    if tatoeba is not None:
        leaking = None if sets is None else sets.tatoeba_leaks
        possible["tatoeba"] = lambda: measure_tatoeba(tatoeba, paired(encoder), leaking)
    if sets is not None:
        pieces = {"words": word_pieces(), "pieces": model_pieces(tokenizer_file(folder))}
        possible["rankings"] = lambda: measure_rankings(sets.rankings, model, pieces)
        possible["across"] = lambda: measure_across(sets, encoder)
        possible["similarity"] = lambda: measure_similarity(sets.similarity, model.query)
    if sets is not None and tatoeba is not None:
        possible["precision"] = lambda: measure_precision(folder, sets, tatoeba)
    possible["size"] = lambda: measure_size(folder)
    possible["speed"] = lambda: measure_speed(folder)
    possible["library"] = lambda: measure_library(folder)
    return possible


def as_model(encoder: me5.Encoder) -> Model:
    """An encoder by role."""
    return Model(encoder.encode, lambda texts: encoder.encode(texts, Role.PASSAGE))


def measure_across(sets: Sets, encoder: me5.Encoder) -> dict[str, Any]:
    """Every multi-way set by cosines, and again as search compares them across languages."""
    found: dict[str, Any] = {}
    for one in sets.multiway:
        model = as_model(encoder)
        model = Model(remembered(model.query), remembered(model.passage))
        found[one.name] = measure_multiway(one, model)
        if encoder.neutral is not None and encoder.neutral.languages is not None:
            fair = dataclasses.replace(model, leanings=partial(leanings, encoder))
            found[f"{one.name}{AS_SEARCH}"] = measure_multiway(one, fair)
    return found


def remembered(encode: Encode) -> Encode:
    """For one list of texts that is encoded again and again."""
    kept: list[np.ndarray] = []

    def encode_once(texts: Sequence[str]) -> np.ndarray:
        if not kept:
            kept.append(encode(texts))
        return kept[0]

    return encode_once


def leanings(encoder: me5.Encoder, queries_ND: np.ndarray, languages: Sequence[str]) -> np.ndarray:
    """What search takes off cosines, by query and language of the passage."""
    scores = [fair_scores(encoder, query) for query in queries_ND]
    return np.array([[-fair(0.0, language) for language in languages] for fair in scores])


def paired(encoder: me5.Encoder) -> Encode:
    """Sentences with the model's words for bitext."""
    return lambda texts: encoder.encode(texts, Role.BITEXT)


@contextmanager
def part_timed(part: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note how long a part takes."""
    started = time.perf_counter()
    yield
    seconds[part] = round(time.perf_counter() - started, 1)
    log.info("%s: %.1f s", part, seconds[part])


def measure_precision(folder: Path, sets: Sets, tatoeba: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Means of Tatoeba and across languages, in percent, of other number formats, beside fp32."""
    exact = load_encoder(str(folder), device="cpu", precision="fp32")
    encoders = {
        "fp32": exact,
        "bf16": load_encoder(str(folder), device="cpu", engine="torch", precision="bf16"),
    }
    if exact.spec.layers:
        encoders["int8"] = load_encoder(str(folder), device="cpu", precision="int8")
    models = {name: (as_model(one), paired(one)) for name, one in encoders.items()}
    models["int8 vectors"] = (
        Model(
            lambda texts: as_int8(exact.encode(texts)),
            lambda texts: as_int8(exact.encode(texts, Role.PASSAGE)),
        ),
        lambda texts: as_int8(exact.encode(texts, Role.BITEXT)),
    )
    found: dict[str, dict[str, dict[str, float]]] = {}
    base: dict[str, float] = {}
    for name, (model, encode_pairs) in models.items():
        scores = evaluate_tatoeba(tatoeba, encode_pairs)
        values = {
            "Tatoeba, all": mean_to_english(scores),
            "Tatoeba, XTREME": mean_to_english(scores, [one for one in XTREME_36 if one in scores]),
            **{f"{one.name}, MRR@10 × 100": 100 * mean_mrr(one, model) for one in sets.multiway},
        }
        base = base or values
        found[name] = {
            "values": {key: round(value, 3) for key, value in values.items()},
            "difference": {key: round(value - base[key], 3) for key, value in values.items()},
        }
    return found


def as_int8(vectors_ND: np.ndarray) -> np.ndarray:
    """Vectors as a store with int8 quantisation holds them: 255 steps, the largest value of each the last."""
    scale_N1 = np.abs(vectors_ND).max(axis=1, keepdims=True) / 127
    steps_ND = np.rint(vectors_ND / np.maximum(scale_N1, 1e-12))
    return (steps_ND / np.linalg.norm(steps_ND, axis=1, keepdims=True).clip(1e-12)).astype(np.float32)


def measure_size(folder: Path) -> dict[str, Any]:
    """Bytes on disk, and seconds from the start of Python to the first vector (median of five)."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    starts = [
        timed(lambda: subprocess.run([sys.executable, "-c", LOAD_PROGRAM, str(folder)], cwd=ROOT, check=True))
        for _ in range(5)
    ]
    return {
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "pieces": config["vocab_size"],
        "dimension": config["hidden_size"],
        "load_seconds": round(statistics.median(starts), 3),
    }


def measure_speed(folder: Path) -> dict[str, Any]:
    """Texts per second beside the built-in model, round by round in turn."""
    workloads = {"sentences": sentences(512), "passages": passages(96)}
    ours, theirs = (load_encoder(name, device="cpu") for name in (str(folder), "builtin"))
    for encoder in (ours, theirs):
        encoder.encode(workloads["sentences"][:32])
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in workloads}
    for _ in range(SPEED_ROUNDS):
        for name, texts in workloads.items():
            mine = timed(lambda texts=texts: ours.encode(texts, Role.PASSAGE))
            seconds[name].append((mine, timed(lambda texts=texts: theirs.encode(texts, Role.PASSAGE))))
    return {
        "engines": [f"{one.runtime.engine} {one.runtime.precision}" for one in (ours, theirs)],
        "workloads": {
            name: {
                "texts_per_second": round(len(workloads[name]) / statistics.median(a for a, _ in rounds), 1),
                "builtin": round(len(workloads[name]) / statistics.median(b for _, b in rounds), 1),
                "ratio": round(statistics.median(b / a for a, b in rounds), 1),
            }
            for name, rounds in seconds.items()
        },
    }


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure_library(folder: Path) -> dict[str, Any]:
    """Questions in one language about documents in another, asked of the sample library as on the page."""
    from indexer.library.library import Library

    asked = [
        json.loads(line) for line in (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    rows = []
    encoder = load_encoder(str(folder), device="cpu")
    with (
        tempfile.TemporaryDirectory() as place,
        Library.open(Path(place), encoder=encoder, resume_jobs=False) as library,
    ):
        library.add([EXAMPLES / "library"])
        for question in asked:
            result = library.search(question["question"])
            hits = [*result.hits, *result.weak_hits]
            ranks = [rank for rank, hit in enumerate(hits, 1) if hit.document.endswith(question["document"])]
            holds = bool(hits) and question["answer_contains"] in " ".join(hits[0].text.split())
            rows.append(
                {
                    "question": question["question"],
                    "languages": [question["language"], question["language_of_document"]],
                    "rank": ranks[0] if ranks else None,
                    "answer_in_first": holds,
                }
            )
    return {
        "questions": len(rows),
        "first": sum(row["rank"] == 1 for row in rows),
        "in_first_3": sum(row["rank"] is not None and row["rank"] <= 3 for row in rows),
        "answer_in_first": sum(row["answer_in_first"] for row in rows),
        "rows": rows,
    }


def model_folder(name: str) -> Path:
    """Where the files of a model lie."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    spec = me5.resolve_spec(name)
    if spec.path is None:
        raise SystemExit(f"{name!r} is not on this machine. Expected a model folder. Fetch the model first.")
    return spec.path


if __name__ == "__main__":
    raise SystemExit(main())
