"""Kill commands at random moments of everything that they do; no process may be left, and the results must be the same.

python -m torture.kill --kills=50 --output=torture/results/kill.json

Each kind of kill has a moment, by what the command has come to, and a signal. A command that was killed is given again
until it ends; then its results are compared, byte by byte, with those of one that nothing stopped. The commands are
forked from this process, which has imported what they need: a trial takes a second or two.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path

import jax
import numpy as np

from etm_jax import prepare, train
from etm_jax.cli import flags as cli

IMPORTED = ("etm_jax.cli.run", "etm_jax.corpus.shard_writing.prepare", "gensim.models", "grain", "rjieba")
"""What the commands import only when they need it. It takes seconds, and is done once, before the first is forked."""

SECONDS_TO_END = 60.0
"""Within which whatever a killed command has started has to be gone. A worker that is just starting first imports what
it needs: a second or less, but many where the machine has much other work."""

SIZE = ("--n_topic=3", "--hidden=16", "--emb_dim=8", "--no_below=1", "--no_above=0.9", "--batch_size=32")
TRAIN = ("--variant=ntm", "--segmenter=rjieba", "--workers=2", "--vectors=cbow", "--vectors_epochs=10", *SIZE)
EPOCHS = ("--num_epochs=6", "--checkpoint_every=2")

Run = Callable[[Path], list[str]]
Moment = Callable[[int, Path], bool]


@dataclass
class Outcome:
    """What became of the kills of one kind. seconds: of all. faults: what should not have been."""

    kills: int = 0
    runs: int = 0
    seconds: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """When a command is killed. within: seconds after the moment, at most; None for as long as a run takes.

    finish_after: so many kills, the command is let to its end; whole_group: as a terminal sends a signal.
    """

    moment: Moment
    within: float | None
    number: int = signal.SIGKILL
    command: str = "train"
    finish_after: int = 10
    whole_group: bool = False


def session(leader: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number = stat.read_text("ascii", "replace").rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(number) == leader and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


def hidden(folder: Path, name: str = "") -> bool:
    """Whether something is half-written there whose name has `name`."""
    return any(name in path.name for path in folder.glob(".*") if path.name != ".lock")


def lines(folder: Path) -> int:
    """Epochs that have ended."""
    metrics = folder / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


KINDS = {
    "reading, with workers of the segmenter": Kind(lambda pid, _: len(session(pid)) > 2, 0.8),
    "preparing": Kind(lambda _, run: hidden(run / "corpus") or any((run / "corpus").glob("[!.]*")), 0.02),
    "word vectors": Kind(lambda _, run: any((run / "corpus").glob("[!.]*")), 0.5),
    "training": Kind(lambda _, run: lines(run) > 0, 1.0),
    "saving": Kind(lambda _, run: hidden(run / "checkpoints"), 0.05),
    "exporting": Kind(lambda _, run: hidden(run, "export") or (run / "export").exists(), 0.02),
    "shards, with workers": Kind(lambda pid, _: len(session(pid)) > 2, 1.5, command="prepare"),
    "training from shards, with workers": Kind(lambda pid, _: len(session(pid)) > 1, 2.0, command="stream"),
    "SIGTERM": Kind(lambda _, __: True, None, signal.SIGTERM),
    "SIGHUP": Kind(lambda _, __: True, None, signal.SIGHUP, whole_group=True),
    "SIGINT": Kind(lambda _, __: True, None, signal.SIGINT, whole_group=True),
}
"""By name. A moment that was too short to be seen gives way to what comes next."""


def start(argv: list[str], log: Path) -> int:
    """Fork a command, in a session of its own. Returns its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in (1, 2):
            os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), descriptor)
        main = {"train": train.main, "prepare": prepare.main}[argv[0]]
        status = cli.run(main, argv, if_stopped=cli.STOPPED)
    finally:
        os._exit(status)


def ended(pid: int) -> int | None:
    """The status of a child, negative for a signal; None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def left(pid: int) -> list[int]:
    """The processes of an ended command's session that do not end either. They are killed then."""
    end = time.monotonic() + SECONDS_TO_END
    while (found := session(pid)) and time.monotonic() < end:
        time.sleep(0.02)
    for each in found:
        os.kill(each, signal.SIGKILL)
    return found


def results(folder: Path) -> dict[str, bytes | list[dict[str, float]]]:
    """What has to be the same: the exported files but archives, which hold times, and the figures of each epoch.

    Of a folder of shards, all files.
    """
    if not (folder / "export").exists():
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    same: dict[str, bytes | list[dict[str, float]]] = {
        path.name: path.read_bytes() for path in (folder / "export").iterdir() if path.suffix != ".npz"
    }
    rows = map(json.loads, (folder / "metrics.jsonl").read_text("utf-8").splitlines())
    same["metrics"] = [{name: v for name, v in row.items() if name not in ("seconds", "docs_per_s")} for row in rows]
    return same


class Trials:
    """Kills of every kind on commands in a folder."""

    def __init__(self, place: Path, seed: int) -> None:
        self.place, self.random = place, random.Random(seed)
        write_corpus(place / "lines.txt")
        (place / "parts").mkdir()
        for number in range(6):
            write_corpus(place / "parts" / f"{number}.txt", seed=number)
        self.commands: dict[str, Run] = {
            "train": lambda run: ["train", f"--corpus={place}/lines.txt", *TRAIN, *EPOCHS, f"--workdir={run}"],
            "prepare": lambda run: [
                "prepare", f"--input={place}/parts/*.txt", f"--output={run}", "--segmenter=rjieba", "--workers=2",
                "--block_docs=32", *SIZE[3:5],
            ],
            "stream": lambda run: [
                "train", f"--corpus={self.unbroken['prepare'][0]}", "--variant=ntm", "--vectors=ppmi",
                "--read_workers=2", *SIZE, *EPOCHS, f"--workdir={run}",
            ],
        }  # fmt: skip
        self.unbroken: dict[str, tuple[Path, float]] = {}

    def whole(self, command: str) -> tuple[Path, float]:
        """The folder of a command that nothing stopped, and how many seconds it took with its programs compiled."""
        if command == "stream":
            self.whole("prepare")
        if command not in self.unbroken:
            for name in (f"{command}-first", f"{command}-unbroken"):
                begun = time.monotonic()
                self.finish(command, self.place / name)
                self.unbroken[command] = self.place / name, time.monotonic() - begun
        return self.unbroken[command]

    def finish(self, command: str, folder: Path) -> None:
        """Let a command end."""
        log = folder.with_name(f"{folder.name}.log")
        pid = start(self.commands[command](folder), log)
        while (status := ended(pid)) is None:
            time.sleep(0.01)
        if status:
            raise SystemExit(log.read_text("utf-8", "replace")[-3000:])

    def trial(self, kind: Kind, seconds: float, folder: Path) -> tuple[bool, list[str]]:
        """Kill a command once. Returns whether it was killed before it had ended, and what should not have been."""
        log = folder.with_name(f"{folder.name}.log")
        before = log.stat().st_size if log.exists() else 0
        pid = start(self.commands[kind.command](folder), log)
        status = None
        while (status := ended(pid)) is None and not kind.moment(pid, folder):
            time.sleep(0.001)
        due = time.monotonic() + self.random.uniform(0, seconds if kind.within is None else kind.within)
        while status is None and time.monotonic() < due:
            time.sleep(0.001)
            status = ended(pid)
        if killed := status is None:
            (os.killpg if kind.whole_group else os.kill)(pid, kind.number)
            late = time.monotonic() + 60
            while (status := ended(pid)) is None and time.monotonic() < late:
                time.sleep(0.002)
            if status is None:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        faults = []
        if found := left(pid):
            faults.append(f"{len(found)} processes left")
        if status not in (0, -kind.number, 128 + kind.number):
            faults.append(f"status {status}")
        # What kill -9 cuts short may be a worker that is being started, which then complains.
        said = log.read_bytes()[before:].decode("utf-8", "replace")
        if "Traceback" in said and kind.number != signal.SIGKILL:
            faults.append(f"a traceback: {said[said.index('Traceback') :][-300:]}")
        return killed, faults

    def kills(self, name: str, wanted: int) -> Outcome:
        """So many kills of a kind; after some of them, and in the end, the command is let to its end."""
        kind, outcome, begun = KINDS[name], Outcome(), time.monotonic()
        whole, seconds = self.whole(kind.command)
        expected = results(whole)
        while outcome.kills < wanted:
            outcome.runs += 1
            folder = self.place / f"{kind.command}-{len(list(self.place.iterdir()))}"
            for _ in range(min(kind.finish_after, wanted - outcome.kills)):
                killed, faults = self.trial(kind, seconds, folder)
                outcome.kills += killed
                outcome.faults += faults
                if not killed:
                    break
            self.finish(kind.command, folder)
            if results(folder) != expected:
                outcome.faults.append("other results")
        outcome.seconds = round(time.monotonic() - begun)
        return outcome


def write_corpus(path: Path, num_docs: int = 300, seed: int = 0) -> None:
    """A text of three themes in Chinese, without spaces."""
    themes = (
        "海洋渔民风浪水手灯塔码头潮水港口",
        "山峰森林猎人小路溪水松树岩石峡谷",
        "城市街道工厂工人大楼商店广场汽车",
    )
    words = [[theme[i : i + 2] for i in range(0, len(theme), 2)] for theme in themes]
    rng = np.random.default_rng(seed)
    path.write_text("".join("".join(rng.choice(words[i % 3], 40)) + "\n" for i in range(num_docs)), "utf-8")


def main() -> int:
    """Kill, and say what came out. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m torture.kill", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="of each kind; default: 50")
    parser.add_argument("--only", default="", help="kinds whose names begin so, with commas between")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--output", type=Path, help="a file for the figures")
    given = parser.parse_args()
    found: dict[str, Outcome] = {}
    for module in IMPORTED:
        import_module(module)
    with tempfile.TemporaryDirectory() as place:
        # What compiling takes would be most of a run's time, and leave the other moments too little of it.
        jax.config.update("jax_compilation_cache_dir", f"{place}/compiled")
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        trials = Trials(Path(place), given.seed)
        for name in KINDS:
            if name.startswith(tuple(given.only.split(","))):
                found[name] = outcome = trials.kills(name, given.kills)
                print(f"{name}: {outcome.kills} kills of {outcome.runs} runs, {outcome.seconds} s", flush=True)
                for fault in outcome.faults:
                    print(f"  {fault}", flush=True)
                if given.output:
                    given.output.parent.mkdir(parents=True, exist_ok=True)
                    values = {each: asdict(one) for each, one in found.items()}
                    given.output.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return 1 if any(outcome.faults for outcome in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
