"""What is said of one model, and where each fact is from."""

import json
import shutil
from pathlib import Path

import pytest

from me5.describe import NO_FILES, describe
from me5.errors import UnknownModelError
from tests.unit.me5.test_prompts import HARRIER


def values(name: str) -> dict[str, tuple[str, str]]:
    return {fact.label: (fact.value, fact.source) for fact in describe(name)}


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("me5.describe.cached_model", lambda model_id, revision: None)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing may be fetched")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)


def test_a_registered_model_that_is_not_here(no_hub: None) -> None:
    facts = values("embeddinggemma-300m")
    assert facts["dimension"] == ("768; may be 768, 512, 256, 128", "registry")
    assert facts["before texts compared"][0] == repr("task: sentence similarity | query: ")
    assert facts["before passages with a title"][0] == repr("title: {title} | text: ")
    assert facts["licence"][0] == "Gemma terms of use (gated)" and facts["files"] == (NO_FILES, "")
    assert values("qwen3-0.6b")["dimension"][0] == "1024; may be 32 to 1024"
    assert values("static-similarity")["tokens"][0] == "no limit"


def test_a_folder_says_under_which_key_its_words_are_stored(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    prompts = {"prompts": HARRIER | {"clustering": "c: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    facts = values(str(folder))
    assert facts["before queries"] == (repr(HARRIER["web_search_query"]), "stored as 'web_search_query'")
    assert facts["before translations"][1] == "stored as 'bitext_query'"
    assert facts["before passages"] == ("''", "registry or rule")
    assert facts["prompts not used"][0] == "clustering"
    assert facts["architecture"][0] == "bert" and facts["after the pooling"][0] == "Normalize"
    assert facts["token at the end"][0] == "[SEP]" and facts["tokens read here"][0] == "512"
    assert "fp32" in facts["computed in"][0] or "bf16" in facts["computed in"][0]


def test_shipped_models_are_described_from_their_folders() -> None:
    facts = values("builtin")
    assert facts["before translations"] == ("''", "stored as 'bitext'")
    assert facts["on disk"][0] == "47 MB"


def test_what_is_not_known_is_said_without_fetching(no_hub: None) -> None:
    with pytest.raises(UnknownModelError, match="Nothing is known of 'someone/some-model'"):
        describe("someone/some-model")
    with pytest.raises(UnknownModelError, match="Did you mean 'harrier-270m'"):
        describe("harrier270m")
