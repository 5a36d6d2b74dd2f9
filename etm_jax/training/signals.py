"""What SIGINT (Ctrl-C) and SIGTERM do: the first asks for an orderly end, the second ends the process at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from etm_jax.util.console import note

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """Work was ended by a signal. Not an Exception, as KeyboardInterrupt is none: nothing should swallow it."""

    def __init__(self, number: int, said: str = "") -> None:
        super().__init__(said)
        self.number, self.said = number, said


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within the block SIGTERM raises `Stopped`, as SIGINT raises KeyboardInterrupt. For the main thread alone."""

    def stop(number: int, _: object) -> None:
        raise Stopped(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class StopRequest:
    """Whether a signal has asked for the end: that is for the work in hand to look at, where it can end well."""

    def __init__(self) -> None:
        self.number = 0

    def raise_if_asked(self) -> None:
        """Raise `Stopped` where a signal has come."""
        if self.number:
            raise Stopped(self.number)


@contextmanager
def deferred(said: str) -> Iterator[StopRequest]:
    """Within the block a first signal is put down, and `said` is printed; a second one ends the process.

    For the main thread of a program; in any other thread the block is run as it is. Python's own handlers wait while
    XLA compiles, which may be a minute: a thread that reads the signals from a pipe does not.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)

    def watch() -> None:
        while received := os.read(receiver, 1):
            if received[0] not in SIGNALS:
                continue
            if request.number:
                os._exit(128 + received[0])
            request.number = received[0]
            note(said)

    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    try:
        yield request
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(sender)
        watcher.join()
        os.close(receiver)
    request.raise_if_asked()
