"""Comparison of the seeds of a run: the metrics of each, their spread, and the agreement of their topics."""

import math
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.perplexity import Perplexity
from etm_jax.metrics.stability import matched_overlap, stability
from etm_jax.metrics.topics import WORDS_SHOWN, top_words, topic_quality
from etm_jax.util.console import table


class SeedResult(NamedTuple):
    """The metrics of one seed after `epoch`.

    nelbo: nats per validation document, or per training document where there are none. coherence, diversity: as in the
    summary of a run. perplexity: completion perplexity by token; nan without test documents. overlap: mean share of the
    top 10 words that its topics have in common with those of the best seed, matched one to one.
    """

    seed: int
    epoch: int
    nelbo: float
    coherence: float
    diversity: float
    perplexity: float
    overlap: float


class SeedComparison(NamedTuple):
    """All seeds of a run. best: index of the exported row. stability: mean of `overlap` over all pairs of seeds."""

    rows: list[SeedResult]
    best: int
    stability: float


def compare_seeds(
    seeds: range,
    epoch: int,
    nelbos: list[float],
    betas: list[np.ndarray],
    perplexities: list[Perplexity],
    counts: sp.csr_matrix,
) -> SeedComparison:
    """Compare the seeds of a run, at least two. betas: [K, V] each; counts: [D, V], the training documents."""
    words = [top_words(beta, WORDS_SHOWN) for beta in betas]
    best = int(np.argmin(nelbos))
    rows = []
    for seed, nelbo, beta, own, perplexity in zip(seeds, nelbos, betas, words, perplexities, strict=True):
        quality = topic_quality(beta, counts)
        overlap = float(matched_overlap(words[best], own).mean())
        rows.append(SeedResult(seed, epoch, nelbo, quality["npmi"], quality["diversity"], perplexity.by_token, overlap))
    return SeedComparison(rows, best, stability(words))


def seed_table(seeds: SeedComparison) -> str:
    """A table of the seeds, their mean and, for three or more, sample standard deviation; then a line on stability."""
    shown = {"nelbo": ".2f", "coherence": ".3f", "diversity": ".3f", "perplexity": ",.0f", "overlap": ".2f"}
    if math.isnan(seeds.rows[0].perplexity):
        del shown["perplexity"]

    def cells(values: SeedResult | dict[str, float]) -> list[str]:
        by_name = values if isinstance(values, dict) else values._asdict()
        return [format(by_name[name], form) for name, form in shown.items()]

    rows = [[f"{'* ' if i == seeds.best else ''}{row.seed}", *cells(row)] for i, row in enumerate(seeds.rows)]
    columns = {name: [getattr(row, name) for row in seeds.rows] for name in shown}
    # The overlap of the best seed with itself is always 1.
    columns["overlap"].pop(seeds.best)
    rows.append(["mean", *cells({name: float(np.mean(values)) for name, values in columns.items()})])
    if len(seeds.rows) > 2:
        rows.append(["±", *cells({name: float(np.std(values, ddof=1)) for name, values in columns.items()})])
    pairs = math.comb(len(seeds.rows), 2)
    return (
        f"{table(rows, ('seed', *shown), '>' * (1 + len(shown)))}\n\n"
        f"* has the lowest nelbo and is the one shown above; all are of epoch {seeds.rows[seeds.best].epoch}\n"
        f"stability {seeds.stability:.3f} (share of the top {WORDS_SHOWN} words that matched topics of two seeds have "
        f"in common{f', mean of {pairs} pairs' if pairs > 1 else ''})"
    )
