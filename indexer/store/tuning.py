"""Changes how a collection that is there lies on a Qdrant server: copies, quantisation, memory or disk."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qdrant_client import models

from indexer.errors import StoreError
from indexer.progress import CancelToken, Progress
from indexer.store.protocol import DENSE
from indexer.store.settings import Layout

LOOK_EVERY_S = 1.0

Ask = Callable[..., Any]
"""Makes a request to the server: the name of a method of the client, its values, its options."""


def tune(
    ask: Ask,
    collection: str,
    layout: Layout,
    *,
    quantization_config: Any,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> None:
    """Change the layout, and wait until the server has done it all. Searches go on meanwhile.

    Args:
        ask: makes a request.
        collection: as the server calls it.
        layout: what is wanted.
        quantization_config: the server's form of ``layout.quantization``.
        progress: told what the server does.
        cancel: ends the wait; the server goes on.

    Raises:
        StoreError: more copies than nodes are wanted, or the server refuses.
        Cancelled: ``cancel`` said so.
    """
    options: dict[str, Any] = {}
    if layout.quantization is not None:
        options["quantization_config"] = quantization_config or models.Disabled.DISABLED
    if layout.on_disk is not None:
        options["vectors_config"] = {DENSE: models.VectorParamsDiff(on_disk=layout.on_disk)}
    if layout.replicas is not None:
        for operation in _operations(ask, collection, layout.replicas):
            ask("cluster_collection_update", collection, operation)
        options["collection_params"] = models.CollectionParamsDiff(replication_factor=layout.replicas)
    if options:
        ask("update_collection", collection, **options)
    _wait_until_done(ask, collection, layout, progress, cancel or CancelToken())


def _operations(ask: Ask, collection: str, replicas: int) -> list[Any]:
    """What makes ``replicas`` copies of each shard: new ones on the nodes with the fewest shards."""
    nodes = sorted(int(peer) for peer in getattr(ask("cluster_status"), "peers", None) or {})
    if replicas > max(len(nodes), 1):
        raise StoreError(
            f"{replicas} copies need as many nodes; this server has {max(len(nodes), 1)}. Add nodes, or ask "
            "for fewer copies."
        )
    if len(nodes) < 2:
        return []
    holders = _holders(ask("collection_cluster_info", collection))
    load = Counter(dict.fromkeys(nodes, 0))
    load.update(node for held in holders.values() for node in held)
    operations: list[Any] = []
    for shard, held in sorted(holders.items()):
        nodes_of_shard = list(held)
        while len(nodes_of_shard) < replicas:
            free = [node for node in nodes if node not in nodes_of_shard]
            target = min(free, key=lambda node: (load[node], node))
            copy = models.ReplicateShard(shard_id=shard, from_peer_id=nodes_of_shard[0], to_peer_id=target)
            operations.append(models.ReplicateShardOperation(replicate_shard=copy))
            nodes_of_shard.append(target)
            load[target] += 1
        while len(nodes_of_shard) > replicas:
            fullest = max(nodes_of_shard, key=lambda node: (load[node], node))
            drop = models.Replica(shard_id=shard, peer_id=fullest)
            operations.append(models.DropReplicaOperation(drop_replica=drop))
            nodes_of_shard.remove(fullest)
            load[fullest] -= 1
    return operations


def _holders(info: Any) -> Mapping[int, Sequence[int]]:
    """The nodes that have each shard alive."""
    holders: dict[int, list[int]] = {}
    for shard in info.local_shards:
        holders.setdefault(shard.shard_id, []).append(info.peer_id)
    for shard in info.remote_shards:
        if shard.state == models.ReplicaState.ACTIVE:
            holders.setdefault(shard.shard_id, []).append(shard.peer_id)
    return holders


def _wait_until_done(
    ask: Ask, collection: str, layout: Layout, progress: Progress | None, cancel: CancelToken
) -> None:
    while True:
        cancel.check()
        transfers = 0
        if layout.replicas is not None and layout.replicas > 1:
            transfers = len(ask("collection_cluster_info", collection).shard_transfers)
        info = ask("get_collection", collection)
        indexed, points = int(info.indexed_vectors_count or 0), int(info.points_count or 0)
        if progress is not None:
            words = f"copying {transfers} shards" if transfers else "the server is building its index"
            progress(min(indexed, points), points, "points", words)
        if info.status == models.CollectionStatus.RED:
            raise StoreError(
                f"The server reports {collection!r} as damaged (status red). See its log; nothing is lost: "
                "python app.py doctor --repair fills it again."
            )
        if info.status == models.CollectionStatus.GREEN and not transfers:
            return
        time.sleep(LOOK_EVERY_S)
