"""Training by the `ntm` variant: a step and an epoch, of ours and of the same model in torch.

Both sides train the same parameters by Adam: ρ is fixed, as in the report. The torch side is `EVAE` of
zll17/Neural_Topic_Models as `etm_jax.parity.torch_models` renders it, operation by operation; its batches are dense.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.compare import Figures, Row, Side

TOPICS, BATCH = 20, 512
VOCABULARIES, LARGE = (5_000, 20_000, 100_000, 300_000), 100_000
DISTINCT_WORDS = 100
MEMORY, MEMORY_OF_A_STEP = (0.5, 0.25), (0.5, 0.45)
"""What our peak is to be of theirs with so large a vocabulary, of an epoch and of one batch: at most, and the aim."""

CORPUS = {"corpus": "peoples_daily", "no_above": 0.1}
KEPT = Path("runs/bench")
"""Where prepared corpora lie, and what the sides say."""


def rows() -> list[Row]:
    """Rows 1 and 2 of the table."""
    data, large = {"corpus": CORPUS}, {"drawn": LARGE}
    out = [
        Row("1 step", "report, People's Daily: a step", "step", _ours("step", data), _torch("step", data)),
        Row(
            "1 epoch",
            "report, People's Daily: an epoch",
            "epoch",
            _ours("epoch", data),
            _torch("epoch", data, *LOADERS),
            (6.0, 10.0),
            (10.0, 12.0),
        ),
    ]
    for vocab_size in VOCABULARIES:
        drawn = {"drawn": vocab_size}
        least, aim, memory = ((28.0,), (40.0,), MEMORY_OF_A_STEP) if vocab_size == LARGE else ((), (), ())
        key, title = f"2 V={vocab_size // 1000}k", f"report, V={vocab_size:,} drawn: a step"
        row = Row(key, title, "step", _ours("step", drawn), _torch("step", drawn), least, aim, memory=memory)
        out.append(row)
    for vocab_size in VOCABULARIES[-2:]:
        title = f"report, V={vocab_size:,} drawn, compact moments: a step"
        ours, full = _ours("step", {"drawn": vocab_size, "moments": "compact"}), _ours("step", {"drawn": vocab_size})
        out.append(
            Row(f"2 compact V={vocab_size // 1000}k", title, "step", ours, (full._replace(name="full moments"),))
        )
    title = f"report, V={LARGE:,} drawn: an epoch"
    return [
        *out,
        Row("2 epoch", title, "epoch", _ours("epoch", large), _torch("epoch", large, *LOADERS), memory=MEMORY),
    ]


def _ours(what: str, data: Figures) -> Side:
    return Side("ours", f"{__name__}:our_{what}", data)


def _torch(what: str, data: Figures, *loaders: str) -> tuple[Side, ...]:
    function = f"{__name__}:torch_{what}"
    return tuple(Side(f"torch, {how}", function, {**data, "how": how}) for how in loaders) or (
        Side("torch", function, data),
    )


def counts_of(corpus: Figures | None = None, drawn: int = 0) -> sp.csr_matrix:
    """[D, V] counts to train on: a corpus by its settings, or documents drawn over `drawn` words."""
    if corpus is None:
        return drawn_counts(drawn, 8 * BATCH)
    from etm_jax.config.build import make_config
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source

    config = make_config("ntm", corpus)
    return prepare(find_source(config.corpus), config.corpus, KEPT / "corpus").train.counts


def drawn_counts(vocab_size: int, num_docs: int) -> sp.csr_matrix:
    """[D, V]: documents of DISTINCT_WORDS different words each, word r with Zipf's weight by Mandelbrot, 1 / (r + 2.7).

    By the Gumbel trick: the largest of log weight + noise are a sample without replacement.
    """
    rng = np.random.default_rng(0)
    log_weight = -np.log(np.arange(vocab_size) + 2.7).astype(np.float32)
    noisy = (log_weight + rng.gumbel(size=vocab_size).astype(np.float32) for _ in range(num_docs))
    cols = np.concatenate([np.sort(np.argpartition(-x, DISTINCT_WORDS)[:DISTINCT_WORDS]) for x in noisy])
    starts = np.arange(0, num_docs * DISTINCT_WORDS + 1, DISTINCT_WORDS)
    counts = 1 + rng.poisson(0.3, len(cols))
    return sp.csr_matrix((counts.astype(np.int32), cols, starts), shape=(num_docs, vocab_size))


class Trainer:
    """Our trainer on these counts, from weights drawn at random. Its step is compiled before those are, as in a run."""

    def __init__(self, counts: sp.csr_matrix, moments: str = "full") -> None:
        import jax

        from etm_jax.config.build import make_config
        from etm_jax.models.layers import init_variables
        from etm_jax.training.ahead import CompiledAhead
        from etm_jax.training.batches import Batcher
        from etm_jax.training.steps import Spec, abstract_state, new_state, single_step
        from etm_jax.util.machine import keep_freed_memory

        keep_freed_memory()
        c = make_config("ntm", {"num_topics": TOPICS, "batch_size": BATCH, "adam_moments": moments})
        steps = -(-counts.shape[0] // BATCH)
        self.spec = Spec(c.model, c.objective, c.optimizer, counts.shape[1], 300, steps, train_rho=False)
        self.key = jax.random.key(0)
        self.batcher = Batcher(counts, counts.astype(np.float32), BATCH)
        self.train_step = single_step()
        call = (abstract_state(self.spec), self.batcher.abstract(), self.key, self.spec)
        with closing(CompiledAhead()) as ahead:
            ahead.start(lambda: [(self.train_step, call)], [self.train_step])
            ahead.wait(self.train_step)
        self.state = new_state(init_variables(self.key, self.spec.module()), self.spec)

    def train(self, batches: Iterable[Any]) -> None:
        import jax

        for batch in batches:
            self.state, sums = self.train_step(self.state, batch, self.key, self.spec)
        jax.block_until_ready((self.state, sums))


def our_step(steps: int = 20, moments: str = "full", **case: Any) -> Callable[[], Figures]:
    """Steps on batches that are there already. moments: as of --adam_moments."""
    ours = Trainer(counts_of(**case), moments)
    orders = np.arange(ours.batcher.counts.shape[0]).reshape(-1)
    batches = [ours.batcher.take(orders[i * BATCH : (i + 1) * BATCH]) for i in range(min(8, len(orders) // BATCH))]

    def timed() -> Figures:
        started = time.perf_counter()
        ours.train(batches[i % len(batches)] for i in range(steps))
        return {"seconds": (time.perf_counter() - started) / steps}

    timed()
    return timed


def our_epoch(**case: Any) -> Callable[[], None]:
    """All documents once, their batches cut on the way."""
    ours = Trainer(counts_of(**case))
    rng = np.random.default_rng(0)

    def timed() -> None:
        ours.train(ours.batcher.epoch(rng.permutation(ours.batcher.counts.shape[0])))

    timed()
    return timed


def torch_device() -> str:
    """A GPU, where the side is given one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


class _Torch:
    """The same model in torch."""

    def __init__(self, vocab_size: int) -> None:
        import torch

        from etm_jax.parity.torch_models import EVAE
        from experiments.fits import CORES

        torch.manual_seed(0)
        torch.set_num_threads(CORES)
        self.device = torch_device()
        self.module = EVAE([vocab_size, 1024, 512, TOPICS], 300).to(self.device)
        self.module.rho.requires_grad_(False)
        trained = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trained, lr=0.005)

    def train(self, batches: Iterable[Any]) -> None:
        import torch

        for batch in batches:
            x = batch.to(self.device)
            self.optimizer.zero_grad()
            out = self.module(x, torch.randn(len(x), TOPICS, device=self.device))
            loss = -(x * torch.log_softmax(out.logits, dim=1)).sum()
            loss = loss - 0.5 * (1 + out.logvar - out.mu.pow(2) - out.logvar.exp()).sum()
            loss.backward()
            self.optimizer.step()
            loss.item()


def torch_step(**case: Any) -> Callable[[], Figures]:
    """Steps on dense batches that are there already."""
    counts = counts_of(**case)
    torch_ = _Torch(counts.shape[1])
    steps = 2 if counts.shape[1] < 50_000 else 1
    batches = _prepared(counts[: steps * BATCH])

    def timed() -> Figures:
        started = time.perf_counter()
        torch_.train(batches)
        return {"seconds": (time.perf_counter() - started) / steps}

    timed()
    return timed


def _published(counts: sp.csr_matrix) -> Iterable[Any]:
    """The published loader: a dense row a document, made by one of four workers, and stacked."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Documents(Dataset):  # type: ignore[type-arg]
        def __init__(self) -> None:
            indices, data, starts = counts.indices.tolist(), counts.data.tolist(), counts.indptr.tolist()
            self.bags = [list(zip(indices[a:b], data[a:b], strict=True)) for a, b in pairwise(starts)]

        def __len__(self) -> int:
            return len(self.bags)

        def __getitem__(self, i: int) -> Any:
            words, times = zip(*self.bags[i], strict=True)
            row = torch.zeros(counts.shape[1])
            row[list(words)] = torch.tensor(list(times)).float()
            return row

    return DataLoader(
        Documents(), batch_size=BATCH, shuffle=True, num_workers=4, collate_fn=partial(torch.stack, dim=0)
    )


def _prepared(counts: sp.csr_matrix) -> Iterable[Any]:
    """Every batch dense beforehand, where it is needed."""
    import torch

    starts = range(0, counts.shape[0], BATCH)
    return [torch.from_numpy(counts[start : start + BATCH].toarray()).float().to(torch_device()) for start in starts]


LOADERS = {"as published": _published, "prepared": _prepared}


def torch_epoch(how: str, **case: Any) -> Callable[[], None]:
    """All documents once, by one of LOADERS."""
    counts = counts_of(**case)
    torch_ = _Torch(counts.shape[1])
    loader = LOADERS[how](counts)
    return lambda: torch_.train(loader)
