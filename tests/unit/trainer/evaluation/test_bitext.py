import pytest

from trainer.errors import DataError
from trainer.evaluation.bitext import bucc_tasks, find_pairs, pair_task, tab_pair_task, tatoeba_task


def test_tatoeba_languages_are_parts(write):
    folder = write({"t/tatoeba.deu-eng.deu": "eins\nzwei\n", "t/tatoeba.deu-eng.eng": "one\ntwo\n"}) / "t"
    (part,) = tatoeba_task(folder).read()
    assert (part.language, part.sources, part.targets) == ("deu", ["eins", "zwei"], ["one", "two"])
    assert part.gold.tolist() == [0, 1] and part.both_ways


def test_aligned_files_may_hold_any_line_but_must_be_as_many(write):
    folder = write({"a.de": "eins\r\n\nzw\u2028ei\n", "a.en": "one\n\ntwo", "b.en": "one\n"})
    (part,) = pair_task("a", {"de-en": (folder / "a.de", folder / "a.en")}).read()
    assert part.sources == ["eins", "", "zw\u2028ei"] and part.targets == ["one", "", "two"]
    with pytest.raises(DataError, match=r"3 lines and .* has 1"):
        list(pair_task("a", {"de-en": (folder / "a.de", folder / "b.en")}).read())


def test_pairs_are_files_that_differ_in_their_suffix(write):
    folder = write({"a.de": "x", "a.en": "x", "b.fr": "x", "b.sw": "x", "c.en": "x", "README.md": "x"})
    files = list(folder.iterdir())
    assert find_pairs(files) == {
        "a": (folder / "a.de", folder / "a.en"),
        "b": (folder / "b.fr", folder / "b.sw"),
    }
    assert list(find_pairs([folder / "a.en", folder / "a.de"])) == ["de-en"]


def test_a_table_of_two_columns(write):
    folder = write({"a.tsv": "eins\tone\nzwei\ttwo\n", "b.tsv": "eins\tone\nzwei\n"})
    (part,) = tab_pair_task(folder / "a.tsv").read()
    assert (part.sources, part.targets) == (["eins", "zwei"], ["one", "two"])
    with pytest.raises(DataError, match="line 2"):
        list(tab_pair_task(folder / "b.tsv").read())


def test_bucc_is_two_tasks(bucc):
    bitext, mining = bucc_tasks(bucc, None)
    (part,) = bitext.read()
    assert part.sources == ["fluss meer", "haus", "stadt"] and len(part.targets) == 4
    assert part.gold.tolist() == [1, 2, 0] and not part.both_ways
    (part,) = mining.read()
    assert (len(part.sources), len(part.targets), part.tuning) == (5, 4, None)
    assert part.gold == {(0, 1), (1, 2), (2, 0)}


def test_the_threshold_comes_from_training_where_test_has_a_gold(write, bucc):
    write(
        {
            "bucc/de-en/de-en.test.de": "d1\thaus\n",
            "bucc/de-en/de-en.test.en": "e1\thouse\n",
            "bucc/de-en/de-en.test.gold": "d1\te1\n",
        }
    )
    (part,) = bucc_tasks(bucc, None)[1].read()
    assert part.gold == {(0, 0)} and part.tuning.gold == {(0, 1), (1, 2), (2, 0)}
    (part,) = bucc_tasks(bucc, "training")[1].read()
    assert len(part.gold) == 3 and part.tuning is None
    with pytest.raises(DataError, match=r"training.*Expected dev"):
        list(bucc_tasks(bucc, "dev")[1].read())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("gold", "d1\te9\n", "line 1.*two sentence ids"),
        ("gold", "", "is empty"),
        ("de", "no id here\n", "one column"),
    ],
)
def test_malformed_bucc_files_are_named(write, bucc, name, text, message):
    write({f"bucc/de-en/de-en.training.{name}": text})
    with pytest.raises(DataError, match=message):
        list(bucc_tasks(bucc, None)[1].read())


def test_a_missing_half_is_named(bucc):
    (bucc / "de-en" / "de-en.training.en").unlink()
    with pytest.raises(DataError, match=r"de-en\.training\.en cannot be read"):
        list(bucc_tasks(bucc, None)[1].read())
