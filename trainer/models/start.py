"""Where a run starts: the part of a recipe that says which weights, which vocabulary and which prefixes."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.config import require

INSTRUCT_TEMPLATE = "Instruct: {task}\nQuery: {text}"  # of multilingual-e5-large-instruct


@dataclass(frozen=True)
class ShapeConfig:
    """The shape of a body with fresh weights (a BertModel)."""

    layers: int
    hidden: int
    heads: int
    intermediate: int
    max_positions: int = 512
    dropout: float = 0.1

    def __post_init__(self) -> None:
        require(self.layers >= 1, "layers", self.layers, "at least 1")
        require(self.hidden % self.heads == 0, "hidden", self.hidden, f"a multiple of heads ({self.heads})")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "a number in [0, 1)")


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters (arXiv:2106.09685): a layer adds ``alpha / rank * B A x``, and only A and B learn."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()  # ends of module names, as query or output.dense; none: every linear layer

    def __post_init__(self) -> None:
        require(self.rank >= 1, "start.lora.rank", self.rank, "at least 1")
        require(self.alpha > 0, "start.lora.alpha", self.alpha, "above 0")
        require(0 <= self.dropout < 1, "start.lora.dropout", self.dropout, "a number in [0, 1)")


@dataclass(frozen=True)
class StartConfig:
    """Where the weights start.

    ``model`` (registry name, folder or hub id): its weights. ``model`` and ``tokenizer``: its body with the
    vocabulary of that tokenizer; tokens known to both keep their embedding. ``shape`` and ``tokenizer``:
    fresh weights. ``tokenizer`` is a tokenizer.json or a folder with one. ``model`` and ``new_pieces``: its
    vocabulary with up to so many pieces behind it, learned when the run starts from the queries that it
    trains on. ``lora``: the weights stay as they are and adapters learn; the saved model has them merged.

    With an ``instruct_template`` (``{task}`` and ``{text}`` are filled in) queries start with an instruction:
    their own, or ``instruction`` where they have none. Passages never do.
    """

    model: str | None = None
    tokenizer: str | None = None
    new_pieces: int = 0
    shape: ShapeConfig | None = None
    lora: LoraSettings | None = None
    dropout: float | None = None  # None keeps that of the model
    query_prefix: str | None = None  # None keeps that of the model; fresh weights take those of E5
    passage_prefix: str | None = None
    instruct_template: str | None = None  # None keeps that of the model
    instruction: str | None = None  # None keeps that of the model

    def __post_init__(self) -> None:
        require(
            (self.model is None) != (self.shape is None),
            "start",
            (self.model, self.shape),
            "either model or shape",
        )
        require(
            self.shape is None or self.tokenizer is not None, "start.tokenizer", None, "one for fresh weights"
        )
        require(self.new_pieces >= 0, "start.new_pieces", self.new_pieces, "at least 0")
        require(
            not self.new_pieces or (self.model is not None and self.tokenizer is None),
            "start.new_pieces",
            self.new_pieces,
            "0 unless the run starts from a model with the vocabulary that it has",
        )
        require(
            self.lora is None or (self.tokenizer is None and not self.new_pieces),
            "start.lora",
            self.lora,
            "none where the vocabulary is new, because adapters leave new embeddings untrained",
        )
        if self.instruct_template is not None:
            # What stands behind the text would have to survive the cut at max_tokens.
            require(
                self.instruct_template.endswith("{text}") and "{task}" in self.instruct_template,
                "start.instruct_template",
                self.instruct_template,
                "one with {task} that ends in {text}",
            )


def describe_start(start: StartConfig) -> list[tuple[str, str]]:
    """What a model card says of the start: names and values."""
    facts = []
    if start.lora is not None:
        lora = start.lora
        layers = ", ".join(lora.targets) or "every linear layer"
        facts.append(("LoRA", f"rank {lora.rank}, alpha {lora.alpha:g}, {layers}; merged into the weights"))
    if start.new_pieces:
        facts.append(("New pieces", f"up to {start.new_pieces:,}, learned from the queries"))
    if start.instruct_template is not None:
        template = start.instruct_template.replace("\n", "\\n")
        facts.append(("Instruction", f"`{template}`, before queries only"))
    if start.instruction is not None:
        facts.append(("Default instruction", start.instruction))
    return facts
