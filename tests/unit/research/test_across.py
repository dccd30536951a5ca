import dataclasses

import numpy as np
import pytest

from research.builtin.across import (
    MIN_QUERIES,
    bm25_from_english,
    mean_mrr,
    measure_multiway,
    score,
    scripts_of,
)
from research.builtin.figures import Model
from research.builtin.sets import Asked, Multiway

TOPICS = 60
LANGUAGES = ("de", "fr", "ru")
WORDS = {"de": "thema", "fr": "sujet", "ru": "тема"}


def multiway():
    """Every topic has a query and a passage in each language: 'de 7 thema'."""
    passages = [f"{language} {topic} {WORDS[language]}" for language in LANGUAGES for topic in range(TOPICS)]
    queries = [
        Asked(language, f"{language} {topic}", topic, [column * TOPICS + topic for column in range(3)])
        for topic in range(TOPICS)
        for language in LANGUAGES
    ]
    return Multiway("toy", queries, passages, [language for language in LANGUAGES for _ in range(TOPICS)])


def by_topic(weight_of_language=0.0):
    """A model that knows the topic, and lets the language weigh so much."""

    def encode(texts):
        vectors = np.zeros((len(texts), TOPICS + 3), dtype=np.float32)
        for row, text in enumerate(texts):
            language, topic = text.split()[:2]
            vectors[row, int(topic)] = 1.0
            vectors[row, TOPICS + LANGUAGES.index(language)] = weight_of_language
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return Model(encode, encode)


def test_a_model_that_knows_the_topic_is_right_everywhere_and_fair():
    found = measure_multiway(multiway(), by_topic())
    assert found["mrr_10"]["value"] == found["all_languages_mrr_10"]["value"] == 1
    assert found["pairs_counted"] == 6
    assert found["pairs"]["de"] == {other: {"queries": TOPICS, "mrr_10": 1.0} for other in ("fr", "ru")}
    assert found["fairness"]["wins"]["query_language"]["value"] == 1
    assert found["fairness"]["same_language_bias"]["value"] == 0


def test_a_model_that_prefers_the_language_of_the_query_is_seen():
    found = measure_multiway(multiway(), by_topic(weight_of_language=1.5))
    assert found["mrr_10"]["value"] == 1  # among the passages of one language the topic still decides
    wins = found["fairness"]["wins"]
    assert wins["query_language"]["value"] == 0
    assert wins["answer_language"]["value"] == 1
    assert wins["third_other_script"]["value"] == 1
    assert found["fairness"]["same_language_bias"]["value"] == 100


def test_scores_are_measured_as_a_search_compares_them():
    model = by_topic(weight_of_language=1.5)

    def leanings(queries, languages):
        """What passages share with the query in the place of their language."""
        columns = [TOPICS + LANGUAGES.index(language) for language in languages]
        return queries[:, columns] * (1.5 / np.hypot(1, 1.5))

    assert measure_multiway(multiway(), model)["own_language_too_mrr_10"]["value"] == 0
    found = measure_multiway(multiway(), dataclasses.replace(model, leanings=leanings))
    assert found["own_language_too_mrr_10"]["value"] == found["mrr_10"]["value"] == 1
    assert found["fairness"]["same_language_bias"]["value"] == 0


def test_ranks_by_hand():
    one = multiway()
    ranks = np.random.default_rng(1).normal(size=(len(one.passages) + len(one.queries), 8)).astype(np.float32)
    number = {text: row for row, text in enumerate([*one.passages, *(query.text for query in one.queries)])}

    def encode(texts):
        return ranks[[number[text] for text in texts]]

    scored = score(one, Model(encode, encode))
    for row in (0, 50, 121):
        query = one.queries[row]
        scores = encode([query.text])[0] @ encode(one.passages).T
        elsewhere = [place for place, own in enumerate(one.passage_languages) if own != query.language]
        for column, language in enumerate(LANGUAGES):
            (relevant,) = (n for n in query.relevant if one.passage_languages[n] == language)
            inside = [place for place, own in enumerate(one.passage_languages) if own == language]
            assert scored.ranks[row, column] == 1 + sum(scores[place] > scores[relevant] for place in inside)
            assert scored.best[row, column] == pytest.approx(scores[relevant], rel=1e-5)
            irrelevant = [place for place in inside if place != relevant]  # fewer than are drawn: all
            assert scored.rival[row, column] == pytest.approx(max(scores[irrelevant]), rel=1e-5)
        answers = [n for n in query.relevant if n in elsewhere]
        best = max(scores[answers])
        others = [place for place in elsewhere if place not in answers]
        assert scored.anywhere[row] == 1 + sum(scores[place] > best for place in others)


def test_bm25_finds_only_what_languages_share():
    one = multiway()
    assert bm25_from_english(one, np.zeros(len(one.queries)))["queries"] == 0
    passages = [*one.passages, "1600 in all"]
    languages = [*one.passage_languages, "zz"]
    queries = [Asked("en", "1600", 0, [len(passages) - 1]), Asked("en", "subject", 1, [0])]
    found = bm25_from_english(Multiway("toy", queries, passages, languages), np.array([0.2, 0.4]))
    assert found == {"queries": 2, "mrr_10": 0.5, "model_mrr_10": 0.3}


def test_the_mean_alone_is_that_of_the_report():
    rng = np.random.default_rng(2)
    one, known = multiway(), {}

    def encode(texts):
        return np.stack([known.setdefault(text, rng.normal(size=8).astype(np.float32)) for text in texts])

    model = Model(encode, encode)
    found = measure_multiway(one, model)["mrr_10"]["value"]
    assert 0 < found < 0.5
    assert mean_mrr(one, model) == pytest.approx(found, abs=1e-4)


def test_pairs_with_few_queries_and_missing_answers_do_not_count():
    one = multiway()
    queries = [
        Asked(query.language, query.text, query.source, [n for n in query.relevant if n < 2 * TOPICS])
        for query in one.queries
        if query.language != "fr" or query.source < MIN_QUERIES - 1
    ]
    found = measure_multiway(Multiway("toy", queries, one.passages, one.passage_languages), by_topic())
    assert set(found["pairs"]["de"]) == {"fr"}  # no passages in Russian answer
    assert found["pairs"]["fr"] == {}  # too few French queries
    assert set(found["pairs"]["ru"]) == {"de", "fr"}


def test_scripts_are_read_from_the_passages():
    assert scripts_of(multiway()) == {"de": "Latin", "fr": "Latin", "ru": "Cyrillic"}
    japanese = Multiway("x", [], ["これはテストです。" * 3, "图书馆在哪里"], ["ja", "zh"])
    assert scripts_of(japanese) == {"ja": "Han", "zh": "Han"}
