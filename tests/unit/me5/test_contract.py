from dataclasses import fields, replace

import pytest

from me5.contract import ModelContract
from me5.errors import ContractError

CONTRACT = ModelContract("a/b", "rev", "query: ", "passage: ", None, "mean", True, 512, 384)
OTHER = {str: "other", bool: False, int: 7}


def test_json_round_trip_keeps_the_digest() -> None:
    again = ModelContract.from_json(CONTRACT.to_json())
    assert again == CONTRACT and again.digest == CONTRACT.digest and len(CONTRACT.digest) == 16
    again.require_same(CONTRACT)


@pytest.mark.parametrize("neutral", [None, "0123456789abcdef"])
def test_contracts_with_and_without_a_map_are_read_again(neutral: str | None) -> None:
    contract = replace(CONTRACT, neutral=neutral)
    again = ModelContract.from_json(contract.to_json())
    assert again == contract and again.neutral == neutral and again.digest == contract.digest
    assert (contract.digest == CONTRACT.digest) == (neutral is None)


def test_vectors_as_published_are_described_as_before_there_were_maps() -> None:
    """Collections made then hold this text; its digest must stay theirs."""
    before = (
        '{"dimension": 384, "instruct_template": null, "max_tokens": 512, "model_id": "a/b", '
        '"normalize": true, "passage_prefix": "passage: ", "pooling": "mean", "query_prefix": "query: ", '
        '"revision": "rev"}'
    )
    assert CONTRACT.to_json() == before and ModelContract.from_json(before) == CONTRACT
    stated = before[:-1] + ', "neutral": null}'
    assert ModelContract.from_json(stated) == CONTRACT
    with pytest.raises(ContractError, match="map"):
        ModelContract.from_json(before[:-1] + ', "map": null}')


@pytest.mark.parametrize("name", [field.name for field in fields(ModelContract)])
def test_every_field_counts(name: str) -> None:
    value = getattr(CONTRACT, name)
    changed = replace(CONTRACT, **{name: OTHER.get(type(value), "other")})
    assert changed.digest != CONTRACT.digest
    with pytest.raises(ContractError, match=name):
        CONTRACT.require_same(changed)


def test_digest_is_the_recorded_one() -> None:
    """Stored with collections: a change here forces everybody to re-embed."""
    assert CONTRACT.digest == "27534b3e3a6dd48b"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model_id": "x"}', "null", "7"])
def test_foreign_text_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="Re-embed"):
        ModelContract.from_json(text)
