import pytest

from trainer.errors import DataError
from trainer.evaluation.retrieval import beir_task, judged_task


def only(task):
    (part,) = task.read()
    return part


def test_beir_is_read_in_the_order_that_breaks_ties_as_trec_eval(beir):
    part = only(beir_task(beir, None))
    assert part.passages == ["library opens at nine", "cities by the river", "silt and sea"]  # d2, d10, d1
    assert part.titles == ["", "", "River"]
    assert part.queries == ["river silt", "when opens library"]  # q3 and q4 cannot be answered
    assert part.languages == ["en", "und"]
    assert part.judged == [{2: 2, 1: 1}, {0: 1, 3: 1}]  # 'gone' is relevant and can never be found
    assert part.itself == ()


def test_a_query_that_is_a_passage_is_noted_only_when_id_and_text_agree(write):
    folder = write(
        {
            "a/corpus.jsonl": [{"_id": "x", "text": "same"}, {"_id": "y", "text": "other"}],
            "a/queries.jsonl": [{"_id": "x", "text": "same"}, {"_id": "y", "text": "not the passage"}],
            "a/qrels/test.tsv": "x\ty\t1\ny\tx\t1\n",
        }
    )
    part = only(beir_task(folder / "a", None))
    assert [part.passages[0], part.itself] == ["other", [1, -1]]


def test_subfolders_are_pools_named_by_language(write, beir):
    folder = write(
        {
            "m/sw/corpus.jsonl": [{"_id": "1", "text": "maji"}],
            "m/sw/queries.jsonl": [{"_id": "1", "text": "maji"}],
            "m/sw/qrels/dev.tsv": "1 Q0 1 1\n",
            "m/yo/corpus.jsonl": [{"_id": "1", "text": "omi"}],
            "m/yo/queries.jsonl": [{"_id": "1", "text": "omi", "language": "en"}],
            "m/yo/qrels/dev.tsv": "1\t0\t1\t1\n",
        }
    )
    parts = list(beir_task(folder / "m", None).read())
    assert [(part.languages, part.label(part.languages[0])) for part in parts] == [
        (["sw"], "sw"),
        (["en"], "yo/en"),
    ]


def test_the_split_is_test_then_dev_then_the_only_one(write, beir):
    write({"nq/qrels/dev.tsv": "q1\td2\t1\n"})
    assert len(only(beir_task(beir, None)).queries) == 2
    assert only(beir_task(beir, "dev")).judged == [{0: 1}]
    with pytest.raises(DataError, match=r"dev, test.*--split"):
        only(beir_task(beir, "train"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nq/corpus.jsonl", '{"_id": "d1", "text": "a"}\n{"_id": "d1", "text": "b"}\n', "duplicate _id"),
        ("nq/corpus.jsonl", '{"_id": "d1"}\n', "line 1: has no 'text'"),
        ("nq/queries.jsonl", '{"_id": "d1", \n', "line 1: not JSON"),
        ("nq/queries.jsonl", "[1]\n", "line 1: expected a JSON object"),
        ("nq/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\tmuch\n", "line 2: score is 'much'"),
        ("nq/qrels/test.tsv", "q1\td1\n", "line 1: has 2 columns"),
        ("nq/qrels/test.tsv", "q1\td1\t0\n", "no query with a relevant passage"),
    ],
)
def test_malformed_files_are_named(write, beir, name, text, message):
    write({name: text})
    with pytest.raises(DataError, match=message):
        only(beir_task(beir, None))


def test_judged_queries_share_one_pool(write):
    path = write(
        {
            "own.csv": "\ufeffQuery,Document,Grade,Language\n"
            'river,"silt, and sea",2,en\nriver,library,0,en\nFluss,"silt, and sea",,de\nlost,library,0,en\n'
        }
    )
    part = only(judged_task(path / "own.csv"))
    assert part.passages == ["silt, and sea", "library"]
    assert (part.queries, part.languages) == (["river", "Fluss"], ["en", "de"])
    assert part.judged == [{0: 2, 1: 0}, {0: 1}]


def test_a_csv_needs_its_columns_and_cells(write):
    folder = write({"a.csv": "words,document\nx,y\n", "b.csv": "query,document\nx,\n"})
    with pytest.raises(DataError, match="Add query"):
        only(judged_task(folder / "a.csv"))
    with pytest.raises(DataError, match="line 2: query or document is empty"):
        only(judged_task(folder / "b.csv"))


@pytest.mark.parametrize(
    "text",
    [
        "question;passage;score;lang\nriver;the river, wide;2;en\n",
        "Query\tAnswer\tGrade\tLanguage\nriver\tthe river, wide\t2\ten\n",
        '\ufeffquery,text,grade,language\nriver,"the river, wide",2,en\n',
    ],
)
def test_spreadsheets_of_other_countries_and_habits_are_read(write, text):
    path = write({"own.csv": text}) / "own.csv"
    (part,) = judged_task(path).read()
    assert (part.queries, part.passages) == (["river"], ["the river, wide"])
    assert (part.judged, part.languages) == ([{0: 2}], ["en"])
