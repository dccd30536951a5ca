"""Choices for a Qdrant server, apart so that reading them loads no client."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ServerSettings:
    """How new collections are laid out on a server. Existing ones stay as they are.

    Attributes:
        shard_number: pieces of a collection; None leaves it to the server (one per node).
        replication_factor: copies of each piece; 2 on three nodes survives the loss of one.
        write_consistency_factor: copies that must confirm a write.
        quantization: ``int8`` keeps a quarter-size copy in memory and rescores with the originals.
        on_disk: keep the original vectors on disk, cached by the system.
        timeout_s: how long one request may take.
    """

    shard_number: int | None = None
    replication_factor: int = 1
    write_consistency_factor: int = 1
    quantization: Literal["none", "int8"] = "none"
    on_disk: bool = False
    timeout_s: int = 60
