"""Mines or aligns two files with the fake model, and dies by SIGKILL before a block, or while comparing.

Arguments: ``mine`` or ``align``, source, target, work folder, ``encode:N`` (before the Nth block),
``compare:N`` (after the Nth report of the comparison) or ``never``. Prints the number of texts encoded, that
of pairs and a digest of them.
"""

import hashlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from indexer.bitext import aligning, mining, overlaps, vectors
from indexer.bitext import progress as steps
from indexer.bitext.sources import read_sentences
from indexer.bitext.values import MiningSettings


def fake_encoder_class() -> Any:
    path = Path(__file__).parent / "fake_encoder.py"
    spec = importlib.util.spec_from_file_location("fake_encoder", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FakeEncoder


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    verb, source, target, work, moment = sys.argv[1:]
    step, _, number = moment.partition(":")
    vectors.BLOCK, overlaps._BATCH, vectors.RESERVE_BYTES = 50, 50, 0
    encoded: list[int] = []
    compared: list[float] = []

    def before_encode(texts: Sequence[str]) -> None:
        if step == "encode" and len(encoded) + 1 == int(number):
            die()
        encoded.append(len(texts))

    both_ways = steps.both_ways_shared

    def watched(*sides: Any, progress: Any, **options: Any) -> Any:
        def tell(share: float) -> None:
            compared.append(share)
            if step == "compare" and len(compared) == int(number):
                die()
            progress(share)

        return both_ways(*sides, progress=tell, **options)

    steps.both_ways_shared = watched  # type: ignore[assignment]
    encoder = fake_encoder_class()(before_encode=before_encode)
    settings = MiningSettings(check_language=False, threshold=0.0, drop=(), memory_mb=16)
    if verb == "align":
        reading = aligning.Reading(("de", "en"), lines=True)
        result = aligning.align_files(
            Path(source), Path(target), encoder, settings, reading=reading, folder=Path(work)
        )
    else:
        sides = (read_sentences(Path(source), language="de"), read_sentences(Path(target), language="en"))
        result = mining.mine(*sides, encoder, settings, folder=Path(work))
    digest = hashlib.sha256(repr(result.pairs).encode()).hexdigest()
    sys.stdout.write(f"{sum(encoded)} {len(result.pairs)} {digest}\n")


if __name__ == "__main__":
    main()
