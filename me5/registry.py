"""The models that have names, and the way from any name to a ModelSpec.

A model is named by registry name, by hub id (``owner/name``), or by a folder. Revisions are the commits
that mteb pins (mteb/models/model_implementations, read 2026-11). Scores are percent; E5 means
arXiv:2402.05672, mteb the raw results of embeddings-benchmark/results.
"""

import difflib
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from me5.errors import ModelFormatError, UnknownModelError
from me5.folders import FolderFacts, content_hash, read_folder
from me5.neutral_map import NeutralMap
from me5.spec import ModelSpec, PublishedScore

logger = logging.getLogger(__name__)

BUILTIN_FOLDER = Path(__file__).parent / "builtin"
FAST_FOLDER = Path(__file__).parent / "fast"

# The 94 languages that the mE5 model cards list (those of XLM-R), as BCP-47 codes.
_XLMR = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu "
    "hy id is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro "
    "ru sa sd si sk sl so sq sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh"
)
XLMR_LANGUAGES = tuple(_XLMR.split())
MIRACL_SOURCE = "arXiv:2402.05672, MIRACL dev, mean of 16 languages"
MTEB_EN_SOURCE = "arXiv:2402.05672, MTEB English, mean of 56 datasets"
BITEXT_SOURCE = "arXiv:2402.05672, bitext mining"
RESULTS_SOURCE = "embeddings-benchmark/results, mteb 1.36"

_E5_PREFIXES: dict[str, Any] = {"query_prefix": "query: ", "passage_prefix": "passage: "}
_NO_WORDS_FOR_BITEXT: dict[str, Any] = {"bitext_prefix": ""}
"""The report measures Tatoeba with ``query: `` on both sides: 65.3 F1 with small, and 69.0 without it."""


def _scores(
    mteb_en: float | None = None,
    miracl: tuple[float, float] | None = None,
    bitext: tuple[float, float] | None = None,
    bitext_measured: tuple[float, float] | None = None,
) -> tuple[PublishedScore, ...]:
    scores: list[PublishedScore] = []
    if mteb_en is not None:
        scores.append(PublishedScore("MTEB-56", "mean", mteb_en, MTEB_EN_SOURCE))
    if miracl is not None:
        scores.append(PublishedScore("MIRACL", "nDCG@10", miracl[0], MIRACL_SOURCE))
        scores.append(PublishedScore("MIRACL", "Recall@100", miracl[1], MIRACL_SOURCE))
    for pair, source in ((bitext, BITEXT_SOURCE), (bitext_measured, RESULTS_SOURCE)):
        if pair is not None:
            scores.append(PublishedScore("BUCC", "F1", pair[0], source))
            scores.append(PublishedScore("Tatoeba", "F1", pair[1], source))
    return tuple(scores)


def _me5(name: str, **facts: Any) -> ModelSpec:
    return ModelSpec(
        name=name,
        model_id=f"intfloat/multilingual-e5-{name}",
        languages=XLMR_LANGUAGES,
        licence="MIT",
        **(_E5_PREFIXES | _NO_WORDS_FOR_BITEXT | facts),
    )


_SPECS = (
    ModelSpec(
        name="builtin",
        model_id="me5-search/builtin-small",
        revision=None,  # the content hash, read from the folder when it is resolved
        dimension=384,
        layers=12,
        parameters=118_000_000,
        languages=XLMR_LANGUAGES,
        licence="MIT",
        path=BUILTIN_FOLDER,
        note="Ships with the package: mE5-small in 2 to 4 bits a weight, language-neutral.",
        **_E5_PREFIXES,
        **_NO_WORDS_FOR_BITEXT,
    ),
    ModelSpec(
        name="fast",
        model_id="me5-search/builtin",  # its name until there were two: collections made with it keep opening
        revision=None,
        dimension=256,
        layers=0,
        parameters=40_960_000,
        licence="Apache-2.0",
        path=FAST_FOLDER,
        note="Ships with the package: static embeddings of pieces, for millions of sentences.",
        **_E5_PREFIXES,
    ),
    _me5(
        "small",
        revision="fd1525a9fd15316a2d503bf26ab031a61d056e98",
        dimension=384,
        layers=12,
        parameters=118_000_000,
        published=_scores(57.9, (60.8, 92.4), (93.2, 64.2), (95.93, 68.94)),
    ),
    _me5(
        "base",
        revision="d13f1b27baf31030b7fd040960d60d909913633f",
        dimension=768,
        layers=12,
        parameters=278_000_000,
        published=_scores(59.5, (62.3, 93.1), (98.1, 68.1), (98.18, 68.06)),
    ),
    _me5(
        "large",
        revision="ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb",
        dimension=1024,
        layers=24,
        parameters=560_000_000,
        published=_scores(61.5, (66.5, 94.3), (98.6, 75.7), (98.72, 75.73)),
    ),
    _me5(
        "large-instruct",
        revision="baa7be480a7de1539afce709c8f13f833a510e0a",
        dimension=1024,
        layers=24,
        query_prefix="",
        passage_prefix="",
        bitext_prefix=None,  # its instruction
        instruct_template="Instruct: {task}\nQuery: {text}",
        default_instruction="Given a web search query, retrieve relevant passages that answer the query",
        parameters=560_000_000,
        published=_scores(64.4, (65.7, 94.6), (99.0, 83.8), (99.0, 83.73)),
    ),
    ModelSpec(
        name="labse",
        model_id="sentence-transformers/LaBSE",
        revision="e34fab64a3011d2176c99545a93d5cbddc9a91b7",
        dimension=768,
        layers=12,
        pooling="cls",
        licence="Apache-2.0",
        parameters=471_000_000,
        published=_scores(45.2, bitext=(98.8, 81.1)),
        note="Bitext model of 109 languages; a tanh layer follows the pooling.",
    ),
    ModelSpec(
        name="mcontriever",
        model_id="facebook/mcontriever-msmarco",
        revision=None,
        dimension=768,
        layers=12,
        normalize=False,
        parameters=178_000_000,
        published=_scores(bitext=(93.7, 37.7)),
        note="Inner product of unnormalised means. No commit was found published, so none is pinned.",
    ),
    ModelSpec(
        name="bge-large-en-v1.5",
        model_id="BAAI/bge-large-en-v1.5",
        revision="d4aa6901d3a41ba39fb536a557fa166f842b0e09",
        dimension=1024,
        layers=24,
        pooling="cls",
        query_prefix="Represent this sentence for searching relevant passages: ",
        languages=("en",),
        licence="MIT",
        parameters=335_000_000,
        published=_scores(64.2),
    ),
    ModelSpec(
        name="mdpr",
        model_id="castorini/mdpr-tied-pft-msmarco",
        revision=None,
        dimension=768,
        layers=12,
        pooling="cls",
        normalize=False,
        parameters=178_000_000,
        published=_scores(miracl=(41.5, 78.8)),
        note="The dense baseline of MIRACL. No commit was found published, so none is pinned.",
    ),
)

MODELS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""The registered models by name."""

SHIPPED = ("builtin", "fast")
"""The models whose files are part of the package."""

_ME5_SHAPES = (  # architecture, pieces, dimension, layers
    ("bert", 250_037, 384, 12),  # small: the pieces of XLM-R in a BERT
    ("xlm-roberta", 250_002, 768, 12),
    ("xlm-roberta", 250_002, 1024, 24),
)
_E5_WORD = re.compile("(?<![a-z0-9])m?e5(?![a-z0-9])")
_HOW_TO_SAY = (
    "If it was trained with others, register it with them: models --register FOLDER NAME --prefix QUERY "
    "PASSAGE (in Python, prefixes=(QUERY, PASSAGE))."
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def resolve_spec(name: str, *, prefixes: tuple[str, str] | None = None) -> ModelSpec:
    """The ModelSpec of a registry name, a folder, or a hub id.

    Registered models cost nothing; a folder is read and hashed; an unregistered hub id is fetched first.

    Args:
        name: of the model.
        prefixes: what stands before queries and before passages, instead of what the model says; instructions
            are then left out, too.

    Raises:
        UnknownModelError: nothing has that name; the message lists what has.
        ModelFormatError: the folder is not a model.
        HubUnreachableError: a hub id must be fetched and the hub does not answer.
    """
    found = _registered(name)
    if found is not None:
        return _prefixed(found, prefixes)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return spec_from_folder(folder, prefixes=prefixes)
    for spec in MODELS.values():
        if spec.model_id.lower() == name.lower() and spec.name not in SHIPPED:
            return _prefixed(spec, prefixes)
    if _HUB_ID.fullmatch(name):
        from me5.hub import fetch_model

        fetched = fetch_model(name, revision=None)
        facts = spec_from_folder(fetched, prefixes=prefixes)
        return replace(facts, name=name, model_id=name, revision=fetched.name)
    raise UnknownModelError(_unknown_message(name))


def spec_from_folder(folder: Path, *, prefixes: tuple[str, str] | None = None) -> ModelSpec:
    """Describe a local folder from its own files; the revision is its content hash.

    What stands before the texts is, in this order:

    1. ``prefixes``, where they are given;
    2. the prompts in config_sentence_transformers.json, unless all are empty, which is how
       sentence-transformers saves a model that states none; a folder of our trainer states its prompts also
       where they are empty, by naming ``instruct_template`` beside them;
    3. those of the registered model whose hub name is in the folder's path or in ``_name_or_path`` of
       config.json, if it has the same shape: published E5 folders do not store their prompts; "e5" and
       "instruct" in a name will do for the model that takes instructions;
    4. those of E5, where the name of the folder or ``_name_or_path`` has the word "e5";
    5. those of E5, with a warning, where the folder has the shape of a multilingual E5 model: architecture,
       number of pieces, dimension, layers, mean pooling and unit length (XLM-R has all but the purpose);
    6. nothing, with a warning.
    """
    facts, revision = read_folder(folder), content_hash(folder)
    relative = _relative_of(facts)
    query_prefix, passage_prefix = prefixes or _prefixes(facts, relative, folder)
    instructions = facts.instructions or {
        "instruct_template": relative.instruct_template if relative else None,
        "default_instruction": relative.default_instruction if relative else None,
    }
    found = ModelSpec(
        name=str(folder),
        model_id=f"local-{revision[:8]}",  # not the folder's name: moving a folder changes no vector
        revision=revision,
        dimension=facts.dimension,
        layers=facts.layers,
        pooling=facts.pooling,
        normalize=facts.normalize,
        max_tokens=facts.max_tokens,
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
        bitext_prefix=_bitext_prefix(facts, relative),
        instruct_template=instructions.get("instruct_template"),
        default_instruction=instructions.get("default_instruction"),
        languages=relative.languages if relative else (),
        licence=relative.licence if relative else None,
        parameters=relative.parameters if relative else None,
        path=folder.resolve(),
        neutral=_neutral_digest(facts),
    )
    return _prefixed(found, prefixes)


def _registered(name: str) -> ModelSpec | None:
    return _shipped_spec(MODELS[name]) if name in SHIPPED else MODELS.get(name)


def _prefixed(spec: ModelSpec, prefixes: tuple[str, str] | None) -> ModelSpec:
    if prefixes is None:
        return spec
    query, passage = prefixes
    return replace(
        spec, query_prefix=query, passage_prefix=passage, instruct_template=None, default_instruction=None
    )


def _shipped_spec(known: ModelSpec) -> ModelSpec:
    folder = known.path
    if folder is None or not (folder / "config.json").is_file():
        raise ModelFormatError(
            f"The model {known.name!r} is not in {folder}. Install the package again, or name another model "
            "or a local folder."
        )
    facts = read_folder(folder)
    return replace(
        known, revision=content_hash(folder), max_tokens=facts.max_tokens, neutral=_neutral_digest(facts)
    )


def _neutral_digest(facts: FolderFacts) -> str | None:
    return NeutralMap.load(facts.neutral).digest if facts.neutral else None


def _relative_of(facts: FolderFacts) -> ModelSpec | None:
    """The registered model whose hub name occurs in the folder's path or origin; the longest name wins.

    A name with the words "e5" and "instruct" means the model that takes instructions.
    """
    hint = facts.name_hint.lower()
    named = [s for s in _SPECS if s.name not in SHIPPED and s.model_id.split("/")[1].lower() in hint]
    if any(_E5_WORD.search(name.lower()) and "instruct" in name.lower() for name in facts.names):
        named.append(MODELS["large-instruct"])
    same_shape = [s for s in named if (s.dimension, s.layers) == (facts.dimension, facts.layers)]
    return max(same_shape, key=lambda spec: len(spec.model_id), default=None)


def _prefixes(facts: FolderFacts, relative: ModelSpec | None, folder: Path) -> tuple[str, str]:
    """See :func:`spec_from_folder`."""
    prompts = facts.prompts
    if any(prompts.values()) or facts.instructions:
        return prompts.get("query", ""), prompts.get("passage", prompts.get("document", ""))
    if relative is not None:
        return relative.query_prefix, relative.passage_prefix
    e5 = _E5_PREFIXES["query_prefix"], _E5_PREFIXES["passage_prefix"]
    if any(_E5_WORD.search(name.lower()) for name in facts.names):
        return e5
    shape = facts.model_type, facts.vocabulary, facts.dimension, facts.layers
    if shape in _ME5_SHAPES and facts.pooling == "mean" and facts.normalize:
        _warn_once(
            f"{folder} stores no prompts and has the shape of a multilingual E5 model: its texts are "
            f"encoded with {e5[0]!r} and {e5[1]!r}. {_HOW_TO_SAY}"
        )
        return e5
    _warn_once(
        f"{folder} stores no prompts: queries and passages are encoded without a prefix. {_HOW_TO_SAY}"
    )
    return "", ""


@lru_cache(maxsize=64)  # a folder is described again and again
def _warn_once(words: str) -> None:
    logger.warning(words)


def _bitext_prefix(facts: FolderFacts, relative: ModelSpec | None) -> str | None:
    """As stored; a plain copy of a registered model has that model's. A model that was trained has None."""
    has_own_words = any(facts.prompts.values()) or facts.instructions
    if "bitext" in facts.prompts or has_own_words or relative is None:
        return facts.prompts.get("bitext")
    return relative.bitext_prefix


def _unknown_message(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), MODELS, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    looks_like_path = name.startswith((".", "~", "/")) or os.sep in name
    what = f"There is no model folder {name!r}." if looks_like_path else f"Unknown model {name!r}."
    return (
        f"{what}{hint} Known models: {', '.join(MODELS)}. "
        "Name one of them, a folder with config.json, or a hub id such as owner/name."
    )
