"""Whether 95% intervals of effects hold the truth: corpora drawn from known effects, topics trained anew on each.

    python -m experiments.coverage --corpora=200

δ ~ N(Γᵀx, I) with a group or a number x, θ = softmax(δ), words from topics of embeddings; the truth is E[θ_k | x] of
this process. Trained topics are matched with the true ones by the Hungarian method on √β. Beside the intervals of the
trained topics stand those of the true topics, which tell what the estimator alone does from what the topics miss.
Prints a line every ten corpora, and the table of docs/covariates.md at the end.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from etm_jax.cli import flags as cli
from etm_jax.config.build import Config, make_config
from etm_jax.config.declaration import setting
from etm_jax.config.settings import RunOptions
from etm_jax.corpus.metadata import MetaColumn, Metadata
from etm_jax.corpus.types import Corpus, Documents, Vocabulary
from etm_jax.foundations.simulate import draw_counts
from etm_jax.results.effects import METHODS, Effects, Measured, estimate_effects
from etm_jax.training.make_trainer import make_trainer
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.steps import beta_step
from etm_jax.util.console import silenced

VOCAB, TOPICS, DIM = 300, 5, 20
LEVELS = ("a", "b", "c")


@dataclass(frozen=True)
class CoverageFlags:
    """What the script takes."""

    corpora: int = setting(200, "how many are drawn", at_least=1)
    first: int = setting(0, "the first one's number, of which the random numbers come", at_least=0)
    docs: int = setting(800, "documents of each", at_least=50)
    words: int = setting(40, "words of the shortest document; the longest has twice as many", at_least=1)
    epochs: int = setting(60, "epochs of training", at_least=1)
    trained: bool = setting(True, "train topics too, which takes most of the time")
    batch: int = setting(100, "documents of a step", at_least=1)
    prevalence: bool = setting(False, "train with --prevalence, of the same formula")
    number: bool = setting(False, "a number in place of groups, '~ s(x, 5)'")
    overlap_weight: float = setting(0.1, "of the penalty on the overlap of topics, as of training", at_least=0)
    spread: float = setting(1.0, "standard deviation of δ about its mean", above=0)


class Drawn(NamedTuple):
    """A corpus with its truth. meta: by field; beta: [K, V]; truth: [·, K], E[θ | x] of the groups or the grid."""

    counts: sp.csr_matrix
    meta: dict[str, list[str]]
    metadata: Metadata
    beta: np.ndarray
    mean: np.ndarray
    noise: np.ndarray

    def truth(self, values: Sequence[str]) -> np.ndarray:
        """E[θ | x] at groups or numbers: [·, K]."""
        return np.array([softmax(self.mean_at(value) + self.noise, axis=1).mean(axis=0) for value in values])

    def mean_at(self, value: str) -> np.ndarray:
        """The mean of δ."""
        if value in LEVELS:
            return self.mean[LEVELS.index(value)]
        return self.mean[1] * np.sin(2 * float(value)) + self.mean[2] * float(value)


def draw(flags: CoverageFlags, number: int) -> Drawn:
    """Draw a corpus."""
    rng = np.random.default_rng(number)
    rho, alpha = rng.normal(size=(VOCAB, DIM)), rng.normal(scale=3 / DIM**0.5, size=(TOPICS, DIM))
    beta = softmax(alpha @ rho.T, axis=1)
    mean = np.vstack([np.zeros(TOPICS), rng.normal(scale=0.7, size=(2, TOPICS))])
    if flags.number:
        values = [f"{x:.6f}" for x in rng.uniform(-1, 1, flags.docs)]
        field, column = "x", MetaColumn("x", "number")
    else:
        values = [LEVELS[i] for i in rng.integers(0, 3, flags.docs)]
        field, column = "group", MetaColumn("group", "category", LEVELS)
    noise = flags.spread * np.random.default_rng([number, 1]).normal(size=(50_000, TOPICS))
    drawn = Drawn(sp.csr_matrix((1, 1)), {field: values}, Metadata((column,)), beta, mean, noise)
    centre = np.array([drawn.mean_at(value) for value in values])
    theta = softmax(centre + flags.spread * rng.normal(size=centre.shape), axis=1)
    lengths = rng.integers(flags.words, 2 * flags.words + 1, flags.docs)
    return drawn._replace(counts=draw_counts(rng, theta, beta, lengths))


def train(drawn: Drawn, config: Config) -> np.ndarray:
    """Topics of the corpus by the real trainer, in the order of the true ones: [K, V]."""
    counts = drawn.counts
    num_docs, held = counts.shape[0], counts.shape[0] // 20
    freq = np.asarray(counts.sum(axis=0)).ravel().astype(np.int64)
    doc_freq = np.bincount(counts.indices, minlength=VOCAB)
    words = Vocabulary([f"w{i:04}" for i in range(VOCAB)], doc_freq, freq, num_docs, "none")
    names = [str(i) for i in range(num_docs)]

    def part(rows: slice) -> Documents:
        meta = {name: values[rows] for name, values in drawn.meta.items()}
        return Documents(counts[rows], names[rows], names[rows], meta)

    whole, valid, none = part(slice(held, None)), part(slice(held)), part(slice(0))
    corpus = Corpus("drawn", "", words, whole, valid, none, none.counts, none.counts, metadata=drawn.metadata)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        result = make_trainer(config, corpus, run, RunOptions(), in_memory=True).train()
    beta = np.asarray(jax.device_get(beta_step(result.variables, result.spec)))
    _, order = linear_sum_assignment(-np.sqrt(drawn.beta) @ np.sqrt(beta).T)
    return beta[order]


def covered(found: Effects, drawn: Drawn) -> dict[str, np.ndarray]:
    """By kind, of the shares and of the differences: whether each interval holds the truth, and how far off it is."""
    labels = [one.group for one in found.wanted if one.effect == "share"]
    at = drawn.truth(labels)
    pairs = [one.group.split(" − ") for one in found.wanted if one.effect == "difference"]
    place = {label: i for i, label in enumerate(labels)}
    truth = np.vstack([at, [at[place[a]] - at[place[b]] for a, b in pairs]])
    estimate, low, high = found.intervals
    inside, off, width = (low <= truth) & (truth <= high), estimate - truth, high - low
    shares = slice(0, len(labels)), slice(len(labels), None)
    return {
        f"{name}.{kind}": values[rows]
        for kind, rows in zip(("share", "difference"), shares, strict=True)
        for name, values in (("inside", inside), ("off", off), ("width", width), ("truth", truth))
    }


def main(argv: Sequence[str]) -> None:
    """Draw, train, count."""
    flags = cli.parse_small(CoverageFlags, argv, __doc__)
    if flags is None:
        return
    formula = "~ s(x, 5)" if flags.number else "~ group"
    config = make_config(
        "default",
        {
            "num_topics": TOPICS, "embed_dim": DIM, "num_epochs": flags.epochs, "batch_size": flags.batch,
            # At another, topics are flatter than those of the text.
            "temperature": 1.0,
            "overlap_weight": flags.overlap_weight,
            "prevalence": formula if flags.prevalence else "",
        },
    )  # fmt: skip
    found: dict[tuple[str, str], list[dict[str, np.ndarray]]] = {}
    overlaps, start = [], time.monotonic()
    for number in range(flags.first, flags.first + flags.corpora):
        with silenced(True):
            drawn = draw(flags, number)
            topics_by = {"true": drawn.beta} | ({"trained": train(drawn, config)} if flags.trained else {})
            overlaps.append(min(np.sqrt(drawn.beta * beta).sum(axis=1).mean() for beta in topics_by.values()))
            for topics, beta in topics_by.items():
                documents = Measured(
                    drawn.counts, drawn.meta, drawn.metadata, np.empty((0, TOPICS)), [""] * TOPICS, beta
                )
                for method in METHODS:
                    effects = estimate_effects(documents, formula, method=method, seed=number)
                    found.setdefault((topics, method), []).append(covered(effects, drawn))
        if (number + 1 - flags.first) % 10 == 0:
            show(found, overlaps, time.monotonic() - start)


def show(found: dict[tuple[str, str], list[dict[str, np.ndarray]]], overlaps: list[float], seconds: float) -> None:
    """Print the table so far."""
    print(f"{len(overlaps)} corpora, {seconds:.0f} s; overlap of topics {np.mean(overlaps):.3f}")
    for (topics, method), each in found.items():
        cells = [f"{topics:8} {method:12}"]
        for kind in ("share", "difference"):
            inside, off, width, truth = (
                np.array([one[f"{name}.{kind}"] for one in each]) for name in ("inside", "off", "width", "truth")
            )
            slope = (truth * (truth + off)).sum() / (truth**2).sum()
            rmse = (off**2).mean() ** 0.5
            cells.append(f"{kind}: {inside.mean():.1%} rmse {rmse:.4f} width {width.mean():.4f} slope {slope:.3f}")
        print("  ".join(cells))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(cli.run(main))
