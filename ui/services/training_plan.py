"""What a run can be for, and the settings that are chosen for it unless somebody changes them. No gradio."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from trainer.run.estimate import Body

PASSES = 3
MIN_STEPS, MAX_STEPS = 40, 2_000
CHECKPOINTS = 10
MEASUREMENTS = 5
CPU_MINI_BATCH = 1_024  # tokens, which the caches of a processor hold; measured in benchmarks/train.md
STATIC_RATE, STATIC_TEMPERATURE = 1e-3, 0.05
"""Best of 2e-5, 1e-3, 1e-2 and of 0.01, 0.05 for the model fast: 60 steps of 256 on 4 000 question pairs
took nDCG@10 of 200 others from 94.7 to 95.9; 1e-2 at 0.01 took it to 82.0."""
PAIRS_PER_PIECE, MAX_PIECES = 16, 4_000
"""7,818 verses in a language new to the model fast (Swahili with its letters exchanged): 92 steps
of 256 took F1 of 200 others from 0.1 to 47.1 without new pieces, to 52.4 with 500, to 52.0 with 2,000."""


@dataclass(frozen=True)
class Purpose:
    """What somebody wants a model for.

    ``measured_as`` is the kind of task that the held-out pairs become. Both sides of symmetric pairs are
    queries, as E5 has it.
    """

    key: str
    title: str
    words: str
    data: str
    measured_as: Literal["retrieval", "bitext"]
    query_role: Literal["query", "passage"]
    passage_role: Literal["query", "passage"]
    construction: str


PURPOSES: Mapping[str, Purpose] = MappingProxyType(
    {
        purpose.key: purpose
        for purpose in (
            Purpose(
                "search",
                "Search my documents",
                "Learns the words and topics of your texts, so that searches find more of them.",
                "Pairs of a question (or a title) and the passage that answers it.",
                "retrieval",
                "query",
                "passage",
                "question or title, passage",
            ),
            Purpose(
                "translation",
                "Match translations",
                "Learns to put a sentence and its translation side by side, for parallel text.",
                "Pairs of a sentence and its translation.",
                "bitext",
                "query",
                "query",
                "translation pairs",
            ),
            Purpose(
                "language",
                "Add a language",
                "Teaches a language that the model knows badly, through its translations into one it knows.",
                "Pairs of a sentence in the new language and its translation into a known one.",
                "bitext",
                "query",
                "query",
                "translation pairs with the new language",
            ),
        )
    }
)


@dataclass(frozen=True)
class Settings:
    """What may be changed on the page; everything else of a recipe stays as it is by default."""

    batch_size: int = 256
    steps: int = 500
    learning_rate: float = 2e-5
    temperature: float = 0.01
    max_tokens: int = 256
    both_directions: bool = True
    precision: Literal["fp32", "bf16"] = "fp32"
    mini_batch_tokens: int = CPU_MINI_BATCH
    evaluate_every: int = 0
    new_pieces: int = 0
    keep: int = 2

    def optim(self) -> dict[str, Any]:
        """The recipe's ``optim``."""
        return {
            "batch_size": self.batch_size,
            "steps": self.steps,
            "learning_rate": self.learning_rate,
            "warmup_steps": self.steps // 10,
            "weight_decay": 0.01,
            "max_gradient_norm": 1.0,
            "temperature": self.temperature,
            "both_directions": self.both_directions,
            "max_tokens": self.max_tokens,
        }

    def runtime(self) -> dict[str, Any]:
        """The recipe's ``runtime``."""
        return {
            "precision": self.precision,
            "mini_batch_tokens": self.mini_batch_tokens,
            "save_every": max(1, self.steps // CHECKPOINTS),
            "keep": self.keep,
        }


def preset(purpose: Purpose, body: Body, pairs: int, *, has_gpu: bool | None = None) -> Settings:
    """Settings for a purpose, a model and so many pairs.

    Models without layers learn at a rate fifty times that of others: each piece has its own vector, which
    moves only when the piece occurs.
    """
    gpu = has_accelerator() if has_gpu is None else has_gpu
    is_static = body.layers == 0
    largest = 512 if gpu else 256 if is_static else 64
    batch_size = _power_of_two(min(largest, max(8, pairs // 5)))
    steps = min(MAX_STEPS, max(MIN_STEPS, round(PASSES * pairs / batch_size)))
    rate = 2e-5 if purpose.key != "language" else 5e-5
    return Settings(
        batch_size=batch_size,
        steps=steps,
        learning_rate=STATIC_RATE if is_static else rate,
        temperature=STATIC_TEMPERATURE if is_static else 0.01,
        max_tokens=min(body.max_tokens, 256 if purpose.key == "search" else 128),
        precision="bf16" if gpu else "fp32",
        mini_batch_tokens=16_384 if gpu or is_static else CPU_MINI_BATCH,
        evaluate_every=max(1, steps // MEASUREMENTS),
        new_pieces=min(MAX_PIECES, pairs // PAIRS_PER_PIECE) if purpose.key == "language" else 0,
    )


def has_accelerator() -> bool:
    """Whether this machine has an NVIDIA GPU, asked without loading torch."""
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists()


def _power_of_two(number: int) -> int:
    return 1 << (number.bit_length() - 1)
