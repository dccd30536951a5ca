"""Times one layer of a text model on this machine: ``python -m trainer.run.probe '{"hidden": 384, …}'``.

A process of its own, so that the app that asks need not load torch or hold a model.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

TEXTS = 16
ROUNDS = 3
OPTIMISED = 4_000_000


def probe(*, hidden: int, intermediate: int, heads: int, precision: str, tokens: int) -> dict[str, Any]:
    """Seconds per token and layer, forward and with backward, and seconds per parameter of an AdamW step."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    layer = torch.nn.TransformerEncoderLayer(hidden, heads, intermediate, batch_first=True).to(device)
    states = torch.randn(TEXTS, tokens, hidden, device=device, requires_grad=True)
    numbers = torch.nn.Parameter(torch.randn(OPTIMISED, device=device))
    numbers.grad = torch.randn_like(numbers)
    optimiser = torch.optim.AdamW([numbers], lr=1e-5)

    def embed() -> Any:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
            return layer(states)

    def forward() -> None:
        with torch.no_grad():
            embed()

    def forward_backward() -> None:
        embed().float().sum().backward()

    def timed(action: Callable[[], object]) -> float:
        action()
        times = []
        for _ in range(ROUNDS):
            if device == "cuda":
                torch.cuda.synchronize()
            started = time.perf_counter()
            action()
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        return sorted(times)[ROUNDS // 2]

    return {
        "forward": timed(forward) / (TEXTS * tokens),
        "forward_backward": timed(forward_backward) / (TEXTS * tokens),
        "optimiser": timed(optimiser.step) / OPTIMISED,
        "device": device,
        "memory_bytes": torch.cuda.mem_get_info()[0] if device == "cuda" else 0,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe(**json.loads(sys.argv[1]))) + "\n")
