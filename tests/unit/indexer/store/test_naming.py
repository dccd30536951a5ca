"""Store names on disk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import StoreError
from indexer.store.naming import MAX_ENCODED, decode_name, encode_name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_every_name_comes_back(name: str) -> None:
    encoded = encode_name(name)
    assert decode_name(encoded) == name
    assert set(encoded) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("name", ["../../etc", "a/b", "CON", "con", "nul", "com1", ".", "ภาษา 文書", "a\0b"])
def test_dangerous_names_become_harmless(name: str) -> None:
    encoded = encode_name(name)
    assert encoded not in {"con", "nul", "com1"}
    assert not set(encoded) & set("./\\\0 ")


def test_names_that_differ_in_case_stay_apart_on_case_blind_disks() -> None:
    assert encode_name("Library").lower() != encode_name("library").lower()


@pytest.mark.parametrize("name", ["", "文" * MAX_ENCODED])
def test_names_without_a_folder_are_refused(name: str) -> None:
    with pytest.raises(StoreError, match="Choose a shorter name"):
        encode_name(name)


@pytest.mark.parametrize("folder", ["a.damaged-2026", "UPPER", "_61", "_zz", "", "a b", "_ff"])
def test_folders_of_others_are_not_ours(folder: str) -> None:
    assert decode_name(folder) is None
