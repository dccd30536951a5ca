import pytest

from research.builtin.sets import Asked, Leaks, Multiway, Ranking, Sets, load_sets, save_sets
from trainer.errors import DataError

SETS = Sets(
    fingerprint="0123",
    rankings=[Ranking("title", "de", "de", ["Übersicht"], [[0]], ["Text", "نص"])],
    multiway=[Multiway("x", [Asked("de", "Was?", 3, [0])], ["Text"], ["de"], seen=1)],
    similarity={"en (sts)": [("a", "b", 2.5)]},
    tatoeba_leaks={"deu": [1, 5]},
    leaks={"Tatoeba": Leaks(10, 1, 2, 0)},
    training_texts=12,
)


def test_what_is_saved_is_loaded(tmp_path):
    save_sets(SETS, tmp_path / "new" / "sets.json.gz")
    assert load_sets(tmp_path / "new" / "sets.json.gz") == SETS
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sets.json.gz"]


@pytest.mark.parametrize("content", [b"", b"no gzip", None])
def test_another_file_is_refused_with_advice(tmp_path, content):
    path = tmp_path / "sets.json.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="Delete it"):
        load_sets(path)
