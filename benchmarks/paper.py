"""The `paper` variant on 20 Newsgroups, twenty epochs from counts to topics: ours, and adjidieng/ETM's loop in torch.

Ours is the whole of a run but its export: compilation, validation and checkpoints included. Theirs is what its program
does: an epoch of `DiengETM` of `etm_jax.parity.torch_models`, then the completion perplexity of the test documents. ρ
is trained in both.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.compare import Figures, Row, Side
from benchmarks.training import KEPT

EPOCHS, BATCH, TOPICS, HIDDEN, EMBED_DIM = 20, 1000, 50, 800, 300


def rows(ng20: str) -> list[Row]:
    """Row 3 of the table. ng20: the folder of 20 Newsgroups, in the original ETM's format."""
    data = {"ng20": ng20}
    others = tuple(Side(f"torch, {how}", f"{__name__}:torch_run", {**data, "how": how}) for how in LOADERS)
    return [
        Row(
            "3 paper",
            f"paper, 20 Newsgroups: {EPOCHS} epochs",
            "run",
            Side("ours", f"{__name__}:our_run", data),
            others,
            (3.8, 3.2),
            (5.0, 3.8),
        )
    ]


def _corpus(ng20: str) -> tuple[Any, Any]:
    from etm_jax.config.build import make_config
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source
    from etm_jax.util.errors import UserError

    if not ng20:
        raise UserError("needs 20 Newsgroups: --ng20=FOLDER")
    config = make_config("paper", {"corpus": ng20, "lang": "en", "num_epochs": EPOCHS, "export_from": "last"})
    return config, prepare(find_source(config.corpus), config.corpus, KEPT / "corpus")


def our_run(ng20: str) -> Callable[[], Figures]:
    """From counts to topics, a fresh compilation included."""
    import jax

    from experiments.fits import trained

    config, corpus = _corpus(ng20)

    def timed() -> Figures:
        jax.clear_caches()
        return {"seconds": trained(config, corpus).seconds}

    return timed


def _published(counts: sp.csr_matrix, rows: np.ndarray) -> Any:
    """A batch as adjidieng/ETM makes it: word by word into an array of zeros in double precision."""
    import torch

    batch = np.zeros((len(rows), counts.shape[1]))
    for i, row in enumerate(rows):
        words = counts.indices[counts.indptr[row] : counts.indptr[row + 1]]
        times = counts.data[counts.indptr[row] : counts.indptr[row + 1]]
        for j, word in enumerate(words):
            batch[i, word] = times[j]
    return torch.from_numpy(batch).float()


def _prepared(counts: sp.csr_matrix, rows: np.ndarray) -> Any:
    """A batch made dense by scipy."""
    import torch

    return torch.from_numpy(counts[rows].astype(np.float32).toarray())


LOADERS = {"as published": _published, "prepared": _prepared}


def torch_run(ng20: str, how: str) -> Callable[[], None]:
    """With batches by one of LOADERS; those prepared are made once, before the first run."""
    import torch

    from etm_jax.parity.torch_models import DiengETM, kl_divergence
    from experiments.fits import CORES

    _, corpus = _corpus(ng20)
    torch.manual_seed(0)
    torch.set_num_threads(CORES)
    load = LOADERS[how]

    def batches(counts: sp.csr_matrix, order: np.ndarray) -> list[Callable[[], Any]]:
        parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        if how == "prepared":
            return [partial(lambda x: x, load(counts, rows)) for rows in parts]
        return [partial(load, counts, rows) for rows in parts]

    order = np.random.default_rng(0).permutation(len(corpus.train))
    of_test = np.arange(len(corpus.test))
    train, first, second = (
        batches(counts, rows)
        for counts, rows in ((corpus.train.counts, order), (corpus.test_h1, of_test), (corpus.test_h2, of_test))
    )

    def timed() -> None:
        module = DiengETM(corpus.train.counts.shape[1], HIDDEN, TOPICS, EMBED_DIM)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.005, weight_decay=1.2e-6)
        for _ in range(EPOCHS):
            for batch in train:
                x = batch()
                optimizer.zero_grad()
                out = module(x / x.sum(1, keepdim=True), torch.randn(len(x), TOPICS))
                loss = (kl_divergence(out.mu, out.logvar) - (out.logits * x).sum(1)).mean()
                loss.backward()
                optimizer.step()
                loss.item()
            with torch.no_grad():
                for given, held_out in zip(first, second, strict=True):
                    x, y = given(), held_out()
                    out = module(x / x.sum(1, keepdim=True), torch.zeros(len(x), TOPICS))
                    (-(out.logits * y).sum(1) / y.sum(1)).mean().item()

    return timed
