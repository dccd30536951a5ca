"""Which of a folder's stored prompts stands before which text: one rule for every spelling of the keys.

``config_sentence_transformers.json`` names prompts as its author liked. Keys are compared in lower case, with
``-``, ``.`` and spaces as ``_``. For each role, the first that applies:

1. a key of ``EXACT``, in the order given there;
2. the first stored key that has a word of ``WORDS`` in it and no word of another role or task;
3. the prompt that ``default_prompt_name`` names, for queries and passages;
4. nothing: queries and passages then stand alone, bitext and similarity follow ``me5.prefixes.prefix_of``.

So ``web_search_query``, ``retrieval.query``, ``search_query`` and ``s2p_query`` are prompts of queries,
``sts_query`` is one of similarity, and ``classification`` is none that is used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from me5.prefixes import Role, prefix_of
from me5.spec import ModelSpec

EXACT: Mapping[Role, tuple[str, ...]] = {
    Role.QUERY: ("query", "search_query", "web_search_query", "retrieval_query", "s2p_query", "queries"),
    Role.PASSAGE: (
        "passage",
        "document",
        "corpus",
        "search_document",
        "retrieval_passage",
        "retrieval_document",
    ),
    Role.BITEXT: ("bitext", "bitext_query", "bitextmining", "bitext_mining"),
    Role.STS: ("sts", "sts_query", "semantic_similarity", "text_matching", "similarity", "s2s_query"),
}
WORDS: Mapping[Role, tuple[str, ...]] = {
    Role.QUERY: ("query", "queries", "question"),
    Role.PASSAGE: ("passage", "document", "corpus", "doc", "passages", "documents"),
    Role.BITEXT: ("bitext", "bitextmining", "parallel", "translation"),
    Role.STS: ("sts", "similarity", "matching"),
}
OTHER_TASKS = frozenset(
    (
        "classification",
        "clustering",
        "code",
        "instruction",
        "memory",
        "pair",
        "reranking",
        "separation",
        "summarisation",
        "summarization",
    )
)
"""Words of keys whose prompts are for tasks that are not used here."""

E5_WORD = re.compile("(?<![a-z0-9])m?e5(?![a-z0-9])")
"""In a name, the sign of a model that reads the words of E5."""
_INSTRUCTION = re.compile(r"(?P<head>Instruct: )(?P<task>.+?)(?P<tail>\nQuery: ?)", re.DOTALL)
_UNTITLED = re.compile(r"\btitle: none\b")


@dataclass(frozen=True)
class StoredPrompts:
    """The prompts of a folder by role, and the key that each was found under; None where there is none."""

    words: Mapping[Role, str | None]
    keys: Mapping[Role, str | None]
    unused: tuple[str, ...] = field(default=())

    def __getitem__(self, role: Role) -> str | None:
        return self.words[role]

    @property
    def states_search(self) -> bool:
        """Whether a prompt for queries or for passages is stored that is not empty."""
        return bool(self.words[Role.QUERY] or self.words[Role.PASSAGE])


def find_prompts(prompts: Mapping[str, str], default_name: str | None = None) -> StoredPrompts:
    """Apply the rule of this module to stored prompts."""
    by_spelling: dict[str, str] = {}
    for key in prompts:
        by_spelling.setdefault(_spelling(key), key)
    keys = {role: _key_of(role, by_spelling) for role in Role}
    for role in (Role.QUERY, Role.PASSAGE):
        if keys[role] is None and default_name in prompts:
            keys[role] = default_name
    words = {role: None if key is None else prompts[key] for role, key in keys.items()}
    used = set(keys.values())
    return StoredPrompts(words, keys, tuple(key for key in prompts if key not in used))


def adopt(spec: ModelSpec, stored: StoredPrompts) -> ModelSpec:
    """A registered model with the words that its folder stores, where these are others than the registry's.

    A stored prompt of the form ``Instruct: TASK\\nQuery:`` stays an instruction that can be replaced.
    """
    query, passage = stored[Role.QUERY], stored[Role.PASSAGE]
    if query and query != prefix_of(spec, Role.QUERY, spec.default_instruction):
        form = _INSTRUCTION.fullmatch(query) if spec.instruct_template is not None else None
        if form is None:
            spec = replace(spec, query_prefix=query, instruct_template=None, default_instruction=None)
        else:
            template = f"{form['head']}{{task}}{form['tail']}{{text}}"
            spec = replace(spec, instruct_template=template, default_instruction=form["task"])
    if passage and passage != spec.passage_prefix:
        spec = replace(spec, passage_prefix=passage, title_template=title_template_of(passage))
    if stored[Role.BITEXT] is not None:
        spec = replace(spec, bitext_prefix=stored[Role.BITEXT])
    if stored[Role.STS] is not None:
        spec = replace(spec, sts_prefix=stored[Role.STS])
    return spec


def title_template_of(passage_prefix: str) -> str | None:
    """The prefix of a passage with a title, where the prefix has a place for it: ``title: none | text: ``."""
    return _UNTITLED.sub("title: {title}", passage_prefix) if _UNTITLED.search(passage_prefix) else None


def _key_of(role: Role, by_spelling: Mapping[str, str]) -> str | None:
    for spelling in EXACT[role]:
        if spelling in by_spelling:
            return by_spelling[spelling]
    others = OTHER_TASKS.union(*(WORDS[other] for other in Role if other is not role))
    if role in (Role.BITEXT, Role.STS):  # bitext_query is for bitext, whatever it is called besides
        others = others.difference(WORDS[Role.QUERY])
    for spelling, key in by_spelling.items():
        parts = set(spelling.split("_"))
        if parts.intersection(WORDS[role]) and not parts & others:
            return key
    return None


def _spelling(key: str) -> str:
    return re.sub(r"[-. ]+", "_", key.strip()).lower()
