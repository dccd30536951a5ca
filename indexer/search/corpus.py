"""What is searched: a collection with its catalog, its store and its model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.search.fairness import AS_THEY_ARE, FairScores, fair_scores

if TYPE_CHECKING:
    from indexer.catalog import Catalog, CollectionRecord
    from indexer.store.protocol import VectorStore
    from me5.encoder import Encoder


@dataclass(frozen=True)
class Corpus:
    """A collection with everything that is needed to ask it; ``encoder`` is None for words alone."""

    catalog: "Catalog"
    store: "VectorStore"
    encoder: "Encoder | None"
    collection: "CollectionRecord"

    @property
    def reads_sentences(self) -> bool:
        """Whether passages are put in the order of their best sentences.

        A static model averages its pieces: a passage of many sentences blurs, while single sentences stay
        sharp and cost microseconds. A transformer does better on the whole passage, and costs milliseconds a
        sentence.
        """
        return self.encoder is not None and self.encoder.engine_name == "static"

    def fair_scores(self, query_vector: NDArray[np.float32]) -> FairScores:
        """How cosines to a question compare across the languages of passages."""
        return AS_THEY_ARE if self.encoder is None else fair_scores(self.encoder, query_vector)
