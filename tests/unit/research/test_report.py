import json
from itertools import pairwise

import pytest

from research.builtin.report import BEGIN, END, main, summary, tables


def span(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def tatoeba_means(languages, value):
    names = ("accuracy_to_english", "accuracy_from_english", "f1_to_english", "f1_from_english")
    return {"languages": languages, **{name: span(value) for name in names}}


ROW = {
    "kind": "title",
    "language": "de",
    "passage_language": "de",
    "queries": 120,
    "passages": 900,
    "ndcg_10": span(0.61),
    "mrr_10": 0.58,
    "bm25_words_ndcg_10": 0.5,
    "bm25_pieces_ndcg_10": 0.52,
    "difference": {**span(0.09), "p": 0.01},
}
WINS = {
    "query_language": span(0.4),
    "answer_language": span(0.7),
    "third_same_script": span(0.6),
    "third_other_script": span(0.65),
}
REPORT = {
    "tatoeba": {
        "languages": {
            "deu": {
                "sentences": 1000,
                "accuracy_to_english": 88.8,
                "accuracy_from_english": 90.1,
                "f1_to_english": 86.2,
                "f1_from_english": 87.0,
            },
            "cym": {
                "sentences": 575,
                "accuracy_to_english": 27.3,
                "accuracy_from_english": 25.0,
                "f1_to_english": 22.0,
                "f1_from_english": 21.0,
            },
        },
        "all": tatoeba_means(2, 58.1),
        "xtreme_36": tatoeba_means(1, 88.8),
        "all_without_leaks": tatoeba_means(2, 57.2),
    },
    "rankings": {
        "sets": [
            ROW,
            {**ROW, "kind": "question, other language", "language": "sw", "passage_language": "en"},
        ],
        "means": {},
        "same_language": {
            "sets": 1,
            "above_bm25": 1,
            "ndcg_10": span(0.61),
            "bm25_ndcg_10": span(0.52),
            "difference": {**span(0.09), "p": 0.01},
        },
    },
    "across": {
        "documentation": {
            "languages": ["de", "ja"],
            "queries": 300,
            "passages": 1500,
            "relevant_passages_seen_in_training": 12,
            "pairs": {"de": {"ja": {"queries": 30, "mrr_10": 0.44}}, "ja": {}},
            "pairs_counted": 1,
            "mrr_10": span(0.44),
            "all_languages_mrr_10": span(0.4),
            "bm25_from_english": {"queries": 100, "mrr_10": 0.015, "model_mrr_10": 0.41},
            "all_languages_by_query_language": {"de": 0.41},
            "fairness": {
                "against": 100,
                "wins": WINS,
                "same_language_bias": span(30.0),
                "families": {"Latin → other": WINS},
                "answers_win": {"ja": 0.5},
                "distractors_lose": {"ja": 0.75},
            },
        }
    },
    "similarity": {"languages": {"de (stsb)": {"pairs": 400, **span(66.6)}}, "mean": span(66.6)},
    "precision": {
        "fp32": {"values": {"Tatoeba, all": 58.1}, "difference": {"Tatoeba, all": 0.0}},
        "bf16": {"values": {"Tatoeba, all": 58.4}, "difference": {"Tatoeba, all": 0.3}},
    },
    "size": {"bytes": 47_200_000, "pieces": 86_000, "dimension": 256, "load_seconds": 0.41},
    "speed": {"engines": ["static fp32", "openvino fp32"], "workloads": {"sentences": {"ratio": 55.0}}},
    "library": {"questions": 36, "first": 15, "in_first_3": 20, "answer_in_first": 13, "rows": []},
    "leaks": {"Tatoeba": {"checked": 1500, "exact": 3, "near": 9, "dropped": 0}},
    "training_texts": 2_616_044,
}


@pytest.mark.parametrize(
    "row",
    [
        "| Tatoeba, mean of 2 languages: accuracy | **58.1 (58.1 to 58.1)** to English",
        "| Same language: nDCG@10 above BM25, mean of 1 sets | **+0.090 (+0.080 to +0.100)**; 0.610 against 0.520",
        "MRR@10, mean of 1 ordered pairs of 2 languages | **0.440 (0.430 to 0.450)** | 0.5 |",
        "in all other languages at once | 0.400 (0.390 to 0.410); from English 0.410, BM25 0.015 |",
        "same-language bias in points | 30.0",
        "| Size on disk | 47.2 MB | 48 MB |",
        "| Throughput beside the built-in model | 55× (sentences) | 2× |",
        "| bf16: largest change of these means in points | 0.30 | 0.5 |",
        "| Sample library: right document first | 15 of 36 | 17 of 20 |",
    ],
)
def test_the_summary_has_a_row_per_question(row):
    assert row in "\n".join(summary(REPORT))


@pytest.mark.parametrize(
    "row",
    [
        "| cym | 27.3 | 25.0 | 22.0 | deu* | 88.8 | 90.1 | 86.2 |",
        "see Leaks): 57.2",
        "| title | de | 120 | 900 | 0.610 | 0.500 | 0.520 | +0.090 (+0.080 to +0.100) |",
        "| question, other language | sw → en |",
        "| de |  | 0.44 | 0.41 |",
        "| Latin → other | 40.0 | 70.0 | 60.0 | 65.0 |",
        "| ja | 50 | 75 |",
        "| de (stsb) | 400 | 66.6",
        "| bf16 | 58.40 |",
        "| Tatoeba | 1,500 | 3 | 9 | 0 |",
    ],
)
def test_the_tables_hold_every_figure(row):
    assert row in "\n".join(tables(REPORT))


def test_every_table_has_rows_of_one_width():
    lines = [*summary(REPORT), *tables(REPORT)]
    for above, below in pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.count("|") == below.count("|"), (above, below)


def test_parts_that_were_skipped_are_left_out():
    assert summary({}) == ["| question | measured | goal |", "|---|---|---|"]
    assert tables({}) == []
    assert all("Tatoeba" not in line for line in tables({"similarity": REPORT["similarity"]}))


def test_the_command_replaces_what_stands_between_the_marks(tmp_path, capsys):
    (tmp_path / "report.json").write_text(json.dumps(REPORT), encoding="utf8")
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n{BEGIN}\nold\n{END}\nthe rest\n", encoding="utf8")
    for _ in range(2):
        assert main([str(tmp_path / "report.json"), "--summary", str(page)]) == 0
        assert page.read_text(encoding="utf8") == "\n".join(
            ["# Page", BEGIN, *summary(REPORT), END, "the rest", ""]
        )
    page.write_text("# Page\n", encoding="utf8")
    assert main([str(tmp_path / "report.json"), "--tables", str(page)]) == 1
    assert "Add them where figures go" in capsys.readouterr().err
    assert page.read_text(encoding="utf8") == "# Page\n"
