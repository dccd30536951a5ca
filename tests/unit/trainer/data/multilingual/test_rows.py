import json
import lzma

import pytest

from trainer.data.multilingual.rows import (
    Parallel,
    is_held_out,
    iter_parallel,
    iter_titled,
    keep_widely_translated,
)
from trainer.errors import DataError


def test_parallel_rows_are_read_plain_and_packed(tmp_path):
    text = "en\tde\tA cat.\tEine Katze.\nen\tja\tA dog.\t犬\u2028。\n"
    (tmp_path / "a.tsv").write_text(text, encoding="utf8")
    (tmp_path / "a.tsv.xz").write_bytes(lzma.compress(text.encode()))
    rows = list(iter_parallel(tmp_path / "a.tsv"))
    assert rows == list(iter_parallel(tmp_path / "a.tsv.xz"))
    assert rows[1] == Parallel("en", "ja", "A dog.", "犬\u2028。")  # a line separator is no end of a row


def test_a_row_with_missing_columns_is_named(tmp_path):
    (tmp_path / "a.tsv").write_text("en\tde\tA cat.\tEine Katze.\nen\tde\tA cat.\n", encoding="utf8")
    with pytest.raises(DataError, match=r"a\.tsv:2 has 3 columns"):
        list(iter_parallel(tmp_path / "a.tsv"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        list(iter_parallel(tmp_path / "none.tsv"))


def test_titled_rows_of_both_layouts(tmp_path):
    rows = [
        {"lang": "ha", "question": "Q?", "title": "T", "passage": "P", "passage_lang": "en", "source": "s"},
        {"lang": "de", "title": "T", "text": "P"},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    question, passage = iter_titled(path)
    assert (question.passage_language, question.question, question.passage) == ("en", "Q?", "P")
    assert (passage.passage_language, passage.question, passage.passage) == ("de", "", "P")


def test_a_titled_row_without_passage_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"lang": "de"}\n', encoding="utf8")
    with pytest.raises(DataError, match=r"a\.jsonl:1"):
        list(iter_titled(path))


def test_held_out_texts_are_always_the_same_share():
    texts = [f"sentence {number}" for number in range(5_000)]
    held_out = {text for text in texts if is_held_out(text, 50)}
    assert 60 <= len(held_out) <= 140
    assert held_out == {text for text in texts if is_held_out(f" {text.upper()} ", 50)}


def test_widely_translated_sentences_are_kept():
    wide = [Parallel("en", language, "A.", language) for language in "abcd"]
    narrow = [Parallel("en", "a", "B.", "x"), Parallel("en", "a", "B.", "y")]
    assert keep_widely_translated(wide + narrow, 3) == wide
    assert keep_widely_translated(wide + narrow, 1) == wide + narrow
