"""ModelSpec: all facts about one model that code acts on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from me5.contract import ModelContract
from me5.errors import ModelFormatError
from me5.pooling import Pooling

Similarity = Literal["cosine", "dot"]


@dataclass(frozen=True)
class PublishedScore:
    """A number somebody published, with where it stands. Percent, higher is better."""

    benchmark: str
    metric: str
    value: float
    source: str


@dataclass(frozen=True, kw_only=True)
class RawScores:
    """Means over all language subsets of one model's raw results; None where there are none. Percent.

    Attributes:
        retrieval: 18 retrieval tasks of MTEB(Multilingual, v2), nDCG@10.
        miracl: MIRACLRetrievalHardNegatives, 18 languages, nDCG@10.
        belebele: BelebeleRetrieval, 376 pairs of languages, nDCG@10.
        bitext: 12 bitext tasks of MTEB(Multilingual, v2), F1.
        tatoeba: 112 languages with English, F1.
        ntrex: NTREXBitextMining, F1.
    """

    retrieval: float | None = None
    miracl: float | None = None
    belebele: float | None = None
    bitext: float | None = None
    tatoeba: float | None = None
    ntrex: float | None = None


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One model. ``revision`` is a hub commit, or the content hash of a local folder.

    Attributes:
        dimension: of the vectors.
        full_dimension: of the vectors before they are cut to ``dimension``; None where they are not.
        dimensions: shorter ones that the first numbers of a vector may be taken as (Matryoshka).
        min_dimension: any dimension from this one up may be taken; None where only ``dimensions`` may.
        similarity: what the model compares vectors by; ``dot`` where their length has a meaning.
        max_tokens: counts special tokens.
        bitext_prefix: stands before both sides of a bitext; None takes the prefix of queries, or the
            instruction for parallel sentences. Collections hold no such vectors: no part of the contract.
        sts_prefix: the same for texts that are compared.
        title_template: what stands before a passage with a title, with ``{title}``; None for the prefix and
            then ``title text``.
        end_token: the model pools, or was trained with, this token at the end; added where tokenizer.json
            does not add it. None: as tokenizer.json says.
        languages: BCP-47 codes of the languages it was made for.
        parameters: counts embeddings too.
        path: set for a model that lies in a folder and is not fetched.
        neutral: the digest of the language-neutral map that belongs to the model.
        source: where the facts of a registered model are from.
        was_opened: whether its published weights were opened by this project; False where only a folder of
            its architecture with random weights was.
    """

    name: str
    model_id: str
    revision: str | None
    dimension: int
    layers: int
    full_dimension: int | None = None
    dimensions: tuple[int, ...] = ()
    min_dimension: int | None = None
    pooling: Pooling = "mean"
    normalize: bool = True
    similarity: Similarity = "cosine"
    max_tokens: int = 512
    query_prefix: str = ""
    passage_prefix: str = ""
    bitext_prefix: str | None = None
    sts_prefix: str | None = None
    title_template: str | None = None
    instruct_template: str | None = None
    default_instruction: str | None = None
    end_token: str | None = None
    languages: tuple[str, ...] = ()
    licence: str | None = None
    parameters: int | None = None
    published: tuple[PublishedScore, ...] = ()
    raw: RawScores | None = None
    path: Path | None = None
    neutral: str | None = None
    note: str = ""
    source: str = ""
    was_opened: bool = False

    @property
    def contract(self) -> ModelContract:
        """The part that decides the vectors."""
        return ModelContract(
            model_id=self.model_id,
            revision=self.revision or "unpinned",
            query_prefix=self.query_prefix,
            passage_prefix=self.passage_prefix,
            instruct_template=self.instruct_template,
            pooling=self.pooling,
            normalize=self.normalize,
            max_tokens=self.max_tokens,
            dimension=self.dimension,
            neutral=self.neutral,
            title_template=self.title_template,
        )

    @property
    def is_non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return is_non_commercial(self.licence)

    def with_dimension(self, dimension: int) -> "ModelSpec":
        """The same model with the first ``dimension`` numbers of its vectors, called ``NAME@DIMENSION``.

        Raises:
            ModelFormatError: it was not trained for that, or has a map of its own.
        """
        if dimension == self.dimension:
            return self
        is_long_enough = self.min_dimension is not None and self.min_dimension <= dimension < self.dimension
        if not (dimension in self.dimensions or is_long_enough) or self.neutral is not None:
            raise ModelFormatError(
                f"{self.name!r} cannot be used with {dimension} dimensions: it was made for "
                f"{self.describe_dimensions()}. Use one of these, or leave the dimension out."
            )
        return replace(
            self, name=f"{self.name}@{dimension}", dimension=dimension, full_dimension=self.dimension
        )

    def called(self, name: str) -> "ModelSpec":
        """The same model under another name."""
        return replace(self, name=name)

    def describe_dimensions(self) -> str:
        """The dimensions that may be chosen, in words."""
        if self.min_dimension is not None:
            return f"{self.min_dimension} to {self.dimension}"
        return ", ".join(str(number) for number in (self.dimension, *self.dimensions))


def is_non_commercial(licence: str | None) -> bool:
    """Whether a licence's name says that commercial use is forbidden (``CC-BY-NC-4.0``)."""
    return licence is not None and "NC" in licence.upper().replace("_", "-").split("-")
