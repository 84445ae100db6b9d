"""Ctrl-C while an epoch is under way."""

import contextlib
import signal
import sys


@contextlib.contextmanager
def polite():
    """Turns a first Ctrl-C or SIGTERM into a wish, so that the epoch under way is not lost; a second one is obeyed.

    Yields a list that is empty until then.
    """
    wishes = []

    def wish(number, frame):
        wishes.append(number)
        signal.signal(number, previous[number])
        print("\nstopping after this epoch; once more stops at once", file=sys.stderr)

    previous = {}
    with contextlib.suppress(ValueError):  # signals belong to the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, wish)
    try:
        yield wishes
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
