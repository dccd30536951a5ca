"""Pairs to mine from: random sentences with doubles, shared answers and a query that is a passage."""

import json
import random
from pathlib import Path
from typing import Any

WORDS = (  # noqa: SIM905  # one word a line would be long
    "library opens nine morning rivers carry silt sea cities grow Bibliothek öffnet neun Uhr Flüsse tragen "
    "Schlick Meer bibliothèque ouvre heures matin rivières limon biblioteca abre mañana ríos llevan mar"
).split()


def pair_rows(count: int = 90, passages: int = 60, seed: int = 1) -> list[dict[str, Any]]:
    """Rows of question, passage, title and lang; every tenth passage once more in capitals."""
    drawn = random.Random(seed)
    texts = [" ".join(drawn.choices(WORDS, k=drawn.randint(6, 14))) for _ in range(passages)]
    rows = []
    for number in range(count):
        place = number % passages
        asked = drawn.sample(texts[place].split(), k=4) + drawn.choices(WORDS, k=2)
        text = texts[place].upper() if number % 10 == 9 else texts[place]
        rows.append(
            {
                "question": " ".join(asked),
                "passage": text,
                "title": f"title {place}" if place % 3 == 0 else "",
                "lang": "de" if place % 4 == 0 else "en",
            }
        )
    rows.append({**rows[0], "passage": texts[7]})  # a second answer to the first query
    rows.append({**rows[3], "question": texts[20]})  # a query that is also a passage
    return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path


def mining_values(path: Path, model: Path, out: Path, **more: Any) -> dict[str, Any]:
    """A recipe for ``pair_rows``."""
    source = {"name": "mine", "path": str(path), "query": "question", "passage": "passage", "title": "title"}
    return {"out": str(out), "model": str(model), "sources": [source], **more}
