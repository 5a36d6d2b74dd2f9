"""Beam's pipelines on a cluster of Dask: a scheduler and two workers, separate processes that talk over the network.

    pip install 'dask[distributed]==2026.8.0'
    python -m benchmarks.cluster

Prepares the news of `inews` and infers the topics of a model of them, by one local process and by Beam's DaskRunner,
then again with a worker killed in the middle, and compares the bytes. The table goes into docs/scaling.md. Seconds of
processors are those of all processes together; those of fresh ones hold their imports and what they compile.

Needs:   the extras scale, zh, corpora and parquet, and Dask, which no extra brings.
Runtime: ten minutes on 2 cores.
"""

import datetime
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.readers.named import find_named
from experiments.tables import machine, markdown, write_between

PAGE = Path("docs/scaling.md")
PACKAGES = ("apache-beam", "dask", "distributed", "jax", "rjieba", "pyarrow")
FILES = 16
ADDRESS = "tcp://127.0.0.1:8786"
OPTIONS = (
    f"--runner=apache_beam.runners.dask.dask_runner.DaskRunner --dask_client_address={ADDRESS} --dask_npartitions=8"
)
TICK = os.sysconf("SC_CLK_TCK")


def write_news(folder: Path) -> int:
    """The news in `FILES` files of gzipped JSON lines; how many they are."""
    documents = find_named("inews", CorpusConfig(corpus="inews")).documents
    assert documents
    number = 0
    lines: list[list[str]] = [[] for _ in range(FILES)]
    for number, document in enumerate(documents(), 1):
        lines[number % FILES].append(json.dumps({"text": document.text}, ensure_ascii=False) + "\n")
    for place, some in enumerate(lines):
        (folder / f"docs-{place:02}.jsonl.gz").write_bytes(gzip.compress("".join(some).encode(), mtime=0))
    return number


@contextmanager
def cluster(folder: Path) -> Iterator[list[subprocess.Popen]]:
    """A scheduler and two workers of one thread each, whose processes are the first and the others."""
    dask, log = str(Path(sys.executable).with_name("dask")), (folder / "cluster.log").open("a")
    at = ["--host", "127.0.0.1", "--no-dashboard"]
    commands = [[dask, "scheduler", "--port", "8786", *at]]
    for name in ("one", "two"):
        own = ["--name", name, "--nthreads", "1", "--local-directory", str(folder / name)]
        commands.append([dask, "worker", ADDRESS, *at, *own])
    processes = []
    try:
        for command in commands:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        from distributed import Client

        with Client(ADDRESS) as client:
            client.wait_for_workers(2, timeout=120)
        yield processes
    finally:
        for process in processes[::-1]:
            process.terminate()
        for process in processes:
            process.wait()
        log.close()


def seconds(pid: int) -> float:
    """Seconds of processors of a process, of all that it has started, and of those of them that have ended."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, told[11:15])) / TICK + sum(seconds(child) for child in children_of(pid))


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, by any of its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def worker_of(nanny: int) -> int:
    """The process that computes for a nanny of Dask, which has another one for shared memory."""
    [worker] = [pid for pid in children_of(nanny) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return worker


def run(command: list[str], folder: Path, log: str, meanwhile: Callable[[], None] = lambda: None) -> float:
    """Run a command of ours, and give the seconds of processors that it took with its children."""
    before = os.times()
    with (folder / log).open("w") as told:
        process = subprocess.Popen([sys.executable, "-m", *command], stdout=told, stderr=told)
        meanwhile()
        if process.wait():
            raise SystemExit((folder / log).read_text()[-3000:])
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def by_dask(members: list[subprocess.Popen], command: list[str], folder: Path, log: str, kill_after: str = "",
            many: int = 0) -> tuple[float, float]:  # fmt: skip
    """Run a command on a cluster: seconds of processors, of the command and the cluster, and of the clock.

    kill_after: a worker's process is killed when so `many` files of this pattern are there.
    """

    def kill() -> None:
        while kill_after and len(list(folder.glob(kill_after))) < many:
            time.sleep(0.1)
        if kill_after:
            os.kill(worker_of(members[1].pid), signal.SIGKILL)

    begun, before = time.monotonic(), sum(seconds(member.pid) for member in members)
    used = run([*command, "--runner=beam", f"--beam_options={OPTIONS}"], folder, log, kill)
    return used + sum(seconds(member.pid) for member in members) - before, time.monotonic() - begun


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, byte for byte."""
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (one, other)]
    return files[0] == files[1]


def measured(folder: Path) -> tuple[list[tuple[Any, ...]], int]:
    """The rows of the table, and the number of documents."""
    number = write_news(folder)
    rows: list[tuple[Any, ...]] = []

    def compare(task: str, command: list[str], pattern: str, many: int) -> None:
        def row(how: str, used: float, took: float, output: str = "") -> None:
            equal = ("equal" if same(folder / f"{task}-local", folder / output) else "DIFFERENT") if output else ""
            rows.append((task, how, equal, f"{used / number * 1e3:.2f}", f"{took:.0f}"))

        begun = time.monotonic()
        local = run([*command, f"--output={folder}/{task}-local/", "--workers=1"], folder, f"{task}.log")
        row("local, one process", local, time.monotonic() - begun)
        with cluster(folder) as members:
            for name, how in (("fresh", "Dask, fresh workers"), ("again", "Dask, the same workers again")):
                given = [*command, f"--output={folder}/{task}-{name}/"]
                row(how, *by_dask(members, given, folder, f"{task}.log"), f"{task}-{name}")
            given = [*command, f"--output={folder}/{task}-killed/"]
            inside = f"{task}-killed/.work-*/{pattern}"
            row(
                "Dask, a worker killed", *by_dask(members, given, folder, f"{task}.log", inside, many), f"{task}-killed"
            )

    inputs = f"--input={folder}/docs-*.jsonl.gz"
    compare("prepare", ["etm_jax.prepare", inputs, "--segmenter=rjieba"], "*.summary", FILES // 2)
    few = ["--n_topic=50", "--num_epochs=3"]
    run(["etm_jax.train", f"--corpus={folder}/prepare-local", f"--workdir={folder}/run", *few], folder, "train.log")
    compare("infer", ["etm_jax.infer", f"--workdir={folder}/run", inputs], "*.json", FILES // 3)
    return rows, number


def main() -> None:
    """Measure, print and fill the page."""
    with tempfile.TemporaryDirectory() as place:
        rows, number = measured(Path(place))
    header = ("", "runner", "bytes", "ms of a processor, a document", "seconds")
    load = os.getloadavg()[2]
    told = (
        f"{number:,} documents in {FILES} files; {machine(PACKAGES)}; "
        f"{datetime.datetime.now(tz=datetime.UTC).date().isoformat()}, with a load of {load:.0f}"
    )
    text = "\n\n".join([markdown(rows, header, "<<<>>"), "    python -m benchmarks.cluster", told])
    print(text)
    write_between(PAGE, "cluster", "Cluster", text)


if __name__ == "__main__":
    main()
