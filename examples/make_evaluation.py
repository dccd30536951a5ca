"""Make the sample task of the tab Evaluate from the sample library and ``parallel_questions.jsonl``.

    python examples/make_evaluation.py

Every question is asked in the same six languages; the document that answers it is in another one.
Passages are those that the app makes of the sample library with the built-in model; a passage is
relevant when it holds the words in ``answer_contains``. The output is committed, so nobody needs to run
this to use it.
"""

import json
import tempfile
from pathlib import Path

from indexer.library.library import Library

HERE = Path(__file__).resolve().parent
TASK = HERE / "evaluation" / "sample-questions"


def main() -> None:
    """Write corpus.jsonl, queries.jsonl and qrels/test.tsv."""
    entries = [
        json.loads(line) for line in (HERE / "parallel_questions.jsonl").read_text("utf-8").splitlines()
    ]
    corpus = read_passages()
    queries, qrels = [], ["query-id\tcorpus-id\tscore"]
    for number, entry in enumerate(entries, start=1):
        relevant = [
            row["_id"]
            for row in corpus
            if row["_id"].startswith(f"{entry['document']}#")
            and entry["answer_contains"] in " ".join(row["text"].split())
        ]
        if not relevant:
            raise SystemExit(f"no passage of {entry['document']} holds {entry['answer_contains']!r}")
        for language, question in entry["questions"].items():
            queries.append({"_id": f"q{number}-{language}", "text": question, "language": language})
            qrels += [f"q{number}-{language}\t{passage}\t1" for passage in relevant]
    write_lines(TASK / "corpus.jsonl", corpus)
    write_lines(TASK / "queries.jsonl", queries)
    (TASK / "qrels").mkdir(exist_ok=True)
    (TASK / "qrels" / "test.tsv").write_text("\n".join(qrels) + "\n", encoding="utf-8")


def read_passages() -> list[dict[str, str]]:
    """The passages of the sample library; ids are the path of the document and the number in it."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder)) as library:
        library.add([HERE / "library"])
        for document in sorted(library.documents("library"), key=lambda one: one.path):
            path = Path(document.path).relative_to(HERE / "library").as_posix()
            ids = library.catalog.chunks.of_documents([document.id])
            found = {info.id: info for info in library.chunks_by_id(ids)}
            for number, key in enumerate(ids):
                text = found[key].chunk.text.strip()
                rows.append({"_id": f"{path}#{number}", "title": document.title, "text": text})
    return rows


def write_lines(path: Path, rows: list[dict[str, str]]) -> None:
    """One JSON object per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
