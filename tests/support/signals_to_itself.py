"""Signals as wishes; sent by the tests to their own process, so ``test_interruption`` gives them one."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from trainer.run.interruption import RunStopped, StopRequest


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_outside_of_the_steps_a_signal_stops_at_once(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(RunStopped) as stopped, StopRequest():
        signal.raise_signal(number)
    assert stopped.value.exit_code == code and number.name in str(stopped.value)
    assert signal.getsignal(number) is before


def test_between_steps_it_is_remembered() -> None:
    with StopRequest() as stop:
        with stop.defer_signals():
            assert not stop.is_made()
            signal.raise_signal(signal.SIGTERM)
            assert stop.is_made()
        stop.require_done(True)
        with pytest.raises(RunStopped) as stopped:
            stop.require_done(False)
    assert stopped.value.exit_code == 143


def test_a_second_signal_is_passed_on() -> None:
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        with StopRequest() as stop, stop.defer_signals():
            signal.raise_signal(signal.SIGTERM)
            assert not received
            signal.raise_signal(signal.SIGTERM)
            assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_stop_that_another_process_was_told_counts_as_sigterm() -> None:
    with StopRequest() as stop, pytest.raises(RunStopped) as stopped:
        stop.require_done(False)
    assert stopped.value.exit_code == 143


def test_other_threads_leave_the_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def look() -> object:
        with StopRequest():
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(look).result() is before


def test_no_handler_of_errors_catches_it() -> None:
    assert not issubclass(RunStopped, Exception)
