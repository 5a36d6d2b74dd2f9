"""Joining the other processes of a job: what is checked before, what is said while it waits, and how it ends."""

import ipaddress
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import jax

from etm_jax.config.settings import RunOptions
from etm_jax.util.console import note
from etm_jax.util.errors import UserError
from etm_jax.util.processes import STOPPING

HEARTBEAT_SECONDS = 20
"""A process that has sent no heartbeat for so long is taken for dead, and the others are ended."""

QUIET_SECONDS = 2
"""For how long nothing is said of the wait."""

EXIT_USER_ERROR = 2

_ADDRESS = re.compile(r"(?P<host>\[[^\[\]]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")

HOW = (
    "start each with --coordinator=HOST:PORT, --num_processes=N and its own --process_id=0 to N-1, or by srun, mpirun "
    "or on the hosts of a TPU slice"
)


def check_joining(options: RunOptions, several: bool) -> None:
    """Raise UserError where the flags of a process that joins others are without use, or make no sense.

    several: whether this is one of several processes, as --distributed or the environment says.
    """
    given = {
        "coordinator": options.coordinator,
        "num_processes": options.num_processes or "",
        "process_id": options.process_id if options.process_id >= 0 else "",
    }
    shown = [f"--{flag}={value}" for flag, value in given.items() if value != ""]
    if shown and not several:
        raise UserError(f"{', '.join(shown)} is for one of several processes; add --distributed, or leave it out")
    for source, address in (
        ("--coordinator", options.coordinator),
        ("JAX_COORDINATOR_ADDRESS", os.environ.get("JAX_COORDINATOR_ADDRESS", "") if several else ""),
    ):
        if address and not _is_address(address):
            raise UserError(
                f"{source}={address} is no address; give HOST:PORT, such as host0:1234 or [::1]:1234, with a port "
                "from 1 to 65535"
            )
    if 0 < options.num_processes <= options.process_id:
        raise UserError(
            f"--process_id={options.process_id} is none of --num_processes={options.num_processes}, which count from 0 "
            f"to {options.num_processes - 1}; correct one of them"
        )


def _is_address(text: str) -> bool:
    """Whether it is HOST:PORT. JAX's runtime takes the process down on some texts that are none."""
    found = _ADDRESS.fullmatch(text)
    if not found or not text.isascii() or not 0 < int(found["port"]) < 1 << 16:
        return False
    if found["host"].startswith("["):
        with suppress(ValueError):
            return ipaddress.ip_address(found["host"][1:-1]).version == 6
        return False
    return True


def join(given: dict[str, Any], seconds: int) -> None:
    """Connect this process with the others, or end it with one line and status 2 where they have not come in time.

    given: what `jax.distributed.initialize` takes. Raises UserError where the runtime says by itself that it cannot.
    The runtime waits in C++, where nothing of Python's is heard: the wait is told, and ended, by a thread, and a
    signal ends the process as it ends one without handlers. Nothing has been written by then.
    """
    settled = threading.Event()
    at = given["coordinator_address"] or os.environ.get("JAX_COORDINATOR_ADDRESS") or "the address of the cluster"
    whom = f"the other processes to come to {at}" if given["process_id"] == 0 else f"the coordinator at {at}"

    def watch() -> None:
        if settled.wait(min(QUIET_SECONDS, seconds)):
            return
        if seconds > QUIET_SECONDS:
            note(f"waiting for {whom}, for up to {seconds:,} seconds (--connect_timeout)")
            if settled.wait(seconds - QUIET_SECONDS):
                return
        _exit_alone(
            f"--distributed waited {seconds:,} seconds for {whom}; see that all processes run and reach that address, "
            f"or raise --connect_timeout; {HOW}"
        )

    watcher = threading.Thread(target=watch, name="joining", daemon=True)
    try:
        with _signals_end_it():
            watcher.start()
            # Ours is first: the runtime's own end of the wait is an abort with a stack of C++.
            jax.distributed.initialize(
                **given,
                initialization_timeout=seconds + 60,
                heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            )
    except (ValueError, RuntimeError) as error:
        raise UserError(f"--distributed could not join the other processes ({first_line(error)}); {HOW}") from error
    finally:
        settled.set()


def first_line(error: BaseException) -> str:
    """The beginning of a library's message."""
    return str(error).strip().splitlines()[0][:200]


def _exit_alone(message: str) -> NoReturn:
    """End this process at once: no other one knows of it, and the thread that waits in C++ cannot be ended."""
    note(f"error: {message}")
    os._exit(EXIT_USER_ERROR)


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """Within the block the signals that Python would handle end the process at once; what ignores one goes on so."""
    ours = threading.current_thread() is threading.main_thread()
    before: dict[int, Any] = (
        {each: handler for each in STOPPING if callable(handler := signal.getsignal(each))} if ours else {}
    )
    for each in before:
        signal.signal(each, signal.SIG_DFL)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
