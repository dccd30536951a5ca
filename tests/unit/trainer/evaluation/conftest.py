"""An encoder without weights that notes what it was asked, and files of every layout."""

import json
import zlib
from types import SimpleNamespace

import numpy as np
import pytest


class NotingEncoder:
    """Words are directions; ``calls`` holds (role, texts, titles, instruction)."""

    def __init__(self, *, instruct=False, dictionary=None, sts_prefix=None):
        template = "Instruct: {task}\nQuery: {text}" if instruct else None
        self.spec = SimpleNamespace(
            instruct_template=template,
            sts_prefix=sts_prefix,
            model_id="local-1",
            revision="r",
            max_tokens=128,
            dimension=4096,
        )
        self.calls = []
        self._dictionary = dictionary or {}

    def encode(self, texts, role="query", *, titles=None, instruction=None, on_progress=None):
        self.calls.append((str(role), list(texts), titles and list(titles), instruction))
        joined = [f"{title} {text}" for title, text in zip(titles, texts, strict=True)] if titles else texts
        rows = np.zeros((len(texts), 4096), dtype=np.float32)
        for row, text in enumerate(joined):
            for word in text.lower().split():
                rows[row, zlib.crc32(self._dictionary.get(word, word).encode()) % 4096] += 1
        if on_progress is not None:
            on_progress(len(texts))
        return rows / np.maximum(1e-9, np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.fixture
def noting():
    return NotingEncoder


@pytest.fixture
def write(tmp_path):
    """Write files below tmp_path from {name: text or list of JSON objects} and return tmp_path."""

    def write_all(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write_all


BEIR = {
    "nq/corpus.jsonl": [
        {"_id": "d1", "title": "River", "text": "silt and sea"},
        {"_id": "d2", "title": "", "text": "library opens at nine"},
        {"_id": "d10", "text": "cities by the river"},
    ],
    "nq/queries.jsonl": [
        {"_id": "q1", "text": "river silt", "metadata": {"language": "en"}},
        {"_id": "q2", "text": "when opens library"},
        {"_id": "q3", "text": "nobody judged this"},
        {"_id": "q4", "text": "judged but nothing relevant"},
    ],
    "nq/qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td10\t1\nq2\td2\t1\nq2\tgone\t1\nq4\td1\t0\n",
}


@pytest.fixture
def beir(write):
    return write(BEIR) / "nq"


@pytest.fixture
def bucc(write):
    """Three translations among five German and four English sentences; German words lead to English ones."""
    return (
        write(
            {
                "bucc/de-en/de-en.training.de": "d1\tfluss meer\nd2\thaus\nd3\tstadt\nd4\txx yy\nd5\tzz ww\n",
                "bucc/de-en/de-en.training.en": "e1\tcity\ne2\triver sea\ne3\thouse\ne4\tunrelated words\n",
                "bucc/de-en/de-en.training.gold": "d1\te2\nd2\te3\nd3\te1\n",
            }
        )
        / "bucc"
    )


GERMAN = {"fluss": "river", "meer": "sea", "haus": "house", "stadt": "city"}


@pytest.fixture
def german():
    return GERMAN
