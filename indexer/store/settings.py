"""Choices for a Qdrant server, apart so that reading them loads no client."""

from dataclasses import dataclass
from typing import Literal

Quantization = Literal["none", "int8", "binary"]


@dataclass(frozen=True)
class ServerSettings:
    """How new collections are laid out on a server. Existing ones stay as they are.

    Attributes:
        shard_number: pieces of a collection; None leaves it to the server (one per node).
        replication_factor: copies of each piece; 2 on three nodes survives the loss of one. None: 2 where the
            server has two nodes or more, else 1.
        write_consistency_factor: copies that must confirm a write.
        quantization: ``int8`` keeps a copy of a quarter of the size in memory, ``binary`` one of a 32nd part;
            what they find is ranked again by the originals.
        on_disk: keep the original vectors on disk, cached by the system.
        timeout_s: how long one request may take.
        patience_s: how long work goes on asking a server that does not answer; a search gives up sooner.
        grpc: speak gRPC for points, which answers large requests sooner.
    """

    shard_number: int | None = None
    replication_factor: int | None = None
    write_consistency_factor: int = 1
    quantization: Quantization = "none"
    on_disk: bool = False
    timeout_s: int = 60
    patience_s: float = 120.0
    grpc: bool = False


@dataclass(frozen=True)
class Layout:
    """What is to change; None leaves it as it is.

    Attributes:
        replicas: copies of each shard, at most one a node.
        quantization: of the copies in memory.
        on_disk: whether the original vectors are read from disk.
    """

    replicas: int | None = None
    quantization: Quantization | None = None
    on_disk: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to change."""
        return self == Layout()
