"""ModelSpec: all facts about one model that code acts on."""

from dataclasses import dataclass
from pathlib import Path

from me5.contract import ModelContract
from me5.pooling import Pooling


@dataclass(frozen=True)
class PublishedScore:
    """A number somebody published, with where it stands. Percent, higher is better."""

    benchmark: str
    metric: str
    value: float
    source: str


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One model. ``revision`` is a hub commit, or the content hash of a local folder.

    ``dimension`` is that of the vectors, ``max_tokens`` counts special tokens, ``languages`` are BCP-47
    codes of the languages it was made for, ``parameters`` counts embeddings too. ``path`` is set for a
    model that lies in a folder and is not fetched. ``bitext_prefix`` stands before both sides of a bitext;
    None takes the prefix of queries, or the instruction for parallel sentences. Collections hold no such
    vectors, so it is no part of the contract. ``neutral`` is the digest of the language-neutral map that
    belongs to the model.
    """

    name: str
    model_id: str
    revision: str | None
    dimension: int
    layers: int
    pooling: Pooling = "mean"
    normalize: bool = True
    max_tokens: int = 512
    query_prefix: str = ""
    passage_prefix: str = ""
    bitext_prefix: str | None = None
    instruct_template: str | None = None
    default_instruction: str | None = None
    languages: tuple[str, ...] = ()
    licence: str | None = None
    parameters: int | None = None
    published: tuple[PublishedScore, ...] = ()
    path: Path | None = None
    neutral: str | None = None
    note: str = ""

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
        )
