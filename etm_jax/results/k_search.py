"""Models with different numbers of topics, compared; and which number to prefer, by a rule that is stated."""

import dataclasses
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.exclusivity import exclusivity
from etm_jax.metrics.topics import (
    WORDS_OF_DIVERSITY,
    WORDS_SHOWN,
    diversity,
    npmi_coherence,
    top_words,
    topics_used,
)
from etm_jax.util.console import table

RULE = (
    "of the models whose topic quality (coherence × diversity) is within one standard error of the best, the one of "
    "the lowest held-out perplexity; without held-out documents, the one of the fewest topics"
)
"""How a number of topics is chosen.

Topic quality is Dieng et al.'s (2020), and the standard error that of its mean over topics, as in the
one-standard-error rule of Breiman et al. (1984): differences within it are noise. Among models whose topics are equally
good, the one that predicts documents best tells apart what there is to be told apart.
"""


@dataclass(frozen=True)
class Candidate:
    """The figures of a model with n_topic topics. nan stands for what could not be measured.

    Attributes
    ----------
    n_topic : int
    coherence, diversity : float
        NPMI of the top 10 words in the training documents, and the unique share of the top 25; means over seeds.
    quality, quality_se : float
        coherence × diversity, and its standard error over topics.
    perplexity : float
        Of held-out text, by token; the mean over seeds.
    used : int
        Topics that are the largest of some document.
    stability : float
        Share of the top 10 words that matched topics of two seeds have in common; nan with one seed.
    exclusivity : float
        Mean over topics of `etm_jax.metrics.exclusivity`, of the top 10 words.
    """

    n_topic: int
    coherence: float
    diversity: float
    quality: float
    quality_se: float
    perplexity: float
    used: int
    stability: float
    exclusivity: float

    @classmethod
    def measured(
        cls,
        beta: np.ndarray,
        theta: np.ndarray,
        counts: sp.csr_matrix,
        *,
        perplexity: float = math.nan,
        stability: float = math.nan,
        coherence: float | None = None,
        diverse: float | None = None,
    ) -> Self:
        """The figures of a model.

        Parameters
        ----------
        beta : ndarray of shape (K, V)
        theta : ndarray of shape (D, K)
            Proportions of the documents in which topics have to be used; held out, where there are some.
        counts : csr_matrix of shape (·, V)
            The documents of the coherence.
        perplexity, stability : float
        coherence, diverse : float, optional
            Means over seeds, in place of what this model alone has.
        """
        words = top_words(beta, WORDS_SHOWN)
        npmi = npmi_coherence(words, counts)
        mean = float(npmi.mean()) if coherence is None else coherence
        unique = diversity(top_words(beta, WORDS_OF_DIVERSITY)) if diverse is None else diverse
        return cls(
            n_topic=len(beta),
            coherence=mean,
            diversity=unique,
            quality=mean * unique,
            quality_se=unique * float(np.std(npmi, ddof=1)) / math.sqrt(len(beta)),
            perplexity=perplexity,
            used=topics_used(theta),
            stability=stability,
            exclusivity=float(exclusivity(beta, words).mean()),
        )

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read what `to_json` gave. Raises TypeError or ValueError where it is something else."""
        figures: dict[str, Any] = {name: math.nan if x is None else float(x) for name, x in values.items()}
        return cls(**figures | {name: int(figures[name]) for name in ("n_topic", "used")})

    def to_json(self) -> dict[str, Any]:
        """Plain values; None for nan, which JSON lacks."""
        return {name: None if math.isnan(x) else x for name, x in dataclasses.asdict(self).items()}


SHOWN = {
    "coherence": ".3f", "diversity": ".3f", "quality": ".3f", "perplexity": ",.0f", "used": "d", "stability": ".2f",
    "exclusivity": ".2f",
}  # fmt: skip
"""The figures of the table, and their digits."""


def suggested(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that `RULE` prefers, of at least one."""
    best = max(candidates, key=lambda c: c.quality)
    near = [c for c in candidates if c.quality >= best.quality - best.quality_se]
    if any(math.isnan(c.perplexity) for c in near):
        return min(near, key=lambda c: c.n_topic)
    return min(near, key=lambda c: (c.perplexity, c.n_topic))


def search_table(candidates: Sequence[Candidate]) -> str:
    """A table of the candidates, in which the suggested one has a star, and the rule below it."""
    chosen = suggested(candidates)
    columns = [name for name in SHOWN if not all(math.isnan(getattr(c, name)) for c in candidates)]
    rows = [
        [f"{'* ' if c is chosen else ''}{c.n_topic}", *(_cell(getattr(c, name), SHOWN[name]) for name in columns)]
        for c in candidates
    ]
    return (
        f"{table(rows, ('topics', *columns), '>' * (1 + len(columns)))}\n\n"
        f"{textwrap.fill(f'* is suggested: {RULE}.', 100)}\n"
        f"The best quality is {max(c.quality for c in candidates):.3f}, with a standard error of "
        f"{max(candidates, key=lambda c: c.quality).quality_se:.3f}. The choice is yours: every model is kept."
    )


def _cell(value: float, digits: str) -> str:
    return "" if math.isnan(value) else format(value, digits)
