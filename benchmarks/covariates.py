"""What metadata cost a step: a prior that reads them, words by group, topics by period, beside the static model.

    python -m benchmarks.covariates [--periods=12]

The documents are the demo's, in 12 months and 10 sources that are drawn. The sides take turns, step by step, and what
is shown are medians of their steps. A second table has the peak memory of a drawn corpus of 20,000 words and 50 topics
in 100 periods, each side a process of its own.

Needs:   the extra demo.
Runtime: three minutes on 2 cores.
"""

import argparse
import dataclasses
import itertools
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.quality import PEOPLES_DAILY, TOPICS
from etm_jax.cli import flags as cli
from experiments.tables import machine, markdown, write_between

PAGE = Path("docs/performance.md")
STEPS, WORDS, PERIODS, DOCUMENTS = 60, 20_000, 100, 20_000
SIDES: dict[str, dict[str, Any]] = {
    "static": {},
    "--prevalence='~ source + s(date, 5)'": {"prevalence": "~ source + s(date, 5)"},
    "--content=source": {"content": "source"},
    "--model=detm, 12 months": {"kind": "detm", "time_field": "date", "time_bin": "month"},
}


def with_metadata(corpus: Any, periods: int) -> Any:
    """The corpus with a month and a source for each document, drawn."""
    from etm_jax.corpus.metadata import Metadata, ValueTally

    rng = np.random.default_rng(0)

    def drawn(documents: Any) -> Any:
        months = rng.integers(periods, size=len(documents))
        dates = [f"{2000 + month // 12}-{month % 12 + 1:02}-01" for month in months]
        sources = [f"s{number}" for number in rng.integers(10, size=len(documents))]
        return dataclasses.replace(documents, meta={"date": dates, "source": sources})

    parts = {name: drawn(getattr(corpus, name)) for name in ("train", "valid", "test")}
    columns = tuple(ValueTally.of(parts["train"].meta[name]).column(name) for name in ("date", "source"))
    return dataclasses.replace(corpus, **parts, metadata=Metadata(columns), left=None)


def steps_of(given: dict[str, Any], periods: int) -> Any:
    """A function that makes a step of a side, and waits for it. It compiles at once."""
    import jax

    from benchmarks.inference import prepared
    from etm_jax.config.settings import RunOptions
    from etm_jax.training.corpus_batches import corpus_batchers
    from etm_jax.training.initialize import initialize
    from etm_jax.training.steps import new_state, single_step

    config, corpus = prepared("default", **PEOPLES_DAILY, num_topics=TOPICS, vectors="ppmi", **given)
    corpus = with_metadata(corpus, periods)
    record, variables = initialize(config, RunOptions(), corpus, None, None)
    spec, key = record.spec(), jax.random.key(0)
    batcher = corpus_batchers(corpus, config, record.batch_size)["train"]
    batches = itertools.chain.from_iterable(batcher.shuffled(1, epoch) for epoch in itertools.count())
    state = new_state(jax.tree.map(jax.numpy.array, variables), spec)

    def step() -> float:
        nonlocal state
        batch = next(batches)
        started = time.perf_counter()
        state, sums = single_step()(state, batch, key, spec)
        jax.block_until_ready((state.step, sums))
        return time.perf_counter() - started

    for _ in range(3):
        step()
    return step


def step_table(periods: int) -> str:
    """Milliseconds of a step of each side, and the ratio to the static model's."""
    sides = {name: steps_of(given, periods) for name, given in SIDES.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(STEPS):
        for name, step in sides.items():
            times[name].append(step())
    median = {name: statistics.median(found) for name, found in times.items()}
    rows = [(name, f"{1e3 * ms:.1f}", f"{ms / median['static']:.2f}×") for name, ms in median.items()]
    return markdown(rows, ("model", "ms a step", "of the static one's"), "<>>")


def peak_of(kind: str) -> int:
    """MiB that a training of two epochs takes at its peak, in this process: of a drawn corpus."""
    import tempfile

    from etm_jax.config.build import make_config
    from etm_jax.config.settings import RunOptions
    from etm_jax.corpus.types import Corpus, Documents, Vocabulary
    from etm_jax.training.make_trainer import make_trainer
    from etm_jax.training.run_folder import RunFolder

    rng = np.random.default_rng(0)
    counts = sp.csr_matrix(sp.random(DOCUMENTS, WORDS, 30 / WORDS, "csr", np.float32, random_state=rng))
    counts.data[:] = 1
    counts = counts.astype(np.int32)
    words = [f"w{i:05}" for i in range(WORDS)]
    frequency = np.asarray(counts.sum(axis=0)).ravel().astype(np.int64)
    names = [str(i) for i in range(DOCUMENTS)]

    def part(start: int, end: int) -> Documents:
        return Documents(counts[start:end], names[start:end], names[start:end])

    vocabulary = Vocabulary(words, frequency, frequency, DOCUMENTS, "none")
    end = DOCUMENTS - 500
    corpus = Corpus("drawn", "", vocabulary, part(0, end), part(end, DOCUMENTS), part(0, 0), counts[:0], counts[:0])
    given = {"kind": kind, "num_topics": TOPICS, "vectors": "random", "num_epochs": 2}
    own = {"time_field": "date", "time_bin": "month"} if kind == "detm" else {}
    config = make_config("default", given | own)
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "run")
        make_trainer(config, with_metadata(corpus, PERIODS), folder, RunOptions(), in_memory=True).train()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(argv: Sequence[str]) -> None:
    """Time and weigh; put the tables into the page."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.covariates", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--periods", type=int, default=12)
    parser.add_argument("--peak", default="", help=argparse.SUPPRESS)
    given = parser.parse_args(argv[1:])
    if given.peak:
        print(peak_of(given.peak))
        return
    table = step_table(given.periods)
    command = (sys.executable, "-m", "benchmarks.covariates")
    peaks = {
        kind: int(subprocess.run([*command, f"--peak={kind}"], check=True, capture_output=True, text=True).stdout)
        for kind in ("etm", "detm")
    }
    memory = (
        f"Peak memory of a training with {WORDS:,} words, {TOPICS} topics and {PERIODS} periods: {peaks['detm']:,} "
        f"MiB, and {peaks['etm']:,} of the static model."
    )
    text = f"{table}\n\n{memory}\n\n    python -m benchmarks.covariates\n\n{machine(('jax', 'numpy'))}"
    print(text)
    write_between(PAGE, "covariates", "Metadata", text)


if __name__ == "__main__":
    sys.exit(cli.run(main))
