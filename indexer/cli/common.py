"""What the terminal verbs share: options, the library behind them, what is printed, how far work is.

Names, flags and JSON fields are a contract that scripts depend on. ``app.py`` adds ``serve`` and calls the
``add_verbs`` of the modules beside this one; each parser carries its handler as ``args.run``.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from indexer.errors import CatalogError, IndexerError, StoreError
from indexer.progress import LONG_S, SETTLED_S, TimeLeft, duration
from indexer.store.settings import Quantization, ServerSettings
from me5.api.naming import BASE_VARIABLE as API_BASE
from me5.errors import Me5Error
from me5.ranks import is_first

if TYPE_CHECKING:
    from indexer.library.library import Library, Role

DEFAULT_COLLECTION = "library"


def default_data_dir() -> Path:
    """``$ME5_DATA``, else ``~/.me5-search``."""
    return Path(os.environ.get("ME5_DATA") or "~/.me5-search").expanduser()


# -- arguments ------------------------------------------------------------------------------------------


def add_data_options(parser: argparse.ArgumentParser, *, with_model: bool = True) -> None:
    """The options that every command understands."""
    parser.add_argument(
        "--data",
        type=Path,
        default=None,
        metavar="DIR",
        help="data folder, default: $ME5_DATA or ~/.me5-search",
    )
    if with_model:
        parser.add_argument(
            "--model",
            default=None,
            metavar="NAME",
            help="registry name, registered name, folder, hub id, or an API: openai:NAME, cohere:NAME "
            "(default: builtin)",
        )
        add_api_option(parser)
        parser.add_argument(
            "--dimension",
            type=int,
            default=None,
            metavar="N",
            help="shorter vectors, for models that were trained for it (see models --show NAME): the same as "
            "--model NAME@N",
        )


def add_api_option(parser: argparse.ArgumentParser) -> None:
    """Where a model behind an API is asked."""
    parser.add_argument(
        "--api-base",
        default=None,
        metavar="URL",
        help="server of a model openai:NAME, as http://localhost:11434/v1; texts are sent there "
        "(default: $ME5_API_BASE, else that of OpenAI or Cohere)",
    )


def add_neutral_option(parser: argparse.ArgumentParser) -> None:
    """Whether new vectors leave out their language."""
    parser.add_argument(
        "--neutral",
        choices=("on", "off"),
        default="on",
        help="vectors of new collections without their language, so that answers in others are found "
        "(default: on); off: exactly as the model was published",
    )


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Where catalog and vectors live when not in the data folder."""
    parser.add_argument("--qdrant-url", metavar="URL", help="Qdrant server instead of the embedded store")
    parser.add_argument(
        "--database-url", metavar="URL", help="PostgreSQL instead of SQLite, postgresql+psycopg://…"
    )
    parser.add_argument(
        "--files",
        type=Path,
        metavar="DIR",
        help="where uploads are kept: a folder that all machines of one database reach at the same place "
        "(default: $ME5_FILES, or in the data folder)",
    )
    server = parser.add_argument_group("a Qdrant server", "for new collections; each also as ME5_QDRANT_…")
    server.add_argument("--qdrant-shards", type=_positive, metavar="N", help="pieces (default: one a node)")
    server.add_argument(
        "--qdrant-replicas",
        type=_positive,
        metavar="N",
        help="copies of each piece (default: 2 where there are two nodes or more)",
    )
    server.add_argument(
        "--qdrant-quantization",
        choices=get_args(Quantization),
        help="smaller copies in memory, ranked again by the originals (default: none)",
    )
    server.add_argument(
        "--qdrant-on-disk", action="store_true", default=None, help="keep the originals on disk"
    )
    server.add_argument("--qdrant-grpc", action="store_true", default=None, help="speak gRPC on port 6334")
    server.add_argument(
        "--qdrant-patience",
        type=float,
        metavar="S",
        help="how long work waits for a server that does not answer (default: 120 seconds)",
    )


def server_settings(args: argparse.Namespace) -> ServerSettings:
    """What the options say of a Qdrant server, and where they do not, the environment."""
    usual = ServerSettings()
    return ServerSettings(
        shard_number=_chosen(args, "shards", _positive, usual.shard_number),
        replication_factor=_chosen(args, "replicas", _positive, usual.replication_factor),
        quantization=_chosen(args, "quantization", _quantization, usual.quantization),
        on_disk=_chosen(args, "on_disk", _switch, usual.on_disk),
        grpc=_chosen(args, "grpc", _switch, usual.grpc),
        patience_s=_chosen(args, "patience", float, usual.patience_s),
    )


def _chosen(args: argparse.Namespace, name: str, read: Callable[[str], Any], usual: Any) -> Any:
    value = getattr(args, f"qdrant_{name}", None)
    variable = f"ME5_QDRANT_{name.upper()}"
    if value is not None or not os.environ.get(variable):
        return usual if value is None else value
    try:
        return read(os.environ[variable])
    except (ValueError, argparse.ArgumentTypeError):
        option = f"--qdrant-{name.replace('_', '-')}"
        raise StoreError(
            f"{variable} is {os.environ[variable]!r}, which {option} does not take. Change it, or unset it."
        ) from None


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _quantization(text: str) -> str:
    if text not in get_args(Quantization):
        raise ValueError(text)
    return text


def _switch(text: str) -> bool:
    if text.lower() not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        raise ValueError(text)
    return text.lower() in ("1", "true", "yes", "on")


def run_safely(args: argparse.Namespace) -> int:
    """Run ``args.run``; our own errors become one line on stderr and exit code 1, an interrupt 130."""
    if getattr(args, "api_base", None) is not None:
        os.environ[API_BASE] = args.api_base  # also for what is started from here
    if getattr(args, "dimension", None) is not None:
        args.model = f"{args.model or 'builtin'}@{args.dimension}"
    try:
        return int(args.run(args))
    except (Me5Error, IndexerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `… | head` closed the pipe; keep the interpreter from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        return 130


def open_library(args: argparse.Namespace, *, resume_jobs: bool = False, role: "Role" = "all") -> "Library":
    """The library that the options name; a context manager. Page and worker go on with interrupted jobs."""
    from indexer.library.library import Library

    if role != "all" and args.database_url is None:
        raise CatalogError(
            f"A process for {'searches' if role == 'search' else 'jobs'} alone shares a database with "
            "others, which do the rest. Name it with --database-url postgresql://…"
        )
    files = args.files or os.environ.get("ME5_FILES") or None

    return Library.open(
        (args.data or default_data_dir()).expanduser(),
        model=args.model or "builtin",
        qdrant_url=args.qdrant_url,
        database_url=args.database_url,
        server=server_settings(args),
        neutral=getattr(args, "neutral", "on") == "on",
        resume_jobs=resume_jobs,
        role=role,
        files_dir=None if files is None else Path(files).expanduser(),
    )


def open_or_ask(args: argparse.Namespace, *, resume_jobs: bool = False) -> Any:
    """As :func:`open_library`; where the app that is running has the data folder, the app is asked."""
    from indexer.cli import asking

    return asking.open_or_ask(
        lambda: open_library(args, resume_jobs=True) if resume_jobs else open_library(args),
        (args.data or default_data_dir()).expanduser().absolute(),
        stores=(args.qdrant_url, args.database_url),
        model=args.model,
        neutral=getattr(args, "neutral", "on") == "on",
    )


def model_location(args: argparse.Namespace, name: str) -> str:
    """What ``me5.load_encoder`` takes for a name: the folder of a model registered in the data folder, or
    the name itself.
    """
    from indexer.library.encoders import ModelFolder

    return ModelFolder((args.data or default_data_dir()).expanduser() / "models").locate_registered(name)


def locate_models(args: argparse.Namespace, name: str | None) -> str | None:
    """``name`` with folders in place of registered models, also between colons: ``product:NAME:dense``."""
    return name and ":".join(model_location(args, part) for part in name.split(":"))


def positive(word: str) -> int:
    """A number of 1 or more, for argparse."""
    value = int(word)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {word}")
    return value


# -- what is printed ---------------------------------------------------------------------------------------


def print_json(value: Any) -> None:
    """A value on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


class ProgressLine:
    """Shows how far work is and how long it still takes. Fits wherever a ``Progress`` is wanted.

    Args:
        on_long: called once, with the seconds left, when that is long.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        on_long: Callable[[float], None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_long, self._clock, self._time_left = on_long, clock, TimeLeft()
        self._started: float | None = None

    def __call__(self, done: int, total: int, unit: str, message: str) -> None:
        now = self._clock()
        self._started = now if self._started is None else self._started
        left = self._time_left.seconds(done, total, now)
        if left is not None and left > LONG_S and now - self._started >= SETTLED_S and self._on_long:
            on_long, self._on_long = self._on_long, None
            end_progress()
            on_long(left)
        name = Path(message).name
        show_progress(done, total, unit, name if left is None else f"{duration(left)} left  {name}")


def show_progress(done: int, total: int, unit: str, message: str) -> None:
    """One line on standard error that is written over, if a person watches."""
    share = f"{100 * done / total:5.1f} %" if total else ""
    show_line(f"{share} {Path(message).name}"[:100])


def show_line(words: str) -> None:
    """Words on that line."""
    if sys.stderr.isatty() and is_first():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)


def end_progress() -> None:
    """Clear that line."""
    if sys.stderr.isatty() and is_first():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
