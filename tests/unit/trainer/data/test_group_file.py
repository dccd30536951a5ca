"""Groups by number, the ones that are held out, and damaged files."""

from pathlib import Path

import pytest

from tests.support.rerankers import build_groups
from trainer.data.group_file import GroupFile
from trainer.data.groups import Passage, QueryGroup, write_groups
from trainer.errors import DataError


def test_groups_of_several_files_are_found_by_number(tmp_path: Path) -> None:
    first, second = build_groups(7), [QueryGroup("größe\u2028?", (Passage("ja"),)), *build_groups(4, seed=5)]
    write_groups(tmp_path / "a.jsonl", first)
    write_groups(tmp_path / "b.jsonl", second)
    text = (tmp_path / "b.jsonl").read_text(encoding="utf8")
    (tmp_path / "b.jsonl").write_text("\n" + text.replace("\n", "\n \n"), encoding="utf8")  # empty lines
    groups = GroupFile([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    expected = [*first, *second]
    assert len(groups) == 12
    assert [groups[number] for number in reversed(range(12))] == expected[::-1]
    assert groups.with_negatives() == [number for number in range(12) if number != 7]


def test_the_same_queries_are_held_out_wherever_they_stand(tmp_path: Path) -> None:
    groups = build_groups(200)
    write_groups(tmp_path / "a.jsonl", groups)
    write_groups(tmp_path / "b.jsonl", groups[::-1])
    files = [GroupFile([tmp_path / name]) for name in ("a.jsonl", "b.jsonl")]
    held_out = [
        {file[number].query for number in range(200) if file.is_held_out(number, 5)} for file in files
    ]
    assert held_out[0] == held_out[1] and 20 < len(held_out[0]) < 60
    assert not any(files[0].is_held_out(number, 0) for number in range(200))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no query groups"),
        (b"\n\n", "has no query groups"),
        (b'{"query": "a"}\n', "line 1 is not a query group"),
        (b'\n{"query": "\xff"}\n', "line 2 is not UTF-8"),
    ],
)
def test_a_file_without_groups_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "groups.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=message):
        GroupFile([tmp_path / "groups.jsonl"])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.jsonl does not exist"):
        GroupFile([tmp_path / "none.jsonl"])
