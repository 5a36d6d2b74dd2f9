"""What SIGINT (Ctrl-C) and SIGTERM do: the first asks for an orderly end, the second ends the process at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from etm_jax.util.console import note

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal ended the work. Not an Exception, as KeyboardInterrupt is none: nothing should swallow it.

    number: of the signal. message: what the user is told; empty where the caller is to say it.
    """

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(message)
        self.number, self.message = number, message


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


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the block has ended: where it reaches a library's threads, they print tracebacks."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    received: list[object] = []
    before = signal.signal(signal.SIGINT, lambda *arguments: received.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if received:
        raise KeyboardInterrupt


class StopRequest:
    """A signal that asks for an orderly end. The work in hand looks at it where it can end well.

    number: of the signal; 0 before one has come.
    """

    def __init__(self) -> None:
        self.number = 0


@contextmanager
def deferred(message: str) -> Iterator[StopRequest]:
    """Within the block the first signal is noted in the request, and `message` is printed; a second ends the process.

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
            note(message)

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
    if request.number:
        raise Stopped(request.number)
