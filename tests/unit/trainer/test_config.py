from pathlib import Path

import pytest

import trainer
from trainer.errors import ConfigError
from trainer.stages.static.recipe import StaticOptimConfig, load_recipe

RECIPE = Path(trainer.__file__).parent / "recipes" / "static.yaml"


def test_the_shipped_recipe_is_valid_and_takes_overrides():
    recipe = load_recipe(
        RECIPE, ["data=/d", "optim.steps=7", "optim.learning_rate=1e-3", "mixture={parallel: 1}"]
    )
    assert (recipe.data, recipe.optim.steps, recipe.optim.learning_rate) == ("/d", 7, 1e-3)
    assert recipe.mixture == {"parallel": 1}
    assert all(source.licence for source in recipe.sources)


def test_every_source_of_the_shipped_recipe_states_a_licence_that_allows_commercial_use():
    recipe = load_recipe(RECIPE)
    assert len(recipe.sources) == 20
    for source in recipe.sources:
        words = source.licence.replace("-", " ").split()
        assert words and not {"NC", "research", "stated", "not"} & set(words), source


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.steps", "has no value"),
        ("optim.speed=1", "Unknown name 'speed'"),
        ("optim.temperature=0", "temperature"),
        ("optim.steps=many", "expected int"),
        ("optim.learning_rate=fast", "expected a number"),
        ("mixture={parallel: 0}", "mixture"),
        ("tokenizer.vocab_size=100", "vocab_size"),
        ("sources=[]", "sources"),
        ("sources=[{file: a}]", "not complete"),
    ],
)
def test_a_wrong_value_is_refused_by_name(override, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe(RECIPE, [override])


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_recipe(tmp_path / "none.yaml")


def test_values_are_checked_when_made_in_code_too():
    with pytest.raises(ConfigError, match="pivot_share"):
        StaticOptimConfig(pivot_share=1.5)
