"""What no database takes is replaced sign for sign; all else stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from me5.storable import replace_surrogates, storable

ANY = st.text(st.characters(exclude_categories=[]))


@given(ANY)
def test_every_text_can_be_stored_and_keeps_its_length(text: str) -> None:
    found = storable(text)
    assert found.encode().decode() == found and "\0" not in found and len(found) == len(text)
    for before, after in zip(text, found, strict=True):
        assert after == ("\ufffd" if before == "\0" or "\ud800" <= before <= "\udfff" else before)


@given(ANY)
def test_without_surrogates_nul_stays(text: str) -> None:
    found = replace_surrogates(text)
    assert found.encode().decode() == found
    assert found.count("\0") == text.count("\0") and len(found) == len(text)


@pytest.mark.parametrize("text", ["", "plain", "Grüße 東京 😀", "\ufffd\ufeff\u202e"])
def test_whole_text_is_the_same(text: str) -> None:
    assert storable(text) == replace_surrogates(text) == text
