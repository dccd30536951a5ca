"""Which task lies at a path: recognised by the names and shapes of its files."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from trainer.errors import DataError
from trainer.evaluation.bitext import bucc_tasks, find_pairs, pair_task, tab_pair_task, tatoeba_task
from trainer.evaluation.files import iter_tab_rows
from trainer.evaluation.miracl import miracl_task, miracl_topics
from trainer.evaluation.retrieval import beir_folders, beir_task, judged_task
from trainer.evaluation.tables import classification_task, similarity_task
from trainer.evaluation.values import Task

LAYOUTS = (
    "Tatoeba v1 (folder or tar archive with tatoeba.xxx-eng.xxx), "
    "BEIR (corpus.jsonl, queries.jsonl, qrels/test.tsv, or subfolders of these per language), "
    "MIRACL (topics.miracl-v1.0-xx-dev.tsv, qrels, miracl-corpus-v1.0-xx), "
    "BUCC (xx-yy.training.xx, .yy, .gold), "
    "line-aligned files (NAME.xx and NAME.yy: their folder, or PATH/NAME, or FILE,FILE), "
    "STS (.tsv of text1, text2, score, language), "
    "judged queries (.csv of query, document, grade, language), "
    "classification (train.tsv and test.tsv of text, label, language)"
)


def local_tasks(name: str, split: str | None = None) -> list[Task] | None:
    """The tasks at a path; None where the name is no path.

    Raises:
        DataError: something lies there, in no known layout.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return _in_folder(path, split)
    if path.is_file():
        return [_in_file(path)]
    halves = [Path(half).expanduser() for half in name.split(",")]
    if len(halves) == 2 and all(half.is_file() for half in halves):
        left, right = halves
        label = "-".join((half.suffix[1:] or half.stem) for half in halves)
        return [pair_task(f"{left.stem}", {label: (left, right)})]
    if path.parent.is_dir() and path.name:
        pairs = find_pairs([file for file in path.parent.glob(f"{_escaped(path.name)}.*") if file.is_file()])
        if len(pairs) == 1:
            return [pair_task(path.name, pairs)]
    return None


def _in_folder(folder: Path, split: str | None) -> list[Task]:
    if _has(folder, "tatoeba.*-eng.*"):
        return [tatoeba_task(folder)]
    if miracl_topics(folder):
        return [miracl_task(folder, split)]
    if beir_folders(folder):
        return [beir_task(folder, split)]
    if _has(folder, "*.gold"):
        return bucc_tasks(folder, split)
    if (folder / "train.tsv").is_file() and (folder / "test.tsv").is_file():
        return [classification_task(folder)]
    pairs = find_pairs([path for path in folder.iterdir() if path.is_file()])
    if pairs:
        return [pair_task(folder.name, pairs)]
    raise _unknown(folder)


def _in_file(path: Path) -> Task:
    if ".tar" in path.suffixes or path.suffix in (".tgz", ".txz"):
        return tatoeba_task(path)
    if path.suffix == ".csv":
        return judged_task(path)
    if path.suffix == ".tsv":
        columns = {len(cells) for _, cells in islice(iter_tab_rows(path), 5)}
        if columns == {2}:
            return tab_pair_task(path)
        if columns and columns <= {3, 4}:
            return similarity_task(path)
    raise _unknown(path)


def _has(folder: Path, pattern: str) -> bool:
    """Whether such a file lies in the folder or in a folder of it; deeper ones belong to something else."""
    return any(True for place in (pattern, f"*/{pattern}") for _ in folder.glob(place))


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _unknown(path: Path) -> DataError:
    return DataError(f"{path} is in no known layout. Expected {LAYOUTS}. Rename or convert the files.")
