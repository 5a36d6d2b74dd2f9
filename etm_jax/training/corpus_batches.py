"""The batches of a prepared corpus: one batcher for each part of its split, and the training documents."""

from collections.abc import Callable

import scipy.sparse as sp
from jax.sharding import Mesh

from etm_jax.config.build import Config
from etm_jax.config.settings import TrainConfig
from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.types import Corpus, Documents
from etm_jax.ops.mesh import MeshLayout
from etm_jax.training.batches import Batcher, static_sizes, tile_lengths
from etm_jax.training.stream_batches import StreamBatcher


def batch_size_for(config: TrainConfig, corpus: Corpus) -> int:
    """Documents a step: --batch_size, or as many as there are. Of a corpus read in blocks, whole blocks."""
    block = corpus.stream.block_docs if corpus.stream else 1
    return min(config.batch_size, -(-corpus.num_train // block) * block)


def corpus_batchers(corpus: Corpus, config: Config, batch_size: int, mesh: Mesh | None = None) -> dict[str, Batcher]:
    """One for each part of the corpus, all of the same static sizes, so that a program is compiled once for all.

    mesh: the devices that batches are sharded over; None for one. Of a corpus of shards, `train` is of the sample.
    """
    parts: dict[str, tuple[sp.csr_matrix, Documents]] = {
        "train": (corpus.train.counts, corpus.train),
        "valid": (corpus.valid.counts, corpus.valid),
        "test": (corpus.test.counts, corpus.test),
        "test_h1": (corpus.test_h1, corpus.test),
    }
    layout = MeshLayout(mesh, batch_size, len(corpus.vocabulary)) if mesh else None
    # What is usual is for training to say: halves of documents, as of a test, are shorter.
    lengths, *others = (tile_lengths(counts, layout) for counts, _ in parts.values())
    sizes = static_sizes(lengths, layout.docs_per_row if layout else batch_size, others)
    reads = _encoder_input(corpus, config)
    return {
        name: Batcher(
            counts,
            reads(counts),
            batch_size,
            sizes,
            layout=layout,
            extras=corpus.metadata.encode(documents.meta, len(documents)),
        )
        for name, (counts, documents) in parts.items()
    }


def training_batcher(corpus: Corpus, config: Config, in_memory: Batcher) -> Batcher | StreamBatcher:
    """Batches of the training documents: `in_memory`, or where that is of a sample, of the same sizes from disk."""
    if corpus.stream is None:
        return in_memory
    reads, workers = _encoder_input(corpus, config), config.train.read_workers
    return StreamBatcher(corpus.stream, reads, in_memory.batch_size, in_memory.sizes, workers, in_memory.layout)


def _encoder_input(corpus: Corpus, config: Config) -> Callable[[sp.csr_matrix], sp.csr_matrix]:
    kind = "tfidf" if config.model.use_tfidf else config.model.encoder_input
    return lambda counts: encoder_input(counts, kind, corpus.vocabulary)
