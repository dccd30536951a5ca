import pytest

from trainer.errors import DataError
from trainer.evaluation import running
from trainer.evaluation.bitext import tatoeba_task
from trainer.evaluation.bm25 import word_pieces
from trainer.evaluation.hub import HubScores
from trainer.evaluation.models import Bm25Model, EncoderModel
from trainer.evaluation.retrieval import judged_task
from trainer.evaluation.running import Options, run_hub_task, run_task

WORDS = {"eins": "one", "zwei": "two", "drei": "three", "un": "one", "deux": "three"}
QUICK = Options(resamples=50)


@pytest.fixture
def tatoeba(write):
    return tatoeba_task(
        write(
            {
                "tatoeba.deu-eng.deu": "eins\nzwei\ndrei\n",
                "tatoeba.deu-eng.eng": "one\ntwo\nthree\n",
                "tatoeba.fra-eng.fra": "un\ndeux\n",
                "tatoeba.fra-eng.eng": "one\ntwo\n",
            }
        )
    )


def test_rows_per_language_and_their_mean(tatoeba, noting):
    report = run_task(tatoeba, EncoderModel("m", noting(dictionary=WORDS)), None, QUICK)
    accuracy = {row.language: row.scores["accuracy"].first.value for row in report.rows}
    assert accuracy == {"deu": 1, "fra": 0.5}
    assert (report.kind, report.main_metric) == ("bitext", "F1")
    assert (report.mean.language, report.mean.items) == ("mean", 5)
    assert report.mean.scores["accuracy"].first.value == 0.75
    assert report.rows[0].scores["F1"].second is None


def test_two_models_are_compared_on_the_same_items(tatoeba, noting):
    good, bad = EncoderModel("m", noting(dictionary=WORDS)), Bm25Model("bm25", word_pieces())
    report = run_task(tatoeba, bad, good, QUICK)
    score = report.rows[0].scores["accuracy"]
    assert (score.first.value, score.second.value, score.difference.difference) == (0, 1, 1)
    assert report.mean.scores["accuracy"].difference.low > 0


def test_only_wanted_languages_are_measured(tatoeba, noting, write):
    encoder = noting(dictionary=WORDS)
    report = run_task(tatoeba, EncoderModel("m", encoder), None, Options(languages=("fra",), resamples=10))
    assert [row.language for row in report.rows] == ["fra"] and report.mean is None
    assert not any("eins" in texts for _, texts, *_ in encoder.calls)
    path = write({"own.csv": "query,document,language\nriver,the river,en\nFluss,der Fluss,de\n"}) / "own.csv"
    report = run_task(
        judged_task(path), EncoderModel("m", encoder), None, Options(languages=("de",), resamples=10)
    )
    assert [(row.language, row.items, row.pool) for row in report.rows] == [("de", 1, 2)]
    with pytest.raises(DataError, match="nothing in sw"):
        run_task(tatoeba, EncoderModel("m", encoder), None, Options(languages=("sw",)))


def test_figures_of_the_hub_have_no_interval(monkeypatch, noting):
    def scores(name, model, languages):
        value = 0.5 if model.name == "m" else 0.75
        return [HubScores(name, "test", language, value, {"F1": value}) for language in ("de", "fr")]

    monkeypatch.setattr(running, "hub_scores", scores)
    first, second = EncoderModel("m", noting()), EncoderModel("n", noting())
    (report,) = run_hub_task("Rivers", first, second, QUICK)
    assert (report.task, report.kind, [row.language for row in report.rows]) == (
        "Rivers (test)",
        "hub",
        ["de", "fr"],
    )
    score = report.rows[0].scores["main score"]
    assert (score.first.value, score.second.value, score.difference) == (0.5, 0.75, None)
    assert score.first.low != score.first.low  # not a number
    assert set(report.rows[0].scores) == {"main score", "F1"}
