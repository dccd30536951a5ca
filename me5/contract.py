"""What must be equal for two vectors to be comparable, and a short hash of it."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from me5.errors import ContractError

_LEFT_OUT_WHERE_NONE = ("neutral", "title_template")


@dataclass(frozen=True)
class ModelContract:
    """Everything that decides a vector. Stored with every collection; see :meth:`require_same`.

    ``neutral`` is the digest of the language-neutral map that is applied, None for vectors as published;
    ``title_template`` says how a passage with a title begins, None for ``title text`` behind the prefix. Both
    are left out of the JSON where they are None, so that contracts from before there were any keep their
    digest.
    """

    model_id: str
    revision: str
    query_prefix: str
    passage_prefix: str
    instruct_template: str | None
    pooling: str
    normalize: bool
    max_tokens: int
    dimension: int
    neutral: str | None = None
    title_template: str | None = None

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change when any field changes."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """One line of JSON with sorted keys, so that equal contracts give equal text."""
        values = {
            name: value
            for name, value in asdict(self).items()
            if value is not None or name not in _LEFT_OUT_WHERE_NONE
        }
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "ModelContract":
        """Read what :meth:`to_json` wrote.

        Raises:
            ContractError: the text is not a contract of this version.
        """
        names = {field.name for field in fields(cls)}
        try:
            values: Any = json.loads(text)
            unexpected = names.symmetric_difference({*values, *_LEFT_OUT_WHERE_NONE})
        except (ValueError, TypeError) as error:
            raise ContractError(
                f"Stored model contract {text[:80]!r} is not JSON. Expected an object with {sorted(names)}. "
                "Re-embed the collection."
            ) from error
        if unexpected:
            raise ContractError(
                f"Stored model contract differs in the fields {sorted(unexpected)}. Expected exactly "
                f"{sorted(names)}. Re-embed the collection, or open it with the version that wrote it."
            )
        return cls(**values)

    def require_same(self, other: "ModelContract") -> None:
        """Refuse to mix vectors.

        Raises:
            ContractError: naming each field that differs and how to go on.
        """
        mine, right = asdict(self), asdict(other)
        differing = [name for name in mine if mine[name] != right[name]]
        if differing:
            changes = "; ".join(f"{name}: {mine[name]!r} against {right[name]!r}" for name in differing)
            raise ContractError(
                f"Vectors of two models would be mixed ({changes}). Expected the model contract "
                f"{self.digest} of {self.model_id!r}. Use that model, or re-embed with {other.model_id!r}."
            )
