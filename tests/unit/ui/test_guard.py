"""Errors on their way to the page."""

import logging

import gradio as gr
import pytest

from indexer.errors import StoreLockedError
from me5.errors import ContractError
from ui.errors import LaunchError
from ui.guard import guarded

pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize(
    "error", [StoreLockedError("Locked by <7>."), ContractError("Other model <7>."), LaunchError("<7>")]
)
def test_our_errors_reach_the_page_word_for_word_and_escaped(error: Exception) -> None:
    @guarded
    def handler() -> None:
        raise error

    with pytest.raises(gr.Error) as caught:
        handler()
    assert "&lt;7&gt;" in caught.value.message
    assert caught.value.print_exception is False


def test_unexpected_errors_leave_an_id_in_the_log_and_no_detail_on_the_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @guarded
    def handler() -> None:
        raise ZeroDivisionError("secret path /home/x")

    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as caught:
        handler()
    log_id = caplog.records[-1].getMessage().split()[-1]
    assert log_id in caught.value.message and "secret" not in caught.value.message
    assert caplog.records[-1].exc_info


def test_values_and_signatures_pass_through() -> None:
    def handler(a: int, *, b: int = 2) -> int:
        return a + b

    assert guarded(handler)(1, b=4) == 5
    assert guarded(handler).__wrapped__ is handler  # type: ignore[attr-defined]
