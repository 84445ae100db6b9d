"""Ctrl-C while an epoch is under way."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether Ctrl-C or SIGTERM came, so that the epoch under way is not lost.

    A second one has its usual effect at once.
    """
    requests = []

    def request(number, frame):
        requests.append(number)
        signal.signal(number, previous[number])
        print("\nstopping after this epoch; once more stops at once", file=sys.stderr)

    previous = {}
    with contextlib.suppress(ValueError):  # signals belong to the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, request)
    try:
        yield lambda: bool(requests)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
