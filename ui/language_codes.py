"""Names of the languages of tasks and scores: one language, or a pair of two."""

from indexer.text.language.names import language_name


def pair_name(code: str) -> str:
    """``German``, ``German – English`` for ``de-en`` or ``deu-eng``; unknown codes stay."""
    left, dash, right = code.partition("-")
    if not dash or not right.islower():
        return language_name(code)
    names = (language_name(left), language_name(right))
    return " – ".join(names) if names[0] != left and names[1] != right else code


def task_language(code: str) -> str:
    """What the language of a task is called."""
    return {"mean": "mean of the languages", "und": "all"}.get(code) or pair_name(code)
