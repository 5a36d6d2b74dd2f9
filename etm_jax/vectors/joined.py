"""Vectors of several sources joined, as --vectors=ppmi+use: side by side, and reduced to --emb_dim columns."""

import dataclasses

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.config.vector_sources import joined_sources, vector_source
from etm_jax.corpus.types import Corpus
from etm_jax.util.console import warn
from etm_jax.util.errors import UserError
from etm_jax.util.threads import libraries
from etm_jax.vectors.base import Source, SourceVectors, module_of


def check(config: VectorsConfig, counts_of: str | None) -> None:
    """Raise UserError where one of the sources does, or has no vectors to join."""
    names = joined_sources(config.vectors)
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UserError(f"--vectors={config.vectors} joins {twice} with itself; leave one of them out")
    for source, part in _parts(config):
        if part.vectors == "random":
            raise UserError(f"--vectors={config.vectors} joins random vectors, which say nothing; leave them out")
        source.check(part, counts_of)


def make(corpus: Corpus, config: VectorsConfig, seed: int) -> SourceVectors:
    """The first principal axes of the sources' vectors side by side: [V, L], with at most as many columns as those.

    Each source counts alike: its vectors are centred, and each is brought to length 1. A word that one of them lacks
    has zeros there; one that all lack is not known.
    """
    blocks, known, origins = [], np.zeros(len(corpus.vocabulary), bool), []
    for source, part in _parts(config):
        matrix, has, origin = source.make(corpus, part, seed)
        has = np.ones(len(matrix), bool) if has is None else has
        blocks.append(_even(matrix, has))
        known |= has
        origins.append(origin)
    whole, dim = np.concatenate(blocks, axis=1), config.embed_dim
    assert dim is not None
    if dim > whole.shape[1]:
        warn(f"--emb_dim={dim} is more than the {whole.shape[1]} columns of --vectors={config.vectors} together")
    # One thread, so that the same vectors give the same bytes.
    with libraries().limit(limits=1):
        _, axes = np.linalg.eigh(whole.T @ whole)
        reduced = np.ascontiguousarray(whole @ axes[:, ::-1][:, :dim])
    return SourceVectors(reduced, known, " + ".join(origins))


def _even(matrix: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Vectors about their mean, each of length 1; zeros for words that are not known. [V, L] float32"""
    even = np.zeros(matrix.shape, np.float32)
    if known.any():
        centred = matrix[known] - matrix[known].mean(axis=0)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        # What is at the centre but for rounding has no direction.
        least = 1e-6 * max(float(norms.mean()), 1e-30)
        even[known] = np.where(norms > least, centred / np.maximum(norms, least), 0)
    return even


def _parts(config: VectorsConfig) -> list[tuple[Source, VectorsConfig]]:
    """Each source's module, and the settings that it would have alone; one with a length of its own keeps it."""
    found = []
    for value in joined_sources(config.vectors):
        source = vector_source(value)
        assert source is not None
        dim = None if source.own_length else config.embed_dim
        found.append((module_of(source), dataclasses.replace(config, vectors=value, embed_dim=dim)))
    return found
