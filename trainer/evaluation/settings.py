"""What a number was measured with, in words: without prefix, pooling and precision it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def prefix_words(prefix: Mapping[str, str]) -> str:
    """```query: ` / `passage: ``` of words by role; ``no prefix`` where nothing stands before a text."""
    words = list(dict.fromkeys(prefix.values()))
    if not any(words):
        return "no prefix"
    return " / ".join("`" + word.replace("\n", "\\n") + "`" if word else "nothing" for word in words)


def settings_words(settings: Mapping[str, Any] | None) -> str:
    """One line of the ``settings`` of an evaluation; empty for models that have none."""
    if not settings:
        return ""
    parts = [prefix_words(settings["prefix"]), settings["pooling"], settings["precision"]]
    return ", ".join([*parts, *(["language-neutral"] if settings["neutral"] else [])])
