"""The batches of a prepared corpus: one batcher for each part of its split, and the training documents."""

from collections.abc import Callable

import scipy.sparse as sp
from jax.sharding import Mesh

from etm_jax.config.build import Config
from etm_jax.config.settings import TrainConfig
from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.types import Corpus, Documents
from etm_jax.models.registry import model_kind
from etm_jax.ops.mesh import MeshLayout
from etm_jax.training.batches import Batcher, static_sizes, tile_lengths
from etm_jax.training.grouped import GroupPlan
from etm_jax.training.neighbours import pooled
from etm_jax.training.stream_batches import StreamBatcher
from etm_jax.util.errors import UserError


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
    reads, kind, read = _encoder_input(corpus, config), model_kind(config.model.kind), metadata_read(corpus, config)

    def batcher(name: str, counts: sp.csr_matrix, documents: Documents) -> Batcher:
        context = corpus.contexts.parts.get(name) if corpus.contexts else None
        extras = corpus.metadata.encode(documents.meta, len(documents))
        groups = kind.group_of(config.model, read, extras)
        return Batcher(
            counts, reads(counts), batch_size, sizes, layout=layout, extras=extras, groups=groups, context=context
        )

    return {name: batcher(name, *part) for name, part in parts.items()}


def metadata_read(corpus: Corpus, config: Config) -> Metadata:
    """The fields of its documents that the model reads. Raises UserError where they lack one, or one does not serve."""
    kind = model_kind(config.model.kind)
    found = corpus.metadata.of_model(kind.fields_read(config.model), corpus.train.meta)
    kind.check_fields(config.model, found)
    return found


def steps_of_epoch(corpus: Corpus, config: Config, batch_size: int) -> int:
    """How many steps an epoch has where that does not follow from the documents' number alone; else 0."""
    kind = model_kind(config.model.kind)
    read = metadata_read(corpus, config)
    if corpus.stream:
        if kind.group_of(config.model, read, read.encode({}, 0)) is not None:
            raise UserError(
                f"--model={config.model.kind} takes documents period by period, and a corpus of shards has them mixed; "
                "give the texts or their counts as --corpus"
            )
        return corpus.stream.num_steps(batch_size)
    groups = kind.group_of(config.model, read, read.encode(corpus.train.meta, len(corpus.train)))
    return 0 if groups is None else len(GroupPlan(groups, batch_size))


def training_batcher(corpus: Corpus, config: Config, in_memory: Batcher) -> Batcher | StreamBatcher:
    """Batches of the training documents: `in_memory`, or where that is of a sample, of the same sizes from disk.

    With --neighbour_share, those of `etm_jax.training.neighbours`, which are longer.
    """
    in_memory = pooled(in_memory, corpus, config)
    if corpus.stream is None:
        return in_memory
    reads, workers = _encoder_input(corpus, config), config.train.read_workers
    return StreamBatcher(corpus.stream, reads, in_memory.batch_size, in_memory.sizes, workers, in_memory.layout)


def _encoder_input(corpus: Corpus, config: Config) -> Callable[[sp.csr_matrix], sp.csr_matrix]:
    kind = "tfidf" if config.model.use_tfidf else config.model.encoder_input
    return lambda counts: encoder_input(counts, kind, corpus.vocabulary)
