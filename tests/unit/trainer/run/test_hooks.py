import json
from types import SimpleNamespace

from trainer.run.hooks import WriteMetrics


def run(folder, losses, *, start=0):
    hook = WriteMetrics(folder, step=start, every=2)
    state = SimpleNamespace(step=start)
    for loss in losses:
        state.step += 1
        hook(state, loss)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf8").splitlines()]


def test_a_line_holds_the_mean_loss_since_the_last(tmp_path):
    rows = run(tmp_path / "run", [4.0, 2.0, 1.0, 0.5, 9.0])
    assert [(row["step"], row["loss"]) for row in rows] == [(2, 3.0), (4, 0.75)]
    assert all(row["seconds_per_step"] >= 0 for row in rows)


def test_a_resumed_run_drops_the_lines_that_come_again(tmp_path):
    run(tmp_path, [1.0] * 6)
    rows = run(tmp_path, [5.0, 5.0, 5.0, 5.0], start=2)
    assert [(row["step"], row["loss"]) for row in rows] == [(2, 1.0), (4, 5.0), (6, 5.0)]
