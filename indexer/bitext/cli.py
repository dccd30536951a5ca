"""The terminal verb ``mine``: two files, folders or languages of a collection to a file of scored pairs.

Names, flags and JSON fields are a contract that scripts depend on. What verbs share is in
``indexer.cli.common``.
"""

import argparse
import math
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from indexer.bitext.segmenters import SEGMENTERS, segmenter
from indexer.bitext.values import DROPPED, Margin, MiningSettings, Retrieval
from indexer.cli import common as cli
from indexer.errors import MiningError
from indexer.progress import Progress, TimeLeft
from me5.ranks import is_first, this_run

if TYPE_CHECKING:
    from indexer.bitext.run import Outcome, Side
    from indexer.bitext.segmenters import Segmenter
    from me5.ranks import Ranks

AUTO = "auto"
_SETTINGS = MiningSettings()


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register ``mine``; the parser carries its handler as ``run``."""
    words = "parallel sentences out of two files, two folders or two languages of a collection"
    parser = verbs.add_parser(
        "mine",
        help=words,
        description=f"{words[0].upper()}{words[1:]}. If interrupted, run the same command again to resume.",
    )
    parser.add_argument("source", metavar="SOURCE", help="file or folder; with --collection, a language")
    parser.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        help="the other side; without it, SOURCE is a file of pairs (.tmx .xlf .tsv …) to be scored again, "
        "or a folder of such files and of pairs such as corpus.de and corpus.en",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=".tmx .xlf .tsv .jsonl .csv .xlsx, or the prefix of two Moses files; replaced if it exists",
    )
    parser.add_argument(
        "--threshold",
        type=_threshold,
        metavar="auto|N",
        help="least score (default: auto, from the scores; with --align and for pairs: no limit)",
    )
    parser.add_argument(
        "--gold", metavar="FILE", help="known pairs among the sentences, to set the threshold"
    )
    parser.add_argument("--margin", choices=get_args(Margin), default="ratio", help="default: %(default)s")
    parser.add_argument(
        "--retrieval", choices=get_args(Retrieval), default="max", help="default: %(default)s"
    )
    parser.add_argument(
        "--k", type=_positive, default=4, help="neighbours of a margin (default: %(default)s)"
    )
    parser.add_argument("--align", action="store_true", help="both sides are one text in order: align m:n")
    parser.add_argument(
        "--collection", metavar="C", help="SOURCE and TARGET are languages of this collection"
    )
    parser.add_argument("--source-language", metavar="L", help="default: detected")
    parser.add_argument("--target-language", metavar="L", help="default: detected")
    parser.add_argument(
        "--lines",
        action=argparse.BooleanOptionalAction,
        help="text files hold one sentence per line, or running text (default: as it looks)",
    )
    parser.add_argument(
        "--segmenter",
        choices=SEGMENTERS,
        default="rules",
        help="cuts running text into sentences; icu needs an extra (default: %(default)s)",
    )
    parser.add_argument(
        "--sample",
        type=_positive,
        metavar="N",
        help="a quick look: only N sentences of SOURCE, drawn at random, against all of TARGET; of a file of "
        "pairs, N pairs",
    )
    parser.add_argument("--seed", type=int, default=0, help="of --sample (default: %(default)s)")
    _add_filters(parser)
    parser.add_argument(
        "--memory-mb",
        type=_positive,
        default=_SETTINGS.memory_mb,
        help="of the comparison (default: %(default)s)",
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keeps vectors there; default: FILE.work, removed in the end"
    )
    cli.add_data_options(parser)
    cli.add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_mine)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("filters")
    limits.add_argument("--min-characters", type=_positive, default=_SETTINGS.min_characters, metavar="N")
    limits.add_argument("--max-characters", type=_positive, default=_SETTINGS.max_characters, metavar="N")
    limits.add_argument(
        "--min-letters",
        type=float,
        default=_SETTINGS.min_letters,
        metavar="SHARE",
        help="default: %(default)s",
    )
    limits.add_argument(
        "--length-ratio",
        type=float,
        default=_SETTINGS.length_ratio,
        metavar="R",
        help="flag pairs that are this many times longer or shorter than usual (default: %(default)s)",
    )
    limits.add_argument("--no-language-check", action="store_true", help="keep sentences in other languages")
    limits.add_argument("--keep-duplicates", action="store_true")
    limits.add_argument("--many-to-one", action="store_true", help="with --retrieval forward or backward")
    limits.add_argument(
        "--drop",
        type=_flags,
        default=DROPPED,
        metavar="FLAG,…",
        help="leave out pairs with these flags, or 'none'; others stay, flagged (default: "
        + ",".join(DROPPED)
        + ")",
    )
    limits.add_argument(
        "--max-score", type=float, metavar="N", help="above it a pair is flagged as suspicious"
    )


def run_mine(args: argparse.Namespace) -> int:
    """Find pairs, write them, and say how many and how good they are."""
    from indexer.bitext.formats import format_of, write_pairs

    began = time.monotonic()
    out = args.out.expanduser()
    format_of(out)  # an unknown suffix is refused before hours of work
    work = args.work.expanduser() if args.work else out.with_name(f"{out.name}.work")
    ranks = this_run()
    outcome = _find(args, work if ranks.size == 1 else work / f"{ranks.rank}-of-{ranks.size}", ranks)
    result = outcome.result
    cli.end_progress()
    ranks.wait()  # the others may still read what is deleted
    if not ranks.is_first:
        return 0
    written = write_pairs(
        out, result.pairs, source_language=result.languages[0], target_language=result.languages[1]
    )
    if not args.work:
        shutil.rmtree(work, ignore_errors=True)
    summary = _summary(outcome, out, written) | {"seconds": round(time.monotonic() - began, 2)}
    if args.json:
        cli.print_json(summary)
    else:
        print(_words(summary))
    return 0


def settings_of(args: argparse.Namespace) -> MiningSettings:
    """The settings that the options name."""
    return MiningSettings(
        k=args.k,
        margin=args.margin,
        retrieval=args.retrieval,
        threshold=args.threshold if isinstance(args.threshold, float) else None,
        max_score=args.max_score,
        min_characters=args.min_characters,
        max_characters=args.max_characters,
        min_letters=args.min_letters,
        length_ratio=args.length_ratio,
        check_language=not args.no_language_check,
        drop_duplicates=not args.keep_duplicates,
        one_to_one=not args.many_to_one,
        memory_mb=args.memory_mb,
        drop=args.drop,
        keep_below=args.gold is not None and not args.align,
    )


def _find(args: argparse.Namespace, work: Path, ranks: "Ranks") -> "Outcome":
    import me5
    from indexer.bitext.aligning import Reading
    from indexer.bitext.run import BitextTask, run

    _require_sides(args)
    segment = segmenter(args.segmenter)
    source, target = _sides(args, segment)
    languages = (None, None) if args.collection else (args.source_language, args.target_language)
    task = BitextTask(
        source,
        target,
        settings_of(args),
        Reading(languages, args.lines, segment),
        aligned=args.align,
        sample=args.sample,
        seed=args.seed,
        gold=Path(args.gold).expanduser() if args.gold else None,
        apply_estimate=args.threshold == AUTO,
    )
    return run(
        task,
        lambda: me5.load_encoder(cli.model_location(args, args.model or "builtin")),
        folder=work,
        progress=_progress(),
        left_out=_say_left_out,
        ranks=ranks,
    )


def _require_sides(args: argparse.Namespace) -> None:
    if args.target is None and (args.align or args.collection or args.gold):
        raise MiningError(
            "Only SOURCE was given; expected SOURCE and TARGET with --align, --collection or --gold. "
            "Name both sides."
        )
    if args.align and args.sample:
        raise MiningError(
            f"--sample {args.sample} draws sentences at random; --align expects all of them, in order. Leave "
            "one of the two out."
        )
    if args.align and args.collection:
        raise MiningError("--align expects two files or folders, got a collection. Leave one of the two out.")


def _sides(args: argparse.Namespace, segment: "Segmenter") -> "tuple[Side, Side | None]":
    if not args.collection:
        target = None if args.target is None else Path(args.target).expanduser()
        return Path(args.source).expanduser(), target
    from indexer.bitext.sources import collection_sentences

    with cli.open_library(args) as library:
        source, target_side = (
            list(collection_sentences(library.catalog, args.collection, language, segment=segment))
            for language in (args.source, args.target)
        )
    return source, target_side


def _say_left_out(reason: str) -> None:
    if not is_first():
        return
    cli.end_progress()
    print(f"left out: {reason}", file=sys.stderr)


def _progress() -> Progress:
    left = TimeLeft()

    def show(done: int, total: int, unit: str, message: str) -> None:
        seconds = left.seconds(done, total, time.monotonic())
        cli.show_progress(done, total, unit, f"{message}{_time_left(seconds)}")

    return show


def _time_left(seconds: float | None) -> str:
    if seconds is None or seconds < 1:
        return ""
    if seconds < 90:
        return f", about {seconds:.0f} seconds left"
    if seconds < 5400:
        return f", about {seconds / 60:.0f} minutes left"
    return f", about {seconds / 3600:.1f} hours left"


def _summary(outcome: "Outcome", out: Path, written: int) -> dict[str, Any]:
    result = outcome.result
    return {
        "out": str(out),
        "pairs": written,
        "threshold": _finite(result.threshold),
        "precision": _finite(result.estimated_precision),
        "method": result.estimate.method if result.estimate else None,
        "max_score": _finite(result.max_score),
        "source_language": result.languages[0],
        "target_language": result.languages[1],
        "sentences": list(result.sentences),
        "dropped": result.dropped,
        "flags": dict(Counter(flag for pair in result.pairs for flag in pair.flags)),
        "notices": list(outcome.notices),
        "model": outcome.model,
    }


def _words(summary: dict[str, Any]) -> str:
    sources, targets = summary["sentences"]
    words = (
        f"{summary['out']}: {summary['pairs']} pairs "
        f"{summary['source_language']}–{summary['target_language']} "
        f"of {sources} and {targets} sentences in {summary['seconds']:.1f} s, model {summary['model']}"
    )
    if summary["threshold"] is not None:
        words += f"\n  least score {summary['threshold']:.4g}"
        if summary["precision"] is not None:
            words += f", about {100 * summary['precision']:.0f} % of the pairs should be right"
    for title, counts in (("left out", summary["dropped"]), ("flagged", summary["flags"])):
        if counts:
            words += f"\n  {title}: " + ", ".join(f"{count} {name}" for name, count in counts.items())
    return "\n  ".join((words, *summary["notices"]))


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _threshold(word: str) -> float | str:
    if word == AUTO:
        return AUTO
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected auto or a number such as 1.06, got {word!r}")
    return value


def _flags(words: str) -> tuple[str, ...]:
    from indexer.bitext.checking import FLAGS

    if words == "none":
        return ()
    flags = tuple(word.strip() for word in words.split(",") if word.strip())
    known = [flag for flag in FLAGS if flag != "suspicious"]
    if wrong := [flag for flag in flags if flag not in known]:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}, or none; got {wrong[0]!r}")
    return flags


def _positive(word: str) -> int:
    value = int(word)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {word}")
    return value
