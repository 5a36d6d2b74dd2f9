"""Corpora larger than memory: prepared file by file, stored as shards of sparse counts, read block by block."""

from etm_jax.corpus.shards.folder import read_corpus
from etm_jax.corpus.shards.reading import Stream

__all__ = ["Stream", "read_corpus"]
