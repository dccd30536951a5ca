import numpy as np

from trainer.data.multilingual.tokenising import kept_pieces, tokenise, with_dropout
from trainer.models.script_tokenizer import build_tokenizer

TEXTS = ["the cat sleeps in the garden", "ein Hund", "", "猫 собака"] * 3


def built():
    return build_tokenizer(iter(TEXTS * 4), vocab_size=500, alphabet_size=60)


def test_pieces_are_those_of_the_tokenizer_up_to_the_limit():
    tokenizer = built()
    table = tokenise(TEXTS, tokenizer, limit=4, block=5)
    for number, text in enumerate(TEXTS):
        own = table.pieces[table.offsets[number] : table.offsets[number + 1]]
        assert own.tolist() == tokenizer.encode(text, add_special_tokens=False).ids[:4]


def test_dropout_spells_the_same_text_in_smaller_pieces():
    tokenizer = built()
    whole, dropped = (tokenise(TEXTS, one, limit=99) for one in (tokenizer, with_dropout(tokenizer, 0.5)))
    assert len(dropped.pieces) > len(whole.pieces)
    for number in range(len(TEXTS)):
        spelled = [
            tokenizer.decode(table.pieces[table.offsets[number] : table.offsets[number + 1]].tolist())
            for table in (whole, dropped)
        ]
        assert spelled[0] == spelled[1]
    again = tokenise(TEXTS, tokenizer, limit=99)
    np.testing.assert_array_equal(again.pieces, whole.pieces)  # the tokenizer itself is as it was


def test_kept_pieces_are_read_again_and_made_anew_for_other_texts(tmp_path):
    tokenizer, path = built(), tmp_path / "pieces.npz"
    first = kept_pieces(TEXTS, tokenizer, 9, path)
    written = path.stat().st_mtime_ns
    np.testing.assert_array_equal(kept_pieces(TEXTS, tokenizer, 9, path).pieces, first.pieces)
    assert path.stat().st_mtime_ns == written
    assert len(kept_pieces(TEXTS[:2], tokenizer, 9, path).offsets) == 3
