"""The terminal verb encode: one text a line to one vector a row."""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.cli import common as cli
from indexer.errors import ExportError, ReadError
from me5 import atomic
from me5.ranks import Ranks, this_run

if TYPE_CHECKING:
    from me5 import Encoder, Role

BLOCK, SHARED_BLOCK = 4_096, 512
"""Lines that are held and encoded together, alone and by several processes: those end at about one time."""


def run_encode(args: argparse.Namespace) -> int:
    """Write one unit vector per line; the file appears only when it is complete."""
    import me5

    encoder = me5.load_encoder(cli.model_location(args, args.model or "builtin"))
    role, ranks = me5.Role(args.role), this_run()
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        parts = args.out.with_name(f"{args.out.name}.parts")
        if ranks.size == 1:
            rows = _write(args.out, _encoded(encoder, role, args.file), encoder.dimension)
        else:
            rows = _encode_together(args, encoder, role, parts, ranks)
    except OSError as error:
        raise ExportError(
            f"{args.out} cannot be written ({error.strerror or error}). Expected a folder with room that "
            "may be written to. Choose another with --out."
        ) from error
    cli.end_progress()
    if not ranks.is_first:
        return 0
    dimension, model = encoder.dimension, encoder.spec.name
    if args.json:
        cli.print_json({"out": str(args.out), "rows": rows, "dimension": dimension, "model": model})
    else:
        print(f"{args.out}: {rows} vectors of {dimension} dimensions, model {model}")
    return 0


def _encoded(encoder: "Encoder", role: "Role", file: str) -> Iterator[Any]:
    done = 0
    for texts in _line_blocks(file, BLOCK):
        yield encoder.encode(texts, role)
        done += len(texts)
        cli.show_line(f"{done} texts")


def _encode_together(
    args: argparse.Namespace, encoder: "Encoder", role: "Role", parts: Path, ranks: Ranks
) -> int:
    """Every process encodes every ``ranks.size``-th block into a file of its own; the first one joins them.

    Files that are there, of the same texts and model, are not made again: of a run that was ended.
    """
    if args.file == "-":
        raise ReadError("Several processes cannot read one standard input. Name a file of texts.")
    parts.mkdir(exist_ok=True)
    names: list[Path] = []
    done = 0
    for number, texts in enumerate(_line_blocks(args.file, SHARED_BLOCK)):
        words = f"{encoder.contract.digest} {role.value} {json.dumps(texts)}"
        digest = hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        names.append(parts / f"{number:08}-{digest}.npy")
        if number % ranks.size == ranks.rank and not names[-1].exists():
            with atomic.replacing(names[-1]) as aside, aside.open("wb") as file:
                np.save(file, encoder.encode(texts, role))
        done += len(texts)
        cli.show_line(f"{done} texts")
    ranks.wait()
    rows = 0
    if ranks.is_first:
        rows = _write(args.out, map(np.load, names), encoder.dimension)
        shutil.rmtree(parts)
    ranks.wait()
    return rows


def _write(out: Path, blocks: Iterator[Any], dimension: int) -> int:
    """The blocks as one array; it is in place when it is whole."""
    rows = 0
    with atomic.replacing(out) as aside, aside.open("wb+") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**18, dimension)}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for block_ND in blocks:
            file.write(np.ascontiguousarray(block_ND, dtype="<f4").tobytes())
            rows += len(block_ND)
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, header | {"shape": (rows, dimension)})
        assert file.tell() == start  # numpy pads headers, so that shapes of any length take the same room
    return rows


def _line_blocks(name: str, size: int) -> Iterator[list[str]]:
    try:
        with sys.stdin if name == "-" else Path(name).open(encoding="utf-8-sig") as file:
            block: list[str] = []
            for line in file:
                block.append(line.rstrip("\r\n"))
                if len(block) == size:
                    yield block
                    block = []
            if block:
                yield block
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(
            f"'{name}' cannot be read ({error}). Expected UTF-8 text, one text per line. "
            "Convert it and try again."
        ) from error
