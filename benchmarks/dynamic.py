"""An epoch of the dynamic model beside one of the published model's rendering in torch, on the same counts.

    python -m benchmarks.dynamic --nyt=FOLDER

The counts and times are those of TopMost's NYT. Both sides take turns, an epoch each; torch's is of the published sizes
and batches of 1,000, ours of the defaults. The table goes into docs/dynamic.md.

Needs:   torch (`make .venv/.parity`), a folder of TopMost's NYT.
Runtime: three minutes on 2 cores.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.cli import flags as cli
from experiments.tables import machine, markdown, write_between

PAGE, EPOCHS, BATCH = Path("docs/dynamic.md"), 5, 1000


def read(folder: Path) -> tuple[sp.csr_matrix, np.ndarray, Any]:
    """The counts of the training documents that have words, their times, and what the field of time is."""
    from etm_jax.corpus.metadata import MetaColumn, Metadata

    counts = sp.csr_matrix(sp.load_npz(folder / "train_bow.npz")).astype(np.float32)
    times = np.loadtxt(folder / "train_times.txt").astype(np.float32)
    kept = np.flatnonzero(np.asarray(counts.sum(axis=1)).ravel())
    metadata = Metadata((MetaColumn("t", "number"),)).of_model(["t"], {"t": [str(t) for t in times[kept]]})
    return counts[kept], times[kept], metadata


def ours(counts: sp.csr_matrix, times: np.ndarray, metadata: Any) -> Callable[[int], None]:
    """A function that trains the default variant for an epoch; its weights are as they come before training."""
    import jax

    from etm_jax.config.build import make_config
    from etm_jax.models.layers import init_variables
    from etm_jax.models.registry import gradient_model
    from etm_jax.training.batches import Batcher
    from etm_jax.training.steps import Spec, new_state, single_step

    config = make_config("default", {"kind": "detm", "time_field": "t"})
    parts = config.model, config.objective, config.optimizer
    spec = Spec(*parts, counts.shape[1], 100, num_steps=10_000, train_rho=True, metadata=metadata)
    groups = gradient_model("detm").group_of(config.model, metadata, {"t": times})
    batcher = Batcher(counts, np.log1p(counts), config.train.batch_size, extras={"t": times}, groups=groups)
    variables = init_variables(jax.random.key(0), spec.module())
    constants = variables.constants | {"num_docs": jax.numpy.float32(counts.shape[0])}
    state = new_state(variables._replace(constants=constants), spec)

    def epoch(number: int) -> None:
        nonlocal state
        for batch in batcher.shuffled(1, number):
            state, sums = single_step()(state, batch, jax.random.key(1), spec)
        jax.block_until_ready(sums)

    return epoch


def theirs(counts: sp.csr_matrix, times: np.ndarray) -> Callable[[int], None]:
    """The same of the published model in torch."""
    import torch

    from etm_jax.config.build import make_config
    from etm_jax.parity import cases, judges

    config = make_config("paper", {"kind": "detm", "time_field": "t"})
    num_docs, num_words, periods = *counts.shape, int(times.max()) + 1
    shape = cases.shape_of(config, num_words)._replace(walk=judges.WalkSizes(periods, 200, 3, 0.005))
    judge = judges.rendering(config, shape, torch.float32)
    adam = torch.optim.Adam(judge.module.parameters(), lr=0.005, weight_decay=1.2e-6)
    place = times.astype(np.int64)
    members = sp.csr_matrix((np.ones(num_docs, np.float32), (place, np.arange(num_docs))))
    words = torch.from_numpy((members @ counts).toarray() / np.maximum(np.asarray(members.sum(axis=1)), 1))
    topics, size = config.model.num_topics, config.vectors.embed_dim or 300

    def epoch(number: int) -> None:
        order = np.random.default_rng(number).permutation(num_docs)
        for start in range(0, num_docs, BATCH):
            rows = order[start : start + BATCH]
            x = torch.from_numpy(counts[rows].toarray())
            walks = torch.randn(periods, topics, size), torch.randn(periods, topics)
            dated = judges.Dated(torch.from_numpy(place[rows]), words.float(), num_docs, *walks)
            noise = torch.randn(len(rows), topics)
            adam.zero_grad()
            judge.run(judges.TorchBatch(x, x / x.sum(1, keepdim=True), noise, [None, None], dated))["loss"].backward()
            adam.step()

    return epoch


def main(argv: Sequence[str]) -> None:
    """Time both in turn; put the table into the page."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.dynamic", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nyt", required=True, help="TopMost's folder of NYT")
    given = parser.parse_args(argv[1:])
    counts, times, metadata = read(Path(given.nyt))
    sides = {"--model=detm": ours(counts, times, metadata), "DETM in torch": theirs(counts, times)}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(EPOCHS + 1):
        for name, epoch in sides.items():
            started = time.perf_counter()
            epoch(number)
            if number:  # The first one compiles.
                seconds[name].append(time.perf_counter() - started)
    ours_s, theirs_s = (statistics.median(found) for found in seconds.values())
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    rows = [
        ("--model=detm", f"{ours_s:.2f}", f"{theirs_s / ours_s:.0f}× ({min(ratios):.0f} to {max(ratios):.0f})"),
        ("DETM in torch", f"{theirs_s:.1f}", ""),
    ]
    table = markdown(rows, ("an epoch of", "seconds", "ratio"), "<>>")
    about = f"{counts.shape[0]:,} documents, {counts.shape[1]:,} words; medians of {EPOCHS}, by turns"
    text = (
        f"{table}\n\n{about}\n\n    python -m benchmarks.dynamic --nyt=FOLDER\n\n{machine(('jax', 'torch', 'numpy'))}"
    )
    print(text)
    write_between(PAGE, "epoch", "An epoch beside torch", text)


if __name__ == "__main__":
    sys.exit(cli.run(main))
