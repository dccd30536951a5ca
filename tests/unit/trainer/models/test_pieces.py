"""Vocabularies for transformers: nothing unknown, the same every time, and old numbers stay."""

import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from tests.conftest import SAMPLE_TEXTS, build_tokenizer
from trainer.errors import ConfigError
from trainer.models.pieces import SPECIAL_TOKENS, extend_tokenizer, learn_tokenizer

NEW_TEXTS = ["Maktaba inafunguliwa saa tatu asubuhi.", "Mito hubeba mchanga hadi baharini."] * 5
ELSEWHERE = ["ߞߎߡߊ", "ꦠꦼꦩ꧀ꦧꦸꦁ", "🙂👍🏽", "𠮷", "λέξη", "ቃል"]  # scripts and signs that no test text has


@pytest.fixture(scope="module", params=list(SPECIAL_TOKENS))
def learned(request):
    return learn_tokenizer(SAMPLE_TEXTS, vocab_size=900, coverage=0.9995, specials=request.param)


def test_special_tokens_come_first_and_surround_a_text(learned) -> None:
    names = next(names for names in SPECIAL_TOKENS.values() if learned.token_to_id(names[0]) == 0)
    assert [learned.id_to_token(number) for number in range(5)] == list(names)
    start, end = ("<s>", "</s>") if "<s>" in names else ("[CLS]", "[SEP]")
    tokens = learned.encode("The library").tokens
    assert (tokens[0], tokens[-1]) == (start, end)
    assert learned.get_vocab_size() == 900


@pytest.mark.parametrize("text", [*SAMPLE_TEXTS, *ELSEWHERE])
def test_nothing_is_unknown_and_no_letter_is_lost(learned, text) -> None:
    encoding = learned.encode(text, add_special_tokens=False)
    assert not {"<unk>", "[UNK]"} & set(encoding.tokens)
    assert learned.decode(encoding.ids) == unicodedata.normalize("NFKC", text)


def test_case_and_prefixes_are_read(learned) -> None:
    assert learned.encode("The").ids != learned.encode("the").ids
    assert learned.encode("query: the").ids != learned.encode("the").ids


def test_pieces_do_not_cross_scripts_digits_and_punctuation(learned) -> None:
    tokens = learned.encode("sea,море2024", add_special_tokens=False).tokens
    kinds = [
        {("L" if c.isalpha() else "N" if c.isdigit() else "P", c > "ʯ") for c in t if c != "▁"}
        for t in tokens
        if not t.startswith("<0x")
    ]
    assert len(kinds) > 3
    assert all(len(kind) <= 1 for kind in kinds), tokens


def test_the_vocabulary_is_the_same_in_every_process() -> None:
    program = (
        "import hashlib; from tests.conftest import SAMPLE_TEXTS; from trainer.models.pieces import learn_tokenizer\n"
        "made = learn_tokenizer(SAMPLE_TEXTS, vocab_size=700, coverage=0.98, specials='bert')\n"
        "print(hashlib.sha256(made.to_str().encode()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[4]
    found = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(found) == 1 and len(found.pop().strip()) == 64


def test_rare_characters_are_spelled_in_bytes_below_full_coverage() -> None:
    texts = ["aaaa bbbb"] * 100 + ["q"]
    some, every = (
        learn_tokenizer(texts, vocab_size=300, coverage=share, specials="bert") for share in (0.99, 1.0)
    )
    assert some.encode("q", add_special_tokens=False).tokens == ["▁", "<0x71>"]
    assert "q" in every.get_vocab()


def test_a_vocabulary_too_small_for_the_alphabet_is_refused() -> None:
    with pytest.raises(ConfigError, match="vocab_size is 300; expected more than"):
        learn_tokenizer(SAMPLE_TEXTS, vocab_size=300, coverage=1.0, specials="bert")


@pytest.mark.parametrize("kind", ["bert", "xlmr"])
def test_new_pieces_come_behind_the_old_ones_and_shorten_the_new_language(kind) -> None:
    base = build_tokenizer(kind)
    extended = extend_tokenizer(base, NEW_TEXTS, new_pieces=60, coverage=1.0)
    old, new = base.get_vocab(), extended.get_vocab()
    assert {token: new[token] for token in old} == old
    assert sorted(set(new.values()) - set(old.values())) == list(range(len(old), len(new)))
    assert 40 < len(new) - len(old) <= 60
    before, after = (sum(len(one.encode(text).ids) for text in NEW_TEXTS) for one in (base, extended))
    assert after < 0.7 * before
    mask = "[MASK]" if kind == "bert" else "<mask>"
    assert (
        extended.encode(mask, add_special_tokens=False).ids == base.encode(mask, add_special_tokens=False).ids
    )


@pytest.mark.parametrize("kind", ["bert", "xlmr"])
def test_other_languages_hardly_change(kind) -> None:
    base = build_tokenizer(kind)
    extended = extend_tokenizer(base, NEW_TEXTS, new_pieces=60, coverage=1.0)
    others = SAMPLE_TEXTS[4:14]  # not in Latin script
    assert [extended.encode(text).ids for text in others] == [base.encode(text).ids for text in others]
