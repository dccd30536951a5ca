"""JSON lines: exact rows, names of other tools, bad rows."""

import json
from pathlib import Path

import pytest

from indexer.bitext.formats import read_pairs, write_pairs
from indexer.bitext.values import Pair
from indexer.errors import ReadError


def read(folder: Path, content: str) -> list[Pair]:
    path = folder / "pairs.jsonl"
    path.write_text(content, encoding="utf-8")
    return list(read_pairs(path))


def test_a_row_has_what_is_set(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    pairs = [
        Pair(" é\n", "=b", 1.5),
        Pair("a", "b", flags=("length",), state="accepted", meta=(("id", "7"),)),
    ]
    write_pairs(path, pairs, source_language="und", target_language="und")
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert first == {"source": " é\n", "target": "=b", "score": 1.5}
    assert second == {"source": "a", "target": "b", "score": None, "state": "accepted", "flags": ["length"], "meta": {"id": "7"}}  # fmt: skip
    assert "é" in path.read_text(encoding="utf-8")


def test_names_and_shapes_of_others(tmp_path: Path) -> None:
    got = read(
        tmp_path,
        '{"sentence1": "a", "sentence2": "b", "id": 5, "tags": ["x"], "none": null}\n\n'
        '{"translation": {"en": "a", "pt_BR": "b"}, "score": "1.5"}\n{"source": "a", "translation": "b"}\n',
    )
    assert [(pair.source, pair.target) for pair in got] == [("a", "b")] * 3
    assert got[0].meta == (("id", "5"), ("tags", '["x"]'))
    assert (got[1].source_language, got[1].target_language, got[1].score) == ("en", "pt-BR", 1.5)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "row 2 is not JSON"),
        ("[1]", "row 2 holds '[1]'; expected an object"),
        ('{"source": "a"}', "row 2 has no target"),
        ('{"source": 1, "target": "b"}', "row 2 has the source '1'; expected a text"),
        ('{"source": "a", "target": "b", "score": []}', "row 2 has the score '[]'"),
        ('{"source": "a", "target": "b", "state": "?"}', "row 2 has the state '?'"),
        ('{"source": "a", "target": "b", "meta": 5}', "row 2 has meta that names no values"),
        ('{"a":' * 100_000, "row 2 is not JSON"),
        ('{"n": ' + "9" * 5000 + "}", "row 2"),
    ],
)
def test_a_bad_row_is_told_with_its_number(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(tmp_path, '{"source": "a", "target": "b"}\n' + row + "\n")
    assert message in str(caught.value)
