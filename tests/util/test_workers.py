"""Workers end with their parent, however that ends, and leave signals to it. Real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import AS_IN_A_TERMINAL
from torture.kill import session

if not Path("/proc/self/stat").exists():
    pytest.skip("only Linux lists processes in /proc", allow_module_level=True)

ROOT = str(Path(__file__).parents[2])
WAITING = """
import sys, time
from etm_jax.util.processes import process_pool
with process_pool(2) as submit:
    futures = [submit(time.sleep, 0), submit(time.sleep, 0)]
    [future.result() for future in futures]
    futures = [submit(time.sleep, 600), submit(time.sleep, 600)]
    print("waiting", flush=True)
    {do}
"""


def start(do: str) -> "subprocess.Popen[str]":
    """A parent in a session of its own whose two workers are busy for ten minutes."""
    process = subprocess.Popen(
        [*AS_IN_A_TERMINAL, sys.executable, "-c", WAITING.format(do=do)],
        env=os.environ | {"PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "waiting\n"
    assert len(session(process.pid)) >= 3
    return process


def assert_none_left(leader: int) -> None:
    due = time.monotonic() + 30
    while session(leader):
        assert time.monotonic() < due, session(leader)
        time.sleep(0.02)


def test_workers_end_when_their_parent_is_killed():
    process = start("futures[0].result()")
    process.kill()
    process.communicate()
    assert_none_left(process.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_of_them_is_the_parents_alone(number):
    # As a terminal sends it. Workers that ended by it would look as if memory had run out.
    process = start(
        "from etm_jax.training.signals import signals_raise\n"
        "    try:\n"
        "        with signals_raise():\n"
        "            futures[0].result()\n"
        "    except KeyboardInterrupt as stop:\n"
        "        print(type(stop).__name__, getattr(stop, 'number', 2), flush=True)\n"
        "        sys.exit(7)"
    )
    time.sleep(0.2)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    said = "KeyboardInterrupt" if number == signal.SIGINT else "Stopped"
    assert (process.returncode, out, err) == (7, f"{said} {int(number)}\n", "")
    assert_none_left(process.pid)
