import pytest

from trainer.errors import DataError
from trainer.evaluation.tables import classification_task, similarity_task


def test_pairs_are_grouped_by_language_and_quotes_are_text(write):
    path = (
        write({"sts.tsv": 'text1\ttext2\tscore\tlang\n"a\tb\t4.5\tde\nc\td\t0\ten\ne\tf\t1\tde\n'})
        / "sts.tsv"
    )
    german, english = similarity_task(path).read()
    assert (german.language, german.left, german.right) == ("de", ('"a', "e"), ("b", "f"))
    assert german.scores.tolist() == [4.5, 1.0] and english.language == "en"


def test_the_language_may_be_missing(write):
    (part,) = similarity_task(write({"sts.tsv": "a\tb\t1\nc\td\t2\n"}) / "sts.tsv").read()
    assert part.language == "und" and len(part.scores) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\t1\nc\td\tx\n", "line 2: score is 'x'"),
        ("a\tb\n", "line 1"),
        ("", "no pair"),
        ("a\tb\tnan\n", "nan"),
    ],
)
def test_malformed_tables_are_named(write, text, message):
    with pytest.raises(DataError, match=message):
        list(similarity_task(write({"sts.tsv": text}) / "sts.tsv").read())


def test_a_language_without_training_rows_learns_from_the_others(write):
    folder = write(
        {
            "c/train.tsv": "text\tlabel\tlanguage\ngood\t1\ten\nbad\t0\ten\ngut\t1\tde\n",
            "c/test.tsv": "fine\t1\ten\nbon\t1\tfr\n",
        }
    )
    english, french = classification_task(folder / "c").read()
    assert (english.train_texts, english.train_labels, english.test_texts) == (
        ["good", "bad"],
        ["1", "0"],
        ["fine"],
    )
    assert (french.language, french.train_texts) == ("fr", ["good", "bad", "gut"])


def test_malformed_classification_is_named(write):
    folder = write({"c/train.tsv": "a\tb\tc\td\n", "c/test.tsv": ""}) / "c"
    with pytest.raises(DataError, match=r"train[.]tsv line 1"):
        list(classification_task(folder).read())
    write({"c/train.tsv": "a\tb\n"})
    with pytest.raises(DataError, match=r"test[.]tsv holds no row"):
        list(classification_task(folder).read())
