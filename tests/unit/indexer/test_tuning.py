"""How a collection on a server is laid out anew: against a small server of our own."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

import app
from indexer.errors import Cancelled, StoreError
from indexer.progress import CancelToken
from indexer.store import tuning
from indexer.store.naming import encode_name
from indexer.store.qdrant import PREFIX, QdrantStore
from indexer.store.settings import Layout


class Cluster:
    """Three nodes, shard 0 on nodes 1 and 2, shard 1 on node 1; transfers and indexing end after two looks."""

    def __init__(self) -> None:
        self.holders = {0: [1, 2], 1: [1]}
        self.nodes = [1, 2, 3]
        self.changes: list[Any] = []
        self.transfers, self.looks, self.status = 0, 0, "green"

    def answer(self, method: str, path: str, body: Any) -> Any:
        if path == "/cluster":
            peers = {str(node): {"uri": f"http://node{node}"} for node in self.nodes}
            raft = {
                "term": 1,
                "commit": 1,
                "pending_operations": 0,
                "leader": 1,
                "role": "Leader",
                "is_voter": True,
            }
            return {
                "status": "enabled", "peer_id": 1, "peers": peers, "raft_info": raft,
                "consensus_thread_status": {"consensus_thread_status": "working", "last_update": "2026-01-01T00:00:00Z"},
                "message_send_failures": {},
            }  # fmt: skip
        if path.endswith("/exists"):
            return {"exists": True}
        if path.endswith("/cluster") and method == "GET":
            transfers = [{"shard_id": 0, "from": 1, "to": 3, "sync": False}] * self.transfers
            self.transfers = max(self.transfers - 1, 0)
            remote = [(s, node) for s, nodes in self.holders.items() for node in nodes if node != 1]
            return {
                "peer_id": 1, "shard_count": 2, "shard_transfers": transfers,
                "local_shards": [{"shard_id": s, "points_count": 5, "state": "Active"} for s in self.holders],
                "remote_shards": [{"shard_id": s, "peer_id": node, "state": "Active"} for s, node in remote],
            }  # fmt: skip
        if method in ("PATCH", "POST"):
            self.changes.append(body)
            if "replicate_shard" in body:
                self.holders[body["replicate_shard"]["shard_id"]].append(
                    body["replicate_shard"]["to_peer_id"]
                )
                self.transfers += 1
            if "drop_replica" in body:
                self.holders[body["drop_replica"]["shard_id"]].remove(body["drop_replica"]["peer_id"])
            if method == "PATCH" and self.status == "green":
                self.status, self.looks = "yellow", 2
            return True
        self.looks -= 1
        if self.status == "yellow" and self.looks < 0:
            self.status = "green"
        params = {"vectors": {"dense": {"size": 4, "distance": "Dot"}}}
        hnsw = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000}
        optimizer = {
            "deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0,
            "flush_interval_sec": 5,
        }  # fmt: skip
        return {
            "status": self.status, "optimizer_status": "ok", "segments_count": 1, "points_count": 10,
            "indexed_vectors_count": 10 - 5 * (self.status != "green"), "payload_schema": {},
            "config": {"params": params, "hnsw_config": hnsw, "optimizer_config": optimizer},
        }  # fmt: skip


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(tuning, "LOOK_EVERY_S", 0.01)
    state = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            result = state.answer(self.command, self.path.partition("?")[0], body)
            if self.path == "/collections":
                result = {"collections": [{"name": PREFIX + encode_name("c")}]}
            answer = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self.handle_any()

        def do_POST(self) -> None:
            self.handle_any()

        def do_PATCH(self) -> None:
            self.handle_any()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def store(cluster: Cluster) -> Iterator[QdrantStore]:
    opened = QdrantStore(cluster.url)  # type: ignore[attr-defined]
    yield opened
    opened.close()


def test_missing_copies_go_to_the_nodes_with_the_fewest_shards(cluster: Cluster, store: QdrantStore) -> None:
    seen: list[tuple[int, int, str]] = []
    store.tune(
        "c",
        Layout(replicas=2),
        progress=lambda done, total, unit, message: seen.append((done, total, message)),
    )
    assert cluster.holders == {0: [1, 2], 1: [1, 3]}
    assert cluster.changes[-1] == {"params": {"replication_factor": 2}}
    assert "copying 1 shards" in {message for _, _, message in seen} and seen[-1][:2] == (10, 10)
    store.tune("c", Layout(replicas=3))
    assert {shard: sorted(nodes) for shard, nodes in cluster.holders.items()} == {0: [1, 2, 3], 1: [1, 2, 3]}


def test_copies_too_many_are_dropped(cluster: Cluster, store: QdrantStore) -> None:
    store.tune("c", Layout(replicas=1))
    assert {shard: len(nodes) for shard, nodes in cluster.holders.items()} == {0: 1, 1: 1}


def test_more_copies_than_nodes_are_refused_before_anything_is_changed(
    cluster: Cluster, store: QdrantStore
) -> None:
    with pytest.raises(StoreError, match="4 copies need as many nodes; this server has 3"):
        store.tune("c", Layout(replicas=4, on_disk=True))
    assert cluster.changes == []


@pytest.mark.parametrize(
    ("layout", "sent"),
    [
        (Layout(quantization="none"), {"quantization_config": "Disabled"}),
        (
            Layout(quantization="int8"),
            {"quantization_config": {"scalar": {"type": "int8", "always_ram": True}}},
        ),
        (Layout(on_disk=True), {"vectors": {"dense": {"on_disk": True}}}),
        (Layout(on_disk=False), {"vectors": {"dense": {"on_disk": False}}}),
    ],
)
def test_what_is_sent(cluster: Cluster, store: QdrantStore, layout: Layout, sent: Any) -> None:
    store.tune("c", layout)
    (change,) = cluster.changes
    assert {name: value for name, value in change.items() if value is not None} == sent
    assert cluster.status == "green"


def test_a_server_says_whether_it_builds_an_index(cluster: Cluster, store: QdrantStore) -> None:
    assert not store.is_indexing("c")
    cluster.status, cluster.looks = "yellow", 5
    assert store.is_indexing("c")


def test_a_damaged_collection_and_a_cancelled_wait_end_it(cluster: Cluster, store: QdrantStore) -> None:
    stopped = CancelToken()
    stopped.cancel()
    with pytest.raises(Cancelled):
        store.tune("c", Layout(on_disk=True), cancel=stopped)
    cluster.status = "red"
    with pytest.raises(StoreError, match="status red"):
        store.tune("c", Layout(on_disk=True))


def test_the_verb_wants_something_to_change_and_a_server(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["tune", "--data", str(tmp_path)]) == 1
    assert "nothing to change" in capsys.readouterr().err
