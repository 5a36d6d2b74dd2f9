"""Sides that run in turn, A B A B, each in a process of its own, and what came out."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from etm_jax.util.console import note
from etm_jax.util.errors import UserError

Figures = dict[str, Any]

DEVICES = {
    "cpu": {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""},
    # JAX would take most of the memory at once, and leave torch too little.
    "gpu": {"JAX_PLATFORMS": "cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
}
"""What tells JAX and torch where to run."""


class Side(NamedTuple):
    """What is timed: `function`, as MODULE:NAME, called with `settings`, returns a callable. See `benchmarks.side`.

    device: of DEVICES.
    """

    name: str
    function: str
    settings: Figures
    device: str = "cpu"


class Row(NamedTuple):
    """Ours beside others. least, aim: what the ratio of times, theirs over ours, is to reach, in the others' order.

    unit: what a side's seconds are for, such as a step. seconds: the most that ours may take, and the aim. memory: the
    same for our peak over theirs. finish: makes of what was measured what is shown.
    """

    key: str
    title: str
    unit: str
    ours: Side
    others: tuple[Side, ...]
    least: tuple[float | None, ...] = ()
    aim: tuple[float | None, ...] = ()
    seconds: tuple[float, ...] = ()
    memory: tuple[float, ...] = ()
    repetitions: int = 5
    finish: Callable[[list["Measured"]], list["Measured"]] = lambda measured: measured


class Measured(NamedTuple):
    """One side's repetitions. figures: of each; not_run: why there are none."""

    name: str
    seconds: list[float]
    figures: list[Figures]
    peak_mib: float
    not_run: str = ""

    @property
    def median(self) -> float:
        """Of the seconds of a repetition."""
        return statistics.median(self.seconds)


def ratios(ours: Measured, other: Measured) -> list[float]:
    """Their time over ours, repetition by repetition: the two that ran one after the other."""
    return [theirs / own for own, theirs in zip(ours.seconds, other.seconds, strict=True)]


def measure(row: Row, log: Path) -> list[Measured]:
    """Ours, then the others, in the order of the row. What the sides say goes to the file `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as told:
        processes = [_Process(side, told) for side in (row.ours, *row.others)]
        try:
            for process in processes:
                process.make_ready()
            for repetition in range(row.repetitions):
                note(f"{row.key}: repetition {repetition + 1} of {row.repetitions}")
                for process in processes:
                    process.repeat()
            return row.finish([process.end() for process in processes])
        finally:
            for process in processes:
                process.kill()


class _Process:
    """A side's process. It waits, idle, while the others run."""

    def __init__(self, side: Side, told: IO[str]) -> None:
        self.side, self.told = side, told
        self.answers: list[Figures] = []
        self.not_run = ""
        self.process: subprocess.Popen[str] | None = None

    def make_ready(self) -> None:
        command = [sys.executable, "-m", "benchmarks.side", self.side.function, json.dumps(self.side.settings)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.told,
            encoding="utf-8",
            env=os.environ | DEVICES[self.side.device],
        )
        self.not_run = self._answer().get("not_run", "")

    def repeat(self) -> None:
        if self.process and not self.not_run:
            assert self.process.stdin
            print(file=self.process.stdin, flush=True)
            self.answers.append(self._answer())

    def end(self) -> Measured:
        if self.not_run or not self.process:
            return Measured(self.side.name, [], [], 0.0, self.not_run)
        assert self.process.stdin
        self.process.stdin.close()
        last = self._answer()
        self.process.wait()
        seconds = [answer["seconds"] for answer in self.answers]
        return Measured(self.side.name, seconds, self.answers, last["peak_mib"] + last["children_mib"])

    def kill(self) -> None:
        if self.process:
            with self.process:  # which closes the pipes
                self.process.kill()

    def _answer(self) -> Figures:
        assert self.process
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise UserError(f"{self.side.name} ended with status {self.process.wait()}; {self.told.name} has its words")
        return json.loads(line)
