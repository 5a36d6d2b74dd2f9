"""Commands in processes of their own that need not import JAX and its company first.

Importing what others wrote takes most of the time of a small run. A server, which each process of the tests starts
once, has imported it, and forks for each command: a real process, with a number, signals, streams, environment and
folder of its own, which imports etm_jax itself and does what `python -m` would. It shares the seed of hashes with the
server's other processes, and of what is read while Python or JAX start, only `JAX_SETTINGS` may differ. Tests of that,
of what comes before a command, and of streams that are closed from the first, start a fresh Python.
"""

import atexit
import gc
import importlib
import inspect
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from contexts import share_contexts
from programs import write_whole_programs

OTHERS = (
    "absl.flags", "flax.linen", "jax", "jax.experimental.sparse", "optax", "orbax.checkpoint", "regex",
    "scipy.optimize", "scipy.spatial", "sklearn.cluster", "sklearn.utils.extmath", "tqdm",
)  # fmt: skip
"""What a run imports. Nothing of etm_jax: that is under test, and looks at the environment."""

BYTECODE = Path(__file__).parents[1] / ".pytest_cache" / "bytecode"
"""Where the processes keep theirs if Python is told to write none beside the sources."""

JAX_SETTINGS: dict[str, Callable[[str], Any]] = {
    "JAX_COMPILATION_CACHE_DIR": str,
    "JAX_ENABLE_X64": lambda value: bool(int(value)),
    "JAX_PLATFORMS": str,
}
"""What JAX reads from the environment while it is imported, and can be told later."""

READ_EARLY = ("JAX_", "LANG", "LC_", "LD_", "OMP_", "OPENBLAS_", "PYTHON")
"""What is read while Python and `OTHERS` start; but for PYTHONPATH, which the server sees to."""


class _Server:
    """What `serve` does, as its clients see it."""

    def __init__(self) -> None:
        self.environment, self._lock = dict(os.environ), threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            null = subprocess.DEVNULL
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=null, stdout=null)
        atexit.register(self.close)

    def ask(self, request: dict[str, Any], files: Sequence[int] = ()) -> Any:
        """The answer to one request. files: descriptors that go along."""
        with self._lock:
            socket.send_fds(self._channel, [json.dumps(request).encode()], list(files))
            return json.loads(self._channel.recv(1 << 16))

    def close(self) -> None:
        """Let it end."""
        self._channel.close()
        self._process.wait()


_server = cache(_Server)


class ForkedPopen(subprocess.Popen):
    """`subprocess.Popen` of [sys.executable, "-m" or "-c" or a script, …], forked by the server."""

    def _execute_child(self, *given: Any) -> None:
        asked = _ARGUMENTS.bind(self, *given).arguments
        env = dict(os.environ if asked["env"] is None else asked["env"])
        check(asked["args"], env)
        ends = [asked[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        request = {"args": [os.fspath(arg) for arg in asked["args"][1:]], "env": env}
        request |= {"cwd": os.fspath(asked["cwd"] or Path.cwd()), "session": bool(asked["start_new_session"])}
        self.pid = _server().ask(request, [number if end == -1 else end for number, end in enumerate(ends)])
        self._child_created = True
        names = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(asked[name] for name in names))

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if not wait_flags & os.WNOHANG:
            ended = os.pidfd_open(self.pid)
            try:
                select.select([ended], [], [])
            finally:
                os.close(ended)
        pid, status = _server().ask({"wait": self.pid})
        return pid, status

    def _internal_poll(self, _deadstate: int | None = None, *_: Any) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid == self.pid:
                self._handle_exitstatus(status)
        return self.returncode


_ARGUMENTS = inspect.signature(subprocess.Popen._execute_child)


def check(args: Sequence[Any], env: dict[str, str]) -> None:
    """Raise ValueError where a process of the server would be another than a fresh Python is."""
    if args[0] != sys.executable or (str(args[1]).startswith("-") and args[1] not in ("-c", "-m")):
        raise ValueError(f"{args[:2]}: give sys.executable, and -m, -c or a script")
    ours = _server().environment
    for name in sorted(env.keys() | ours.keys()):
        same = env.get(name) == ours.get(name) or name in JAX_SETTINGS or name == "PYTHONPATH"
        if name.startswith(READ_EARLY) and not same:
            raise ValueError(f"{name} is read while Python starts: start a fresh one")


if sys.platform == "linux":
    Popen = ForkedPopen
else:
    Popen = subprocess.Popen  # type: ignore[misc]


def run(
    args: Sequence[Any], *, input: Any = None, capture_output: bool = False, check: bool = False, **given: Any
) -> "subprocess.CompletedProcess[Any]":
    """`subprocess.run` by the server."""
    names = [*(["stdout", "stderr"] if capture_output else []), *(["stdin"] if input is not None else [])]
    with Popen(args, **dict.fromkeys(names, subprocess.PIPE), **given) as process:
        out, err = process.communicate(input)
    done = subprocess.CompletedProcess(args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def seconds() -> float:
    """What those of the server's processes that were waited for took of the processors."""
    return float(_server().ask({"seconds": True})) if _server.cache_info().currsize else 0.0


# The server ----------------------------------------------------------------------------------------------------------


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork for each request until there are no more: None then, and the request in the process that is to do it."""
    for name in OTHERS:
        importlib.import_module(name)
    share_contexts()
    write_whole_programs()
    if sys.dont_write_bytecode:
        # Each process would compile all of etm_jax for itself, which takes most of a second.
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(BYTECODE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is shared with the processes to come is not to be touched by their collectors of garbage.
    gc.collect()
    gc.freeze()
    while True:
        message, files, _, _ = socket.recv_fds(channel, 1 << 20, 3)
        if not message:
            return None
        request: dict[str, Any] = json.loads(message)
        if "wait" in request:
            answer: Any = os.waitpid(request["wait"], os.WNOHANG)
        elif "seconds" in request:
            answer = sum(os.times()[2:4])
        else:
            with warnings.catch_warnings():
                # JAX advises against forking: its threads, of which there are none yet, would be missing.
                warnings.simplefilter("ignore")
                answer = os.fork()
            if not answer:
                channel.close()
                for number, file in enumerate(files):
                    os.dup2(file, number)
            for file in files:
                os.close(file)
            if not answer:
                return request
        channel.send(json.dumps(answer).encode())


def begin(request: dict[str, Any]) -> None:
    """Make this process what a fresh Python would be, and run what is asked for."""
    import jax

    if request["session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM):  # What nohup or a shell's & had started would ignore some of them.
        signal.signal(number, signal.SIG_DFL)
    os.chdir(request["cwd"])
    before, env = dict(os.environ), request["env"]
    os.environ.clear()
    os.environ.update(env)
    for name, told in JAX_SETTINGS.items():
        if env.get(name) != before.get(name):
            jax.config.update(name.lower(), told(env[name]) if name in env else None)
    args = request["args"]
    first = {"-m": request["cwd"], "-c": ""}.get(args[0], str(Path(args[0]).parent.resolve()))
    theirs = {str(Path(place).resolve()) for place in before.get("PYTHONPATH", "").split(os.pathsep) if place}
    given = [place for place in env.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:] = [first, *given, *(place for place in sys.path[1:] if str(Path(place).resolve()) not in theirs)]
    if args[0] == "-m":
        sys.argv[:] = args[1:]
        runpy.run_module(args[1], run_name="__main__", alter_sys=True)
    elif args[0] == "-c":
        sys.argv[:] = ["-c", *args[2:]]
        exec(compile(args[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv[:] = args
        runpy.run_path(args[0], run_name="__main__")


if __name__ == "__main__" and (asked := serve(socket.socket(fileno=int(sys.argv[1])))):
    begin(asked)
