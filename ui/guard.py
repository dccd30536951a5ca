"""Turns errors into messages a person can act on; keeps tracebacks in the log and off the page."""

import functools
import logging
import secrets
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from indexer.errors import IndexerError
from me5.errors import Me5Error
from trainer.errors import TrainerError
from ui.errors import UiError
from ui.formatting import text

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def message_for(error: Exception) -> str:
    """The words for the page: our own errors say what to do; of others the log keeps the details."""
    if isinstance(error, Me5Error | IndexerError | TrainerError | UiError):
        return str(error)
    log_id = secrets.token_hex(4)
    logger.error("Unexpected error %s", log_id, exc_info=error)
    return f"Something unexpected happened. The details are in the log of the app under {log_id}."


def guarded(handler: Callable[P, R]) -> Callable[P, R]:
    """Wrap an event handler so that every error reaches the page as one calm sentence."""

    @functools.wraps(handler)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        import gradio as gr

        try:
            return handler(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            words = message_for(error)
            # Escaped because messages quote file names and queries, and the toast renders HTML.
            raise gr.Error(text(words), print_exception=False, title="Error") from error

    return wrapper
