"""Sets from a small data folder: documentation in three languages, questions, similarity, an unseen site."""

import dataclasses
import json
import lzma
import random

import pytest

from research.builtin.building import _languages as languages_of
from research.builtin.building import build_sets, sets_fingerprint
from trainer.config import SourceConfig
from trainer.data.multilingual.rows import is_held_out
from trainer.errors import DataError
from trainer.stages.static.recipe import StaticConfig

LANGUAGES = ("de", "fr", "ru")
ONE_IN = 3
SENTENCES, PER_SECTION = 360, 3


def english(number, site):
    draw = random.Random(f"{site}{number}")
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(6)]
    return " ".join(words) + "."


def translated(text, language):
    letters = {"de": "äbcdefghijklmnöpqrstüvwxyz", "fr": "àbcdéfghijklmnôpqrstùvwxyz"}.get(
        language, "абцдефгхийклмнопярстувжхыз"
    )
    table = str.maketrans("abcdefghijklmnopqrstuvwxyz", letters)
    return " ".join(word[::-1] for word in text.translate(table).split())


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(lzma.compress(content) if path.suffix == ".xz" else content)


def not_held_out(text):
    """The text with as many exclamation marks as it takes to be trained on."""
    while is_held_out(text, ONE_IN):
        text += "!"
    return text


def write_site(root, parallel, passages, site):
    texts = [english(number, site) for number in range(SENTENCES)]
    rows, sections = [], []
    for language in LANGUAGES:
        own = [translated(text, language) for text in texts]
        rows += ["\t".join(("en", language, *pair)) for pair in zip(texts, own, strict=True)]
        for start in range(0, SENTENCES, PER_SECTION):
            title = f"{site} title {language} number {start}"
            text = " ".join(own[start : start + PER_SECTION])
            sections.append(json.dumps({"lang": language, "title": title, "text": text, "source": site}))
    write(root / parallel, rows)
    write(root / passages, sections)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_site(root, "parallel/docs.tsv", "passages/docs.jsonl", "docs")
    write_site(
        root,
        "parallel/documentation-ruby-lang.tsv.xz",
        "passages/ruby-lang.jsonl.xz",
        "ruby/www.ruby-lang.org",
    )
    questions = [
        {"lang": "sw", "passage_lang": "de", "question": english(n, "asked"), "passage": english(n, "answer")}
        for n in range(150)
    ]
    write(root / "qa" / "small.jsonl", map(json.dumps, questions))
    pairs = ["\t".join(("de", english(n, "left"), english(n, "right"), str(n % 6))) for n in range(200)]
    write(root / "similarity" / "sts-other.tsv.xz", pairs)
    sources = (
        SourceConfig("parallel/docs.tsv", "parallel", "CC0", "made here"),
        SourceConfig("qa/small.jsonl", "question", "CC0", "made here"),
        SourceConfig("passages/docs.jsonl", "passage", "CC0", "made here"),
    )
    return StaticConfig(data=str(root), out="", sources=sources, held_out_one_in=ONE_IN)


@pytest.fixture(scope="module")
def sets(config):
    return build_sets(config)


def test_the_multiway_sets_ask_held_out_sentences_of_other_languages(sets):
    documentation, unseen = sets.multiway
    assert (documentation.name, unseen.name) == ("documentation", "unseen site")
    known = {translated(text, one): text for text in map(english, range(SENTENCES), ["docs"] * SENTENCES)
             for one in LANGUAGES}  # fmt: skip
    assert len(documentation.queries) >= 100
    for query in documentation.queries:
        original = known.get(query.text, query.text)
        assert is_held_out(original, ONE_IN)
        assert {documentation.passage_languages[number] for number in query.relevant} == set(LANGUAGES)
        for number in query.relevant:
            language = documentation.passage_languages[number]
            assert translated(original, language) in documentation.passages[number]
    assert {query.language for query in unseen.queries} == set(LANGUAGES)
    assert documentation.seen > 0 == unseen.seen


def test_questions_and_titles_are_held_out_and_their_answers_among_the_passages(sets):
    by_kind = {(one.kind, one.language, one.passage_language): one for one in sets.rankings}
    assert set(by_kind) == {("question", "sw", "de"), *(("title", one, one) for one in LANGUAGES)}
    asked = by_kind["question", "sw", "de"]
    answers = {english(n, "asked"): english(n, "answer") for n in range(150)}
    for question, relevant in zip(asked.queries, asked.relevant, strict=True):
        assert [asked.passages[number] for number in relevant] == [answers[question]]
        assert is_held_out(answers[question], ONE_IN)
    assert len(asked.passages) == 150, "trained passages are distractors"
    for title in by_kind["title", "de", "de"].queries:
        assert is_held_out(title, 2 if title.startswith("ruby") else ONE_IN)


def test_similarity_keeps_one_pair_in_five(sets):
    (name,) = sets.similarity
    assert name == "de (sts-other)"
    assert {left for left, _, _ in sets.similarity[name]} == {
        text for text in (english(n, "left") for n in range(200)) if is_held_out(text, 5)
    }


def test_what_training_text_holds_is_dropped_and_counted(config, tmp_path):
    plain = build_sets(config)
    assert plain.leaks["questions"].exact == plain.leaks["questions"].near == 0
    leaking = plain.rankings[0].queries[:3]
    assert plain.rankings[0].kind == "question"
    rows = [f"en\tde\t{not_held_out(text.upper())}\t{not_held_out('irgendetwas')}" for text in leaking]
    write(tmp_path / "leak.tsv", rows)
    source = SourceConfig(str(tmp_path / "leak.tsv"), "parallel", "CC0", "made here")
    found = build_sets(dataclasses.replace(config, sources=(*config.sources, source)))
    counts = found.leaks["questions"]
    assert (counts.exact, counts.dropped) == (3, 3)
    assert not set(leaking) & set(found.rankings[0].queries)


def test_the_fingerprint_follows_the_sources(config):
    assert sets_fingerprint(config) == sets_fingerprint(dataclasses.replace(config, seed=99))
    relabelled = [dataclasses.replace(source, licence="MIT", note="x") for source in config.sources]
    assert sets_fingerprint(config) == sets_fingerprint(
        dataclasses.replace(config, sources=tuple(relabelled))
    )
    assert sets_fingerprint(config) != sets_fingerprint(
        dataclasses.replace(config, sources=config.sources[:2])
    )
    assert sets_fingerprint(config) != sets_fingerprint(dataclasses.replace(config, held_out_one_in=9))


def test_a_damaged_similarity_row_is_named(config, tmp_path):
    for source in config.sources:
        (tmp_path / source.file).parent.mkdir(exist_ok=True)
        (tmp_path / source.file).write_bytes((type(tmp_path)(config.data) / source.file).read_bytes())
    write(tmp_path / "similarity" / "sts-other.tsv.xz", ["de\tnur\tdrei"])
    with pytest.raises(DataError, match=r"sts-other\.tsv\.xz:1 is not a pair"):
        build_sets(dataclasses.replace(config, data=str(tmp_path)))


@pytest.mark.parametrize(
    ("group", "pair"),
    [
        ("en-de", ("en", "de")),
        ("zh-Hant-zh-Hant", ("zh-Hant", "zh-Hant")),
        ("zh-Hant-en", ("zh-Hant", "en")),
        ("yue-sr-Latn", ("yue", "sr-Latn")),
    ],
)
def test_a_group_is_two_languages(group, pair):
    assert languages_of(group) == pair
