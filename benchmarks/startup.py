"""Start-up: seconds until the help is there, and from a command to the end of its first epoch, compilation included."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.compare import Figures, Row, Side
from benchmarks.training import KEPT

FLAGS = Path("experiments/tiny.flags")


def rows() -> list[Row]:
    """Row 8 of the table."""
    first = f"{__name__}:first_epoch"
    return [
        Row(
            "8 help",
            "python -m etm_jax.train --help",
            "call",
            Side("ours", f"{__name__}:our_help", {}),
            (Side("importing torch", f"{__name__}:torch_import", {}),),
            seconds=(1.0, 0.3),
        ),
        Row(
            "8 first",
            "lee (300 articles), to the first epoch's line",
            "call",
            Side("ours, programs kept", first, {"kept": True}),
            (Side("ours, --compilation_cache=none", first, {"kept": False}),),
        ),
    ]


def our_help() -> Callable[[], None]:
    """The whole call."""
    command = [sys.executable, "-m", "etm_jax.train", "--help"]
    return lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True) and None


def torch_import() -> Callable[[], None]:
    """What the published commands do before they read a flag."""
    import torch

    command = [sys.executable, "-c", f"import {torch.__name__}"]
    return lambda: subprocess.run(command, check=True) and None


def first_epoch(kept: bool) -> Callable[[], Figures]:
    """The command with a fresh folder. kept: whether an earlier call has filled the compilation cache."""
    cache = f"--compilation_cache={KEPT / 'compiled' if kept else 'none'}"

    def timed() -> Figures:
        with tempfile.TemporaryDirectory() as run:
            command = [sys.executable, "-m", "etm_jax.train", f"--flagfile={FLAGS}", f"--workdir={run}"]
            started = time.perf_counter()
            process = subprocess.Popen(
                [*command, cache],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
            assert process.stderr
            for line in process.stderr:
                if line.startswith("epoch 1/"):
                    break
            seconds = time.perf_counter() - started
            process.stderr.read()
            process.wait()
        return {"seconds": seconds}

    timed()
    return timed
