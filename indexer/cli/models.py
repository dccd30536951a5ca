"""Terminal verbs about models: models, use, pairs. What verbs share is in ``indexer.cli.common``."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.cli import common as cli
from indexer.errors import ModelError
from indexer.library.training_pairs import ALL, KINDS

if TYPE_CHECKING:
    from indexer.library.encoders import KnownModel, ModelFolder


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verbs; each parser carries its handler as ``run``."""
    models = verbs.add_parser("models", help="known models with size, languages and scores")
    cli.add_data_options(models, with_model=False)
    what = models.add_mutually_exclusive_group()
    what.add_argument(
        "--register",
        nargs=2,
        metavar=("FOLDER", "NAME"),
        help="copy a model folder or a finished run into the data folder, to be used as NAME",
    )
    what.add_argument(
        "--export",
        nargs=2,
        metavar=("NAME", "FOLDER"),
        help="write a model to a new folder that transformers and sentence-transformers open",
    )
    models.add_argument(
        "--prefix",
        nargs=2,
        metavar=("QUERY", "PASSAGE"),
        help="with --register: what the model wants before queries and before passages, where its folder "
        "does not say, as in --prefix 'query: ' 'passage: '; '' for nothing",
    )
    models.add_argument(
        "--neutral",
        action="store_true",
        help="with --export: vectors without their language, as builtin has them anyway",
    )
    models.add_argument("--json", action="store_true", help="print JSON")
    models.set_defaults(run=run_models)

    words = "have a collection embedded with another model"
    use = verbs.add_parser("use", help=words, description=f"{words[0].upper()}{words[1:]}.")
    use.add_argument(
        "use", nargs="?", metavar="MODEL", help="registered name, registry name, folder or hub id"
    )
    use.add_argument("--collection", default=cli.DEFAULT_COLLECTION, help="default: %(default)s")
    how = use.add_mutually_exclusive_group()
    how.add_argument("--undo", action="store_true", help="return to the model before")
    how.add_argument("--discard", action="store_true", help="delete the vectors kept for --undo")
    cli.add_data_options(use, with_model=False)
    cli.add_store_options(use)
    cli.add_neutral_option(use)
    use.add_argument("--json", action="store_true", help="print JSON")
    use.set_defaults(run=run_use, model=None)

    words = "training pairs out of a collection, as jsonl"
    pairs = verbs.add_parser("pairs", help=words, description=f"{words[0].upper()}{words[1:]}.")
    pairs.add_argument("--collection", default=cli.DEFAULT_COLLECTION, help="default: %(default)s")
    pairs.add_argument("--kind", choices=(*KINDS, ALL), default=ALL, help="default: %(default)s")
    pairs.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="replaced if it exists")
    cli.add_data_options(pairs, with_model=False)
    cli.add_store_options(pairs)
    pairs.add_argument("--json", action="store_true", help="print JSON")
    pairs.set_defaults(run=run_pairs, model=None)


def run_models(args: argparse.Namespace) -> int:
    """List the registry and the registered models, fetching nothing; or register one, or export one."""
    from indexer.library.encoders import ModelFolder
    from indexer.store import DEFAULT_RESERVE_BYTES

    folder = ModelFolder((args.data or cli.default_data_dir()).expanduser() / "models")
    if args.register:
        source, name = args.register
        prefixes = None if args.prefix is None else (args.prefix[0], args.prefix[1])
        copy = folder.register(Path(source), name, prefixes=prefixes, reserve_bytes=DEFAULT_RESERVE_BYTES)
        if args.json:
            cli.print_json({"name": name, "folder": str(copy)})
        else:
            print(f"{name} is registered: {copy}")
        return 0
    if args.prefix is not None:
        raise ModelError(
            "Got --prefix without --register. Expected both, as in --register FOLDER NAME --prefix 'query: ' "
            "'passage: '. Add --register, or leave --prefix out."
        )
    if args.export:
        return _export(args, folder)
    if args.neutral:
        raise ModelError(
            "Got --neutral without --export. Expected both, as in --export small FOLDER --neutral. Add "
            "--export, or leave --neutral out."
        )
    known = folder.known()
    if args.json:
        cli.print_json([_model_json(model) for model in known])
        return 0
    print(f"{'name':<20}{'dim':>5}{'layers':>8}{'params':>9}  {'languages':<11}scores (percent, published)")
    for model in known:
        _print_model(model)
    return 0


def run_use(args: argparse.Namespace) -> int:
    """Embed a collection with another model, or go back; interrupted, it goes on when run again."""
    from indexer.errors import QueryError
    from indexer.library.model_switch import summary

    if (args.use is None) != (args.undo or args.discard):
        raise QueryError(
            f"Got the model {args.use!r} with --undo {args.undo} and --discard {args.discard}. Expected "
            "either MODEL, or --undo, or --discard. Give one of them."
        )
    with cli.open_library(args) as library:
        if args.discard:
            gone = library.discard_previous(args.collection)
            if args.json:
                cli.print_json({"collection": args.collection, "discarded": gone})
            else:
                print(f"discarded: vectors of {', '.join(gone)}" if gone else "No previous vectors to delete")
            return 0
        report = library.use_model(
            args.collection, args.use, neutral=args.neutral == "on", progress=cli.ProgressLine()
        )
        cli.end_progress()
        library.warm(args.collection)
    if args.json:
        cli.print_json(asdict(report) | {"seconds": round(report.seconds, 2)})
    else:
        print(summary(report))
    return 0


def run_pairs(args: argparse.Namespace) -> int:
    """Write pairs and say how many of each kind."""
    from indexer.library.training_pairs import write_pairs

    with cli.open_library(args) as library:
        report = write_pairs(library.catalog, args.collection, args.out.expanduser(), kind=args.kind)
    if args.json:
        cli.print_json(
            {
                "out": str(report.out),
                "pairs": report.total,
                "kinds": report.counts,
                "left_out": report.left_out,
            }
        )
    else:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.counts.items())
        print(f"{report.out}: {report.total} pairs ({kinds}); {report.left_out} candidates left out")
    return 0


def _export(args: argparse.Namespace, models: "ModelFolder") -> int:
    """Write a model to a folder and say whether its vectors have a language."""
    from me5.export import export_model

    name, folder = args.export[0], Path(args.export[1]).expanduser()
    own_map = export_model(
        models.locate(name),
        folder,
        neutral=args.neutral,
        on_progress=lambda done, total: cli.show_progress(
            done, total, "sentences", "preparing for all languages"
        ),
    )
    cli.end_progress()
    if args.json:
        neutral = None if own_map is None else own_map.digest
        cli.print_json({"name": name, "folder": str(folder), "neutral": neutral})
    else:
        kind = "as published" if own_map is None else "language-neutral"
        print(f"{name} is written to {folder}, its vectors {kind}")
    return 0


def _print_model(model: "KnownModel") -> None:
    spec = model.spec
    if spec is None:
        print(f"{model.name:<20}cannot be used: {model.problem}")
        return
    params = f"{spec.parameters / 1e6:.0f}M" if spec.parameters else "-"
    scores = ", ".join(f"{s.benchmark} {s.metric} {s.value:g}" for s in spec.published[:3]) or "-"
    count = str(len(spec.languages)) if spec.languages else "-"
    print(f"{model.name:<20}{spec.dimension:>5}{spec.layers:>8}{params:>9}  {count:<11}{scores}")
    print(f"{'':<20}{spec.path or spec.model_id}{'  ' + spec.note if spec.note else ''}")


def _model_json(model: "KnownModel") -> dict[str, Any]:
    """The fields of the registry, with ``registered`` (is it one of this data folder) and ``problem``."""
    facts: dict[str, Any] = {"name": model.name, "registered": model.folder is not None}
    spec = model.spec
    if spec is not None:
        facts |= {
            "model_id": spec.model_id,
            "revision": spec.revision,
            "dimension": spec.dimension,
            "layers": spec.layers,
            "max_tokens": spec.max_tokens,
            "parameters": spec.parameters,
            "languages": list(spec.languages),
            "licence": spec.licence,
            "note": spec.note,
            "published": [asdict(score) for score in spec.published],
        }
    return facts | {"folder": str(model.folder) if model.folder else None, "problem": model.problem}
