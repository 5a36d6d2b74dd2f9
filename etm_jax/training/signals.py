"""What SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal) do: the first asks for an orderly end, a second ends the
process at once.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from etm_jax.util.console import note
from etm_jax.util.processes import STOPPING

SECONDS_UNTIL_AGAIN = 0.02
"""After a signal was lost, until it is sent again."""


class Stopped(KeyboardInterrupt):
    """A signal ended the work. Not an Exception, as KeyboardInterrupt is none: nothing should swallow it.

    number: of the signal. message: for the user; empty where the caller has one of its own.
    """

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(message)
        self.number, self.message = number, message


def _stopping() -> list[int]:
    """The signals that ask this process to end. `nohup` has it ignore SIGHUP, and that stays so."""
    return [each for each in STOPPING if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]


@contextmanager
def signals_raise() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise `Stopped`, as SIGINT raises KeyboardInterrupt. For the main thread.

    Python ignores what is raised while it calls what JAX and others have it call as it looks for garbage. A signal that
    was lost so comes again.
    """

    def stop(number: int, _: object) -> None:
        raise Stopped(number)

    def ignored(unraisable: "sys.UnraisableHookArgs") -> None:
        error = unraisable.exc_value
        if not isinstance(error, KeyboardInterrupt):
            hook(unraisable)
            return
        number = error.number if isinstance(error, Stopped) else signal.SIGINT
        # From here it would be ignored once more.
        again = threading.Timer(SECONDS_UNTIL_AGAIN, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {each: signal.signal(each, stop) for each in _stopping() if each != signal.SIGINT}
    hook, sys.unraisablehook = sys.unraisablehook, ignored
    try:
        yield
    finally:
        sys.unraisablehook = hook
        _restore(before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let signals wait until the block has ended: where they reach a library's threads, those print tracebacks."""
    received: list[tuple[int, FrameType | None]] = []

    def note_down(number: int, frame: FrameType | None) -> None:
        received.append((number, frame))

    ours = threading.current_thread() is threading.main_thread()
    # Python's own handlers alone raise something.
    before: dict[int, Any] = (
        {each: handler for each in STOPPING if callable(handler := signal.getsignal(each))} if ours else {}
    )
    for each in before:
        signal.signal(each, note_down)
    try:
        yield
    finally:
        _restore(before)
    for number, frame in received[:1]:
        before[number](number, frame)


def _restore(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


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
    before: dict[int, Any] = {each: signal.signal(each, lambda *_: None) for each in _stopping()}
    wakeup = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)

    def watch() -> None:
        while received := os.read(receiver, 1):
            if received[0] not in before:
                continue
            if request.number and received[0] == signal.SIGHUP:
                continue  # Both the shell and the system send it as a terminal is closed.
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
        _restore(before)
        os.close(sender)
        watcher.join()
        os.close(receiver)
    if request.number:
        raise Stopped(request.number)
