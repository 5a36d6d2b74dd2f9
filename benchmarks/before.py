"""Whole commands beside those of an earlier commit of this package: seconds, from the start of Python to its end."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.compare import Figures, Row, Side
from benchmarks.quality import PEOPLES_DAILY
from benchmarks.training import KEPT, TOPICS
from etm_jax.corpus.readers.exported import PARTS

BEFORE = "ddf9338"
"""The commit before text was cut on arrays, and whole commands were made faster: version 0.1.0 in most of its code."""

DEMO = "experiments/peoples_daily.flags"
INFERRED, LOADED, LOADED_WORDS = 1_000_000, 200_000, 100
"""Documents of the rows of inference, and from text to export; words of each of those."""


def rows(base: str = BEFORE) -> list[Row]:
    """Row 10 of the table, and the one of row 6 that is a whole command. base: the other side's commit."""
    run, epoch, vectors = f"{__name__}:demo", f"{__name__}:demo_epoch", f"{__name__}:vectors"
    infer, load, topics = f"{__name__}:infer", f"{__name__}:load", f"{__name__}:topics"
    name, other = f"ours at {base}", {"commit": base}

    def row(key: str, title: str, unit: str, ours: Side, theirs: Side, least: float, aim: float, times: int = 5) -> Row:
        return Row(key, title, unit, ours, (theirs,), (least,), (aim,), repetitions=times)

    return [
        row(
            "6 topics",
            "inews, raw, to 50 exported topics: the command",
            "call",
            Side("ours", topics, {}),
            Side(name, topics, other),
            4.0,
            7.0,
        ),
        row(
            "10 cold",
            "the demo's command, no program kept",
            "call",
            Side("ours", run, {}),
            Side(name, run, other),
            2.0,
            3.0,
        ),
        row(
            "10 warm",
            "the demo's command, programs kept",
            "call",
            Side("ours", run, {"kept": True}),
            Side(f"{name}, none kept", run, other),
            2.5,
            4.0,
        ),
        row(
            "10 LDA",
            "the demo's counts to topics",
            "call",
            Side("ours", "benchmarks.quality:our_epochs", {"corpus": PEOPLES_DAILY}),
            Side("tomotopy, 500 sweeps", "benchmarks.quality:lda", {"corpus": PEOPLES_DAILY}),
            2.0,
            4.0,
        ),
        row(
            "10 epoch",
            "an epoch of default, the demo's",
            "epoch",
            Side("ours", epoch, {}),
            Side(name, epoch, other),
            1.5,
            2.5,
        ),
        row(
            "10 vectors",
            "PPMI vectors of inews' counts",
            "call",
            Side("ours", vectors, {}),
            Side(name, vectors, other),
            4.0,
            8.0,
        ),
        row(
            "10 infer",
            f"infer, {INFERRED:,} counted documents to .csv: the command",
            "call",
            Side("ours", infer, {}),
            Side(name, infer, other),
            5.0,
            10.0,
        ),
        row(
            "10 load",
            f"{LOADED:,} documents of {LOADED_WORDS} words, text to export: the command",
            "call",
            Side("ours", load, {}),
            Side(name, load, other),
            2.0,
            4.0,
            times=1,
        ),
    ]


def package_at(commit: str) -> Path:
    """The folder to call the package from: that of a commit, or where it is now."""
    if not commit:
        return Path.cwd()
    package = KEPT.absolute() / f"build-{commit}"
    if not package.exists():
        archive = subprocess.run(
            ["git", "archive", commit, "etm_jax", "experiments"], capture_output=True, check=True
        ).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            files.extractall(package, filter="data")
        # As an installed package is, and as ours is once it has run.
        subprocess.run([sys.executable, "-m", "compileall", "-qq", str(package)], check=True)
    return package


def call(commit: str, module: str, *flags: str) -> str:
    """The command's output. commit: of the package, else as it is here."""
    package = package_at(commit)
    environment = os.environ | {"PYTHONPATH": str(package)}
    if commit:
        # Whether it keeps programs by default or not.
        environment["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    command = [sys.executable, "-m", module, *flags]
    return subprocess.run(
        command, cwd=package, env=environment, stdout=subprocess.PIPE, check=True, encoding="utf-8"
    ).stdout


def _cache(commit: str, kept: bool) -> list[str]:
    """The flag that says where compiled programs are kept, which had not been there."""
    if commit:
        return []
    return [f"--compilation_cache={KEPT.absolute() / 'compiled' if kept else 'none'}"]


def demo(commit: str = "", kept: bool = False) -> Callable[[], None]:
    """`make demo`'s training, its results included. kept: whether an earlier run's compiled programs are there."""

    def timed() -> None:
        with tempfile.TemporaryDirectory() as run:
            call(commit, "etm_jax.train", f"--flagfile={DEMO}", f"--workdir={run}", *_cache(commit, kept))

    timed()
    return timed


def demo_epoch(commit: str = "") -> Callable[[], Figures]:
    """The median epoch but for the first, as the run says itself: its steps alone."""

    def timed() -> Figures:
        with tempfile.TemporaryDirectory() as run:
            call(commit, "etm_jax.train", f"--flagfile={DEMO}", f"--workdir={run}", *_cache(commit, False))
            lines = (Path(run) / "metrics.jsonl").read_text("utf-8").splitlines()
        return {"seconds": statistics.median([json.loads(line)["seconds"] for line in lines[1:]])}

    return timed


def topics(commit: str = "") -> Callable[[], Figures]:
    """Programs are compiled anew each time on both sides."""

    def timed() -> Figures:
        with tempfile.TemporaryDirectory() as run:
            flags = ["--corpus=inews", "--segmenter=pkuseg", f"--n_topic={TOPICS}", f"--workdir={run}"]
            call(commit, "etm_jax.train", *flags, *_cache(commit, False))
            found = len((Path(run) / "export" / "topics.csv").read_text("utf-8-sig").splitlines()) - 1
        return {"topics": found}

    return timed


_VECTORS = """
import sys, time
import numpy as np, scipy.sparse as sp
from etm_jax.vectors.ppmi import ppmi_vectors
counts = sp.load_npz(sys.argv[1])
started = time.perf_counter()
ppmi_vectors(counts, 100, 1)
print(time.perf_counter() - started)
"""


def vectors(commit: str = "") -> Callable[[], Figures]:
    """Of counts that are there, in a process of its own each time."""
    from etm_jax.config.build import make_config
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source

    counts = KEPT.absolute() / "inews.npz"
    config = make_config("default", {"corpus": "inews", "segmenter": "pkuseg"})
    sp.save_npz(counts, prepare(find_source(config.corpus), config.corpus, KEPT / "corpus").train.counts)
    package = package_at(commit)

    def timed() -> Figures:
        command = [sys.executable, "-c", _VECTORS, str(counts)]
        environment = os.environ | {"PYTHONPATH": str(package)}
        out = subprocess.run(command, cwd=package, env=environment, stdout=subprocess.PIPE, check=True, text=True)
        return {"seconds": float(out.stdout)}

    return timed


def infer(commit: str = "") -> Callable[[], Figures]:
    """By the demo's model, from a folder of counts as an export has them; start, reading and writing included."""
    place = KEPT.absolute() / f"infer-{commit or 'ours'}"
    shutil.rmtree(place, ignore_errors=True)
    model, counts = place / "model", place / "counts"
    call(commit, "etm_jax.train", f"--flagfile={DEMO}", f"--workdir={model}", "--num_epochs=1", *_cache(commit, False))
    counts.mkdir()
    words = (model / "export" / "vocab.txt").read_bytes()
    (counts / "vocab.txt").write_bytes(words)
    drawn = million(len(words.decode("utf-8").splitlines()))
    for part in PARTS:
        sp.save_npz(counts / f"{part}.npz", drawn if part == "train" else drawn[:1], compressed=False)

    def timed() -> Figures:
        theta = place / "theta.csv"
        theta.unlink(missing_ok=True)
        flags = [f"--workdir={model}", f"--input={counts}", f"--output={theta}"]
        call(commit, "etm_jax.infer", *flags)
        with theta.open("rb") as file:
            return {"documents": sum(1 for _ in file) - 1}

    return timed


def million(vocab_size: int, num_words: int = 21) -> sp.csr_matrix:
    """[D, V] counts of documents of so many words, of which word r has Zipf's weight by Mandelbrot, 1 / (r + 2.7)."""
    rng = np.random.default_rng(0)
    weight = 1 / (np.arange(vocab_size) + 2.7)
    cols = rng.choice(vocab_size, INFERRED * num_words, p=weight / weight.sum()).astype(np.int32)
    starts = np.arange(0, len(cols) + 1, num_words)
    counts = sp.csr_matrix((np.ones(len(cols), np.int32), cols, starts), (INFERRED, vocab_size))
    counts.sum_duplicates()
    return counts


def load(commit: str = "") -> Callable[[], Figures]:
    """An epoch of drawn documents, with the default settings: `torture.load`'s."""
    from torture.load import write_documents

    corpus = KEPT.absolute() / "drawn.txt"
    if not corpus.exists():
        write_documents(corpus, LOADED, LOADED_WORDS)

    def timed() -> Any:
        with tempfile.TemporaryDirectory() as run:
            flags = [f"--corpus={corpus}", "--segmenter=whitespace", f"--workdir={run}", "--num_epochs=1"]
            call(commit, "etm_jax.train", *flags, *_cache(commit, False))

    return timed
