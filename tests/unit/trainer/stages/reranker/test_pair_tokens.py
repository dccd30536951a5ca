"""Pairs of texts as tokens: template, cutting, very long texts, and the separator that a tokenizer may lack."""

from pathlib import Path

import pytest

from me5 import ModelFormatError
from tests.conftest import build_tokenizer
from tests.support.rerankers import build_pair_tokenizer
from trainer.stages.reranker import pair_tokens
from trainer.stages.reranker.pair_tokens import PairTokenization


def tokenization(tmp_path: Path, tokenizer: object, max_tokens: int = 512) -> PairTokenization:
    tokenizer.save(str(tmp_path / "tokenizer.json"))  # type: ignore[attr-defined]
    return PairTokenization(tmp_path / "tokenizer.json", max_tokens=max_tokens, pad_id=0)


def tokens(found: PairTokenization, query: str, passage: str) -> list[str | None]:
    return [found.token(number) for number in found.encode([query], [passage])[0].ids]


@pytest.mark.parametrize("kind", ["bert", "xlmr"])
def test_a_missing_separator_is_put_in_as_the_kind_writes_it(tmp_path: Path, kind: str) -> None:
    expected = tokenization(tmp_path, build_pair_tokenizer(kind)).encode(["the river"], ["to the sea"])
    found = tokenization(tmp_path, build_tokenizer(kind))
    assert not found.has_separator and found.encode(["the river"], ["to the sea"]) != expected
    found.add_separator(has_segments=kind == "bert")
    assert found.has_separator and found.encode(["the river"], ["to the sea"]) == expected
    found.save(tmp_path / "saved.json")
    again = PairTokenization(tmp_path / "saved.json", max_tokens=512, pad_id=0)
    assert again.encode(["the river"], ["to the sea"]) == expected


@pytest.mark.parametrize("kind", ["bert", "xlmr"])
def test_a_template_of_the_tokenizer_is_seen(tmp_path: Path, kind: str) -> None:
    assert tokenization(tmp_path, build_pair_tokenizer(kind)).has_separator


def test_nothing_to_separate_with_is_told(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = build_tokenizer("bert")
    tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
    with pytest.raises(ModelFormatError, match="no special token"):
        tokenization(tmp_path, tokenizer).add_separator(has_segments=True)


def test_the_longer_side_is_cut(tmp_path: Path) -> None:
    found = tokenization(tmp_path, build_pair_tokenizer("bert"), max_tokens=16)
    cut = tokens(found, "the", "river " * 50)
    assert len(cut) == 16 and cut[:3] == ["[CLS]", "▁the", "[SEP]"] and cut[-1] == "[SEP]"
    long_query = tokens(found, "the " * 50, "sea")
    assert long_query[-2:] != ["[SEP]", "[SEP]"] and long_query.count("[SEP]") == 2


def test_text_far_beyond_the_limit_gives_the_same_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["sea " * 400, "the" + " " * 3000 + "sea", "river and sea"]
    expected = tokenization(tmp_path, build_pair_tokenizer("xlmr"), 16).encode(["the"] * 3, texts)
    monkeypatch.setattr(pair_tokens, "CHARS_PER_TOKEN", 8)  # 128 characters are read at first
    assert tokenization(tmp_path, build_pair_tokenizer("xlmr"), 16).encode(["the"] * 3, texts) == expected
    assert len(expected[1]) < 16  # spaces count for nothing here, so all of it fits


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    found = tokenization(tmp_path, build_pair_tokenizer("bert"))
    assert found.encode(["\ud800 é"], ["sea"]) == found.encode(["\ufffd é"], ["sea"])
