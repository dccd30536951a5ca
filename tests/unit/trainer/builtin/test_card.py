from pathlib import Path

import trainer
from trainer.builtin.card import Measured, model_card
from trainer.builtin.evaluation import XTREME_36, BitextScore, RetrievalScore
from trainer.config import load_recipe

RECIPE = Path(trainer.__file__).parent / "recipes" / "builtin.yaml"


def test_the_card_holds_every_score_source_and_licence():
    config = load_recipe(RECIPE)
    tatoeba = {language: BitextScore(1000, 60.0, 50.0) for language in XTREME_36} | {
        "cym": BitextScore(575, 23.4, 12.3)
    }
    held_out = {
        "parallel": {"en-de": BitextScore(100, 90.0, 90.0)},
        "question": {"ja-ja": RetrievalScore(500, 400, 0.5, 0.6, 0.7)},
        "section": {"ko": RetrievalScore(60, 50, 0.25, 0.31, 0.35)},
    }
    rows = {source.file: 1_234 for source in config.sources}
    card = model_card(config, Measured(tatoeba, held_out, rows, 47_000_000, 86_000, "2030-01-02"))
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "mean of the 36 XTREME languages **60.0**" in card
    assert "cym | 23.4 | 12.3" in card and "deu* | 60.0 | 50.0" in card
    assert "| question | ja-ja | 500 | 400 | 50 % | 0.600 | 0.700 |" in card
    assert "| section | en → ko | 60 | 50 | 25 % | 0.310 | 0.350 |" in card
    assert "86,000 piece vectors" in card and "47.0 MB" in card and "2030-01-02" in card
    for source in config.sources:
        assert f"| {source.file} | 1,234 |" in card and source.licence in card
    for entry in config.left_out:
        assert f"- {entry}" in card
