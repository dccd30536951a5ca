import json

import pytest

from trainer.config import SourceConfig
from trainer.data.multilingual.cloze import cloze_pairs
from trainer.data.multilingual.corpus import build_corpus, sample_for_tokenizer
from trainer.data.multilingual.rows import is_held_out
from trainer.stages.static.recipe import StaticConfig

ENGLISH = "The river carries silt to the sea every spring."
GERMAN = "Der Fluss trägt in jedem Frühling Schlick ins Meer."


def sentences(count, *, held_out):
    candidates = (f"This is sentence number {number}." for number in range(10_000))
    found = (text for text in candidates if is_held_out(text, 50) == held_out)
    return [next(found) for _ in range(count)]


@pytest.fixture
def build(tmp_path):
    def build_from(parallel=(), questions=(), passages=(), **source):
        (tmp_path / "p.tsv").write_text("".join("\t".join(row) + "\n" for row in parallel), encoding="utf8")
        for name, rows in (("q.jsonl", questions), ("s.jsonl", passages)):
            (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
        sources = (
            SourceConfig("p.tsv", "parallel", "CC0", "x", **source),
            SourceConfig("q.jsonl", "question", "CC0", "x"),
            SourceConfig("s.jsonl", "passage", "CC0", "x", keep_sources=("good",)),
        )
        return build_corpus(StaticConfig(data=str(tmp_path), out="", sources=sources))

    return build_from


def texts_of(corpus, pairs):
    return [(corpus.texts[a], corpus.texts[b]) for a, b in zip(pairs.left, pairs.right, strict=True)]


def test_parallel_rows_are_split_by_the_hash_of_either_side(build):
    (kept,), (held,) = sentences(1, held_out=False), sentences(1, held_out=True)
    corpus = build(
        [("en", "de", kept, "Satz eins."), ("en", "de", held, "Satz zwei."), ("fr", "de", held, "Satz drei.")]
    )
    assert texts_of(corpus, corpus.train["parallel"]) == [(kept, "Satz eins.")]
    assert texts_of(corpus, corpus.held_out["parallel"]) == [(held, "Satz zwei.")]
    assert "Satz drei." not in corpus.texts


def test_excluded_languages_and_sources_do_not_enter(build):
    (kept,) = sentences(1, held_out=False)
    long_text = "A long enough text about open licences. " * 4
    corpus = build(
        [("en", "de", kept, "Satz."), ("en", "fr", kept, "Phrase.")],
        passages=[
            {"lang": "en", "title": "T1", "text": long_text + source, "source": source}
            for source in ("good", "bad")
        ],
        exclude_languages=("fr",),
    )
    assert "Phrase." not in corpus.texts
    assert long_text + "good" in corpus.texts
    assert long_text + "bad" not in corpus.texts


def test_a_question_leads_to_its_passage_under_its_title(build):
    row = {
        "lang": "ha",
        "question": "Wane ne?",
        "title": "Title",
        "passage": "A passage.",
        "passage_lang": "en",
    }
    corpus = build(questions=[row])
    kept = corpus.held_out if is_held_out("A passage.", 50) else corpus.train
    assert texts_of(corpus, kept["question"]) == [("Wane ne?", "Title\nA passage.")]
    assert kept["question"].group == ["ha-en"]


def test_sections_are_found_by_the_translations_that_they_hold(build):
    passage = f"Davor steht etwas anderes. {GERMAN} Danach geht es noch eine Weile weiter mit dem Text."
    corpus = build(
        [("en", "de", ENGLISH, GERMAN)],
        passages=[{"lang": "de", "title": "", "text": passage, "source": "good"}],
    )
    kept = corpus.held_out if is_held_out(ENGLISH, 50) else corpus.train
    assert texts_of(corpus, kept["section"]) == [(ENGLISH, passage)]


def test_a_section_without_known_text_makes_no_pair(build):
    passage = (
        f"Davor steht etwas anderes. {GERMAN[:-10]}. Danach geht es noch eine Weile weiter mit dem Text."
    )
    corpus = build(
        [("en", "de", ENGLISH, GERMAN)],
        passages=[{"lang": "de", "title": "", "text": passage, "source": "good"}],
    )
    assert not corpus.train["section"].left and not corpus.held_out["section"].left


LONG = "Der erste Satz ist lang genug. Auch der zweite Satz zählt mit. Zuletzt noch ein dritter Satz hier."


def test_a_passage_gives_a_sentence_with_it_and_one_without_it(build):
    assert not is_held_out("Titel", 50)
    corpus = build(passages=[{"lang": "de", "title": "Titel", "text": LONG, "source": "good"}])
    (inside, whole), (outside, rest) = texts_of(corpus, corpus.train["cloze"])
    assert whole == LONG and inside in LONG
    assert outside in LONG and outside not in rest and outside != inside
    assert sorted(rest.split() + outside.split()) == sorted(LONG.split())
    assert corpus.train["cloze"].group == ["de", "de"]


def test_the_question_of_a_passage_is_asked_and_its_sentences_too(build):
    row = {"lang": "de", "question": "Was zählt?", "title": "", "passage": LONG, "passage_lang": "de"}
    corpus = build(questions=[row, row | {"question": "Und was noch?"}])
    kept = not is_held_out(LONG, 50)
    assert len(corpus.train["cloze"].left) == (2 if kept else 0)  # once, however many questions


def test_no_sentence_is_taken_from_a_passage_with_text_that_is_held_out(build):
    english = next(text for n in range(999) if is_held_out(text := f"Sentence number {n} of four words.", 50))
    passage = f"{LONG} {GERMAN}"
    for language, held in (("de", passage), ("en", f"{LONG} {english}")):
        corpus = build(
            [("en", "de", english, GERMAN)],
            passages=[{"lang": language, "title": "Titel", "text": held, "source": "good"}],
        )
        assert corpus.train["title"].left and not corpus.train["cloze"].left


@pytest.mark.parametrize("passage", ["", "Kurz.", "x" * 5_000, "。" * 90, "短い。" * 3])
def test_a_passage_without_sentences_of_its_own_gives_none(passage):
    assert not list(cloze_pairs(passage))


def test_the_tokenizer_sample_lifts_small_languages(build):
    rows = [("en", "de", f"English {n}", f"Deutsch {n}") for n in range(900)]
    rows += [("en", "cy", f"English {n}", f"Cymraeg {n}") for n in range(100)]
    corpus = build(rows)
    share = {}
    for exponent in (1.0, 0.0):
        chosen = sample_for_tokenizer(corpus, 400, exponent, seed=1)
        share[exponent] = sum(corpus.languages[number] == "cy" for number in chosen) / len(chosen)
    assert share[1.0] < 0.1 < 0.2 < share[0.0]
