"""JSON and JSON lines: keys with their values, siblings of lists, comments, damaged records."""

import json

import pytest

from indexer.errors import ReadError
from tests.support.reading import read, text_of, warnings_of


def test_every_value_is_read_with_its_key() -> None:
    value = {
        "order no": 5101,
        "price": "12.50",
        "paid": True,
        "sent": False,
        "note": None,
        "tags": ["rye", "oat"],
    }
    raw = json.dumps(value).replace('"12.50"', "12.50")
    assert text_of("a.json", raw) == (
        "order no: 5101\nprice: 12.50\npaid: true\nsent: false\ntags: rye, oat\n"
    )


def test_keys_of_objects_inside_are_a_path() -> None:
    value = {"gate": {"open": {"from": "dawn"}}, "staff": [{"name": "Ada"}, {"name": "Ola"}], "text": "Weir"}
    assert text_of("a.json", json.dumps([value])) == (
        "Weir\ngate › open › from: dawn\nstaff › name: Ada\nstaff › name: Ola\n"
    )


def test_what_stands_beside_a_list_of_records_is_read_too() -> None:
    value = {"title": "Fair", "place": {"name": "Mill"}, "items": [{"what": "race"}, {"what": "raffle"}]}
    pieces, facts = read("a.json", json.dumps(value))
    assert pieces == [
        ("Fair\nplace › name: Mill\n", None),
        ("what: race\n", "record 1"),
        ("what: raffle\n", "record 2"),
    ]
    assert "Fair" in [fact.title for fact in facts]


def test_an_object_of_objects_is_read_by_its_keys() -> None:
    assert read("a.json", '{"weir": {"height": 2}, "mill": {"age": 300}}')[0] == [
        ("weir › height: 2\n", "weir"),
        ("mill › age: 300\n", "mill"),
    ]


def test_vectors_and_pictures_are_left_out() -> None:
    value = {"a": "Weir", "v": [0.5] * 300, "few": [1, 2], "p": "data:image/png;base64,iVBORw0KGgo="}
    assert text_of("a.json", json.dumps(value)) == "a: Weir\nfew: 1, 2\n"


@pytest.mark.parametrize(
    "raw",
    [
        '// made by hand\n{"a": 1, /* two */ "b": "x // y",}\n',
        '{\n  # first\n  "a": 1,\n  "b": "x // y", // last\n}',
        '\ufeff{"a": 1, "b": "x // y"}',
    ],
)
def test_comments_and_commas_too_many(raw: str) -> None:
    assert text_of("a.json", raw) == "a: 1\nb: x // y\n"
    assert warnings_of("a.json", raw) == []


def test_records_on_several_lines_in_json_lines() -> None:
    records = [{"a": "weir", "b": [{"c": 1}]}, {"a": "mill"}]
    pretty = "\n".join(json.dumps(record, indent=2) for record in records)
    assert text_of("a.jsonl", pretty) == "a: weir\nb › c: 1\na: mill\n"
    mixed = f"# made by hand\n{json.dumps(records[0])}\n\n// next\n{json.dumps(records[1], indent=1)}\n"
    assert text_of("a.jsonl", mixed) == "a: weir\nb › c: 1\na: mill\n"
    array = "[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n"
    assert text_of("a.jsonl", array) == "a: weir\nb › c: 1\na: mill\n"


def test_a_damaged_line_costs_its_form_and_no_words() -> None:
    raw = '{"a": "weir"}\n{"a": "lost wheel\n{"a": "mill"}\nnot json\n'
    assert text_of("a.jsonl", raw) == 'a: weir\na: mill\n{"a": "lost wheel\nnot json\n'
    assert warnings_of("a.jsonl", raw) == ["2 lines are not JSON and were read as plain text (2, 4)"]
    with pytest.raises(ReadError, match="line 1 is not JSON"):
        read("a.jsonl", "no\nnot\n")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('[{"a": "weir"}, {"a": lost}, {"a": "mill"}]', 'a: weir\na: mill\n{"a": lost},\n'),
        ('[\n{"a": "weir"},\n{"a": "wheel', 'a: weir\n{"a": "wheel\n'),
        ('{"a": "weir"}\n{"a" "lost"}\n{"a": "mill"}', 'a: weir\na: mill\n{"a" "lost"}\n'),
    ],
)
def test_a_damaged_record_costs_its_form_and_no_words(raw: str, text: str) -> None:
    assert text_of("a.json", raw) == text
    assert "not valid JSON" in warnings_of("a.json", raw)[0]


def test_an_array_that_breaks_off_after_a_record() -> None:
    raw = '[{"a": "weir"}, {"a": "mill"}'
    assert text_of("a.json", raw).startswith("a: weir\na: mill\n")
    assert "the array does not end" in warnings_of("a.json", raw)[0]


def test_long_files_are_read_in_parts() -> None:
    records = [{"n": n, "a": "mill " * 40} for n in range(12_000)]
    raw = json.dumps(records)
    assert len(raw) > 2 << 20
    pieces, _ = read("a.json", raw)
    assert len(pieces) == len(records)
    broken = raw.replace('"n": 7000,', '"n" 7000,')
    assert len(read("a.json", broken)[0]) == len(records)
