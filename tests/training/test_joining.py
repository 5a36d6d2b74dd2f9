"""Flags of a process that joins others, and one that waits for them in vain."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

import forked
from etm_jax.config.settings import RunOptions
from etm_jax.training.distributed import distributed
from etm_jax.training.joining import check_joining
from etm_jax.util.errors import UserError


@pytest.mark.parametrize("address", ["host0:1234", "10.0.0.1:1", "localhost:65535", "[::1]:1234", "a-b.example.org:80"])
def test_an_address_has_a_host_and_a_port(address: str) -> None:
    check_joining(RunOptions(coordinator=address, num_processes=2, process_id=1), several=True)


@pytest.mark.parametrize(
    "address",
    [
        *("foo", "foo:bar", "localhost:", ":1234", "localhost:99999999", "localhost:0", "localhost:65536", "::1:1234"),
        *(
            "[::1]",
            "[foo]:1234",
            "[10.0.0.1]:1",
            "http://localhost:1234",
            "a b:1",
            "localhost:\uff11",
            "localhost:12\n",
        ),
    ],
)
def test_what_is_no_address_is_refused_before_jax_sees_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^--coordinator=.* is no address; give HOST:PORT"):
        check_joining(RunOptions(coordinator=address), several=True)
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", address)
    with pytest.raises(UserError, match=r"^JAX_COORDINATOR_ADDRESS=.* is no address"):
        check_joining(RunOptions(), several=True)
    check_joining(RunOptions(), several=False)


@pytest.mark.parametrize(
    "options, said",
    [
        (RunOptions(num_processes=2), "--num_processes=2"),
        (RunOptions(process_id=0), "--process_id=0"),
        (RunOptions(coordinator="a:1", num_processes=2), "--coordinator=a:1, --num_processes=2"),
    ],
)
def test_flags_of_several_processes_are_refused_for_one(options: RunOptions, said: str) -> None:
    with (
        pytest.raises(UserError, match=f"^{said} is for one of several processes; add --distributed"),
        distributed(options),
    ):
        pytest.fail("it began")


def test_a_process_has_one_of_their_numbers() -> None:
    with pytest.raises(UserError, match="--process_id=2 is none of --num_processes=2, which count from 0 to 1"):
        check_joining(RunOptions(num_processes=2, process_id=2), several=True)


PROGRAM = """
import sys
from etm_jax.cli import flags
from etm_jax.config.settings import RunOptions
from etm_jax.training import joining
from etm_jax.training.distributed import distributed

def main(argv):
    with distributed(RunOptions(
        distributed=True, coordinator=argv[1], num_processes=2, process_id=1, connect_timeout=int(argv[2])
    )):
        print("joined")

joining.QUIET_SECONDS = 0.1
sys.exit(flags.run(main))
"""


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that nothing answers at: connections are neither taken nor refused."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        yield f"127.0.0.1:{server.getsockname()[1]}"


def start(address: str, seconds: int) -> subprocess.Popen[str]:
    return forked.Popen(
        [sys.executable, "-c", PROGRAM, address, str(seconds)],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_coordinator_that_does_not_answer_is_one_line_in_time(silent: str) -> None:
    out, err = (process := start(silent, 1)).communicate(timeout=60)
    assert (process.returncode, out) == (2, ""), err
    waiting, error = err.splitlines()
    assert waiting.startswith(f"waiting for the coordinator at {silent}")
    assert error.startswith(f"error: --distributed waited 1 seconds for the coordinator at {silent}; ")
    assert "--connect_timeout" in error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_ends_the_wait_at_once(number: signal.Signals, silent: str) -> None:
    process = start(silent, 300)
    assert process.stderr is not None
    assert "waiting for the coordinator" in process.stderr.readline()
    process.send_signal(number)
    assert process.wait(timeout=10) == -number
    process.communicate()
