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
from etm_jax.util.errors import UserError

BEFORE = "ddf9338"
"""The commit before text was cut on arrays, and whole commands were made faster: version 0.1.0 in most of its code."""

DEMO = "experiments/peoples_daily.flags"
INFERRED, LOADED, LOADED_WORDS = 1_000_000, 200_000, 100
"""Documents of the rows of inference, and from text to export; words of each of those."""

BUSY_EPOCHS = 2
"""The first of a run, beside which the programs of its results are compiled."""


def rows(base: str = BEFORE) -> list[Row]:
    """Row 10 of the table, and the one of row 6 that is a whole command. base: the other side's commit."""

    def row(key: str, title: str, function: str, least: float, aim: float, times: int = 5, **ours: bool) -> Row:
        name = f"{__name__}:{function}"
        theirs = Side(f"ours at {base}" + (", none kept" if ours else ""), name, {"commit": base})
        unit = "epoch" if function == "demo_epoch" else "call"
        return Row(key, title, unit, Side("ours", name, ours), (theirs,), (least,), (aim,), repetitions=times)

    documents, words, inferred = f"{LOADED:,} documents", f"{LOADED_WORDS} words", f"{INFERRED:,} counted documents"
    return [
        row("6 topics", "inews, raw, to 50 exported topics: the command", "topics", 4.0, 7.0),
        row("10 cold", "the demo's command, no program kept", "demo", 2.0, 3.0),
        row("10 warm", "the demo's command, programs kept", "demo", 2.5, 4.0, kept=True),
        Row(
            "10 LDA",
            "the demo's counts to topics",
            "call",
            Side("ours", "benchmarks.quality:our_epochs", {"corpus": PEOPLES_DAILY}),
            (Side("tomotopy, 500 sweeps", "benchmarks.quality:lda", {"corpus": PEOPLES_DAILY}),),
            (2.0,),
            (4.0,),
        ),
        row("10 epoch", "an epoch of default, the demo's", "demo_epoch", 1.5, 2.5),
        row("10 vectors", "PPMI vectors of inews' counts", "vectors", 4.0, 8.0),
        row("10 infer", f"infer, {inferred} to .csv: the command", "infer", 5.0, 10.0),
        row("10 load", f"{documents} of {words}, text to export: the command", "load", 2.0, 4.0, times=1),
    ]


def package_at(commit: str) -> Path:
    """The folder to call the package from: a commit's, or where it is now. Raises UserError for no commit."""
    if not commit:
        return Path.cwd()
    named = subprocess.run(
        ["git", "rev-parse", "--verify", "-q", f"{commit}^{{commit}}"], capture_output=True, text=True
    )
    if named.returncode:
        raise UserError(f"--base={commit} is no commit of this repository; git log lists them")
    package = KEPT.absolute() / f"build-{named.stdout[:12]}"
    if not package.exists():
        archive = ["git", "archive", named.stdout.strip(), "etm_jax", "experiments"]
        content = subprocess.run(archive, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=BytesIO(content)) as files:
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
    """The median epoch but for the busy ones, as the run says itself: its steps alone."""

    def timed() -> Figures:
        with tempfile.TemporaryDirectory() as run:
            flags = [f"--flagfile={DEMO}", f"--workdir={run}", f"--num_epochs={BUSY_EPOCHS + 8}"]
            call(commit, "etm_jax.train", *flags, *_cache(commit, False))
            lines = (Path(run) / "metrics.jsonl").read_text("utf-8").splitlines()
        return {"seconds": statistics.median([json.loads(line)["seconds"] for line in lines[BUSY_EPOCHS:]])}

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
import jax, numpy as np, scipy.sparse as sp
from etm_jax.vectors.ppmi import ppmi_vectors
jax.devices()
counts = sp.load_npz(sys.argv[1])
started = time.perf_counter()
ppmi_vectors(counts, 100, 1)
print(time.perf_counter() - started)
"""


def vectors(commit: str = "") -> Callable[[], Figures]:
    """Of counts that are there, in a process of its own each time, which has begun with JAX as all commands do."""
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
    """By the demo's model, from a folder of counts as an export has them; start, reading and writing included.

    Ours finds its programs among the user's caches, as it does by default.
    """
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
