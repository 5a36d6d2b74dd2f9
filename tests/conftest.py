"""Strict switches for every test, and what several of them share."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.sparse as sp

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared material that a checkout may have beside it: the paper's corpus and the yardstick."""
    folder = Path(os.environ.get("ETM_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there (the paper's corpus and the yardstick; set ETM_SHARED)")
    return folder


def planted_counts(num_docs: int, vocab_size: int, num_topics: int, seed: int = 0, length: int = 30) -> sp.csr_matrix:
    """[D, V] counts of documents that speak of one topic each, a block of V // K words of its own, with some noise."""
    rng = np.random.default_rng(seed)
    width = vocab_size // num_topics
    topics = rng.integers(num_topics, size=num_docs)
    own = topics[:, None] * width + rng.integers(width, size=(num_docs, length))
    words = np.where(rng.random((num_docs, length)) < 0.9, own, rng.integers(vocab_size, size=(num_docs, length)))
    rows = np.repeat(np.arange(num_docs), length)
    counts = sp.csr_matrix(
        (np.ones(words.size, np.int32), (rows, words.ravel())), shape=(num_docs, vocab_size), dtype=np.int32
    )
    counts.sum_duplicates()
    return counts
