"""The shipped tokenizer as a sentencepiece model, against the ``tokenizers`` library on the same file."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import regex

from me5 import unigram
from me5.known_models import BUILTIN_FOLDER, FAST_FOLDER
from me5.neutral import bundled_sample
from me5.packed import tokenizer_file
from me5.tokenization import HubTokenizer, open_tokenizer

ODD = [
    "",
    " ",
    "\t\n",
    "a ",
    "  a   b  ",
    "tail\u3000",
    "tail\u200b\u200d",
    "\u0301",
    "a \u0301",
    "cafe\u0301 ",
    "query: <s> </s> <pad> <mask> x",
    "<s>",
    " <mask>  <mask> ",
    "a<mask>b",
    "<unk> <",
    "ﬁ ① Ⅷ ｶ é e\u0301 \u200b\ufeff",
    "👩‍👩‍👧 🇺🇳",
    "\x00\x07",
    "▁ a▁b",
    "ﷺ",
    "x" * 3000,
    "图书馆" * 500,
]


@pytest.fixture(scope="module")
def path() -> Path:
    return tokenizer_file(BUILTIN_FOLDER)


@pytest.fixture
def description(path: Path) -> dict[str, Any]:
    """The file with every tenth piece, and the cache in a folder of the test."""
    content: dict[str, Any] = json.loads(path.read_bytes())
    vocab = content["model"]["vocab"]
    content["model"]["vocab"] = vocab[:1000] + vocab[1000::10]
    content["added_tokens"] = [token for token in content["added_tokens"] if token["id"] < 1000]
    return content


def written(description: dict[str, Any], folder: Path) -> Path:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(description))
    return path


@pytest.fixture(scope="module")
def expected(path: Path) -> HubTokenizer:
    return HubTokenizer(path)


@pytest.fixture(scope="module")
def opened(path: Path) -> unigram.UnigramTokenizer:
    tokenizer = unigram.open_unigram(path)
    assert tokenizer is not None
    return tokenizer


@pytest.fixture(scope="module")
def scores(path: Path) -> list[float]:
    return [score for _, score in json.loads(path.read_bytes())["model"]["vocab"]]


def mutated(texts: list[str], count: int) -> list[str]:
    """Texts with spaces, joiners, full-width letters and new lines at chance places, but not before a mark."""
    chance = random.Random(3)
    inserted = " \u00a0\u3000\t\n\u200b\u200d\ufeffＡ①ｶ㎏😀▁<"
    changed = []
    for text in chance.sample(texts, count):
        letters = regex.findall(r"[^\p{M}ำຳ][\p{M}ำຳ]*", text)  # two letters are marks in part
        for _ in range(4):
            letters.insert(chance.randint(0, len(letters)), chance.choice(inserted))
        changed.append("".join(letters))
    return changed


def without_blanks(text: str) -> str:
    return regex.sub(r"[\s\p{Cf}]", "", text)


def test_ids_are_those_of_the_tokenizers_library(opened, expected, scores):
    sentences = [sentence for _, sentence in bundled_sample()]
    texts = [*ODD, *sentences, *mutated(sentences, 3000)]
    other = [
        (mine, theirs)
        for mine, theirs in zip(opened.ids(texts), expected.ids(texts), strict=True)
        if mine != theirs
    ]
    assert len(other) < len(texts) / 1000
    for mine, theirs in other:  # the same score in another order: either is a best path
        assert sum(scores[i] for i in mine) == pytest.approx(sum(scores[i] for i in theirs), abs=1e-3)
        assert sorted(mine) == sorted(theirs)


def test_spans_are_those_of_the_tokenizers_library(opened, expected):
    texts = [*(sentence for _, sentence in bundled_sample()[::10]), "a <mask> b", "a  ﬁ  b", "Ａ①"]
    for text, mine, theirs in zip(texts, opened.spans(texts), expected.spans(texts), strict=True):
        assert len(mine) == len(theirs), text
        for place in np.flatnonzero((mine != theirs).any(axis=1)):
            ours, other = (text[slice(*spans[place])] for spans in (mine, theirs))
            # the mark of a word before an unknown character has no width here, a joiner goes to either side
            assert not ours or without_blanks(ours) == without_blanks(other), text


def test_white_space_at_the_end_keeps_its_place(opened):
    (spans,) = opened.spans(["one two  "])
    assert spans.tolist()[-1] == [7, 9] and len(spans) == len(opened.ids(["one two  "])[0]) - 2
    assert opened.spans([""])[0].shape == (0, 2)


@pytest.mark.parametrize("text", ["ﬁ\u0301", "\u00a0ि", "\u3000ّ"])
def test_a_mark_after_a_compatibility_character_is_kept(text, opened, expected):
    assert opened.ids([text])[0] != opened.ids([text[0]])[0]
    assert expected.ids([text])[0] == expected.ids([text[0]])[0]


def test_its_tokens_are_those_of_the_tokenizers_library(opened, expected):
    assert opened.last_tokens() == expected.last_tokens() == ["</s>"]
    assert opened.unknown_id() == expected.unknown_id() == 3
    for token in ("<mask>", "▁the", "馆", "no such token"):
        assert opened.token_id(token) == expected.token_id(token)
    plain = opened.ids(["a library"], special_tokens=False)
    assert plain == expected.ids(["a library"], special_tokens=False)


def test_from_many_threads(opened):
    texts = [sentence for _, sentence in bundled_sample()][:2000]
    alone = opened.ids(texts)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda start: opened.ids(texts[start : start + 50]), range(0, 2000, 50)))
    assert [row for rows in together for row in rows] == alone


def test_the_model_is_kept_and_a_damaged_one_made_again(description, tmp_path, monkeypatch):
    path = written(description, tmp_path)
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    expected = HubTokenizer(path).ids(ODD)
    assert unigram.open_unigram(path).ids(ODD) == expected
    (kept,) = (tmp_path / "cache" / "tokenizers").iterdir()
    content = kept.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(unigram, "_sentencepiece_model", None)  # it must be read
        assert unigram.open_unigram(path).ids(ODD) == expected
    for damaged in (b"", b"{}\n", content[: len(content) // 2], b"\xff" * 100):
        kept.write_bytes(damaged)
        assert unigram.open_unigram(path).ids(ODD) == expected
        assert kept.read_bytes() == content


def test_a_cache_that_cannot_be_written_does_no_harm(description, tmp_path, monkeypatch):
    path = written(description, tmp_path)
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "file"))
    assert unigram.open_unigram(path).ids(ODD) == HubTokenizer(path).ids(ODD)


CHANGES = {
    "another model": lambda d: d["model"].update(type="BPE"),
    "bytes": lambda d: d["model"].update(byte_fallback=True),
    "another normalizer": lambda d: d.update(normalizer={"type": "NFKC"}),
    "a step more": lambda d: d["normalizer"]["normalizers"].append({"type": "Lowercase"}),
    "another replacement": lambda d: d["normalizer"]["normalizers"][1].update(content="_"),
    "no normalizer": lambda d: d.update(normalizer=None),
    "words parted otherwise": lambda d: d.update(pre_tokenizer={"type": "Whitespace"}),
    "no mark at the beginning": lambda d: d["pre_tokenizer"].update(add_prefix_space=False),
    "the mark at the first word only": lambda d: d["pre_tokenizer"].update(prepend_scheme="first"),
    "nothing around": lambda d: d.update(post_processor=None),
    "an added token among words": lambda d: d["added_tokens"][0].update(single_word=True),
    "an added token in the changed text": lambda d: d["added_tokens"][0].update(normalized=True),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_sentencepiece_does_not_do_is_left_to_the_other_library(
    change, description, tmp_path, monkeypatch
):
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    description["model"]["vocab"] = description["model"]["vocab"][:500]
    assert unigram.open_unigram(written(description, tmp_path)) is not None
    change(description)
    assert unigram.open_unigram(written(description, tmp_path)) is None


@pytest.mark.parametrize("strips", [False, True])
@pytest.mark.parametrize("splits", [False, True])
def test_variants_of_the_family(strips, splits, description, tmp_path, monkeypatch):
    """``</s>`` may take the space before it along, and words may be parted at white space first."""
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    description["added_tokens"][2]["lstrip"] = strips
    if splits:
        description["pre_tokenizer"] = {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, description["pre_tokenizer"]],
        }
    path = written(description, tmp_path)
    opened = unigram.open_unigram(path)
    assert opened is not None
    texts = [text for text in ODD if len(text) < 100 and "\u0301" not in text]
    assert opened.ids(texts) == HubTokenizer(path).ids(texts)


def test_other_tokenizers_are_read_as_before():
    tokenizer = open_tokenizer(FAST_FOLDER / "tokenizer.json")
    assert isinstance(tokenizer, HubTokenizer)
