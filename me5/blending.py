"""Query embeddings between those of two models, over the passages of the first.

The query of two models is ``(1 - share) * first(query) + share * second(query)``, brought back to length 1;
passages are those of the first model alone, so a collection that it embedded stays as it is, and the share
can differ from query to query. That makes sense where both models share one space of vectors, as two do that
were fine-tuned from one body (``large`` and ``large-instruct``).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from me5.encoder import Encoder
from me5.errors import ModelFormatError, UnknownModelError
from me5.loading import load_encoder
from me5.pooling import l2_normalize
from me5.prefixes import Role

PREFIX = "blend:"


class BlendedEncoder:
    """Two encoders with the face of one.

    Args:
        first: encodes passages, and queries by ``1 - share``.
        second: encodes queries by ``share``.
        share: in [0, 1].

    Raises:
        ModelFormatError: the vectors of the two cannot be added.
    """

    def __init__(self, first: Encoder, second: Encoder, share: float) -> None:
        if not 0 <= share <= 1:
            raise ModelFormatError(
                f"The share of a blend is {share}; expected a number in [0, 1]. Change it."
            )
        if first.dimension != second.dimension or not (first.spec.normalize and second.spec.normalize):
            raise ModelFormatError(
                f"{first.spec.name!r} gives {first.dimension} numbers and {second.spec.name!r} "
                f"{second.dimension}. Expected unit vectors of one dimension, from models that were "
                "fine-tuned from one body. Name others."
            )
        self.first, self.second, self.share = first, second, share
        self.contract = first.contract  # the one of the passages: collections of the first model are searched
        self.dimension = first.dimension
        self.max_tokens = first.max_tokens
        takes = second.spec if second.spec.instruct_template is not None else first.spec
        self.spec = replace(
            first.spec,
            name=f"{PREFIX}{first.spec.name}+{second.spec.name}@{share:g}",
            instruct_template=takes.instruct_template,
            default_instruction=takes.default_instruction,
        )

    def encode(
        self,
        texts: Sequence[str],
        role: Role = Role.QUERY,
        *,
        titles: Sequence[str] | None = None,
        instruction: str | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> NDArray[np.float32]:
        """See :meth:`me5.Encoder.encode`; an instruction goes to the model or models that take one."""
        role = Role(role)
        # The first refuses an instruction for passages, and one that neither model takes.
        is_for_neither = self.spec.instruct_template is None
        left = instruction if is_for_neither or role is Role.PASSAGE else _taken(self.first, instruction)
        if role is Role.PASSAGE or self.share == 0:
            return self.first.encode(texts, role, titles=titles, instruction=left, on_progress=on_progress)
        right = _taken(self.second, instruction)
        second_ND = self.second.encode(texts, role, titles=titles, instruction=right, on_progress=on_progress)
        if self.share == 1:
            return second_ND
        first_ND = self.first.encode(texts, role, titles=titles, instruction=left)
        return l2_normalize((1 - self.share) * first_ND + self.share * second_ND)


def load_blend(name: str) -> BlendedEncoder:
    """Open ``blend:FIRST+SECOND@SHARE``, as in ``blend:large+large-instruct@0.3``.

    Raises:
        UnknownModelError: the name is not of that form.
        Me5Error: a model cannot be opened, or the two do not fit.
    """
    names, _, share = name.removeprefix(PREFIX).rpartition("@")
    parts = names.split("+")
    try:
        value = float(share)
    except ValueError:
        value = float("nan")
    if not name.startswith(PREFIX) or len(parts) != 2 or not all(parts) or not 0 <= value <= 1:
        raise UnknownModelError(
            f"{name!r} names no blend. Expected {PREFIX}FIRST+SECOND@SHARE with a share in [0, 1], as in "
            f"{PREFIX}large+large-instruct@0.3. Correct the name."
        )
    return BlendedEncoder(load_encoder(parts[0]), load_encoder(parts[1]), value)


def _taken(encoder: Encoder, instruction: str | None) -> str | None:
    return instruction if encoder.spec.instruct_template is not None else None
