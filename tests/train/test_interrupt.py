"""Ctrl-C during an epoch: the first is a request, the second is obeyed, and handlers are put back."""

import signal
import threading

import pytest

from dfuse_jax.train.interrupt import stop_requested


@pytest.fixture
def _obeyed():
    """Python's own handler; a shell starts what runs in the background without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_obeyed")
def test_a_first_interrupt_is_a_request_and_a_second_is_obeyed(capsys):
    before = signal.getsignal(signal.SIGINT)
    with stop_requested() as stopping:
        assert not stopping()
        signal.raise_signal(signal.SIGINT)
        assert stopping() and "stopping after this epoch" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_nothing_is_handled():
    answers = []

    def work():
        with stop_requested() as stopping:
            answers.append(stopping())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
