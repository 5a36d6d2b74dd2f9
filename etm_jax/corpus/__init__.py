"""From a file, a folder or a name to sparse counts."""

from etm_jax.corpus.prepare import prepare

__all__ = ["prepare"]
