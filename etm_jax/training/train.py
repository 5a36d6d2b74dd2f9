"""Training on a prepared corpus, from the word vectors on. What the command line and the Python API share."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.sparse as sp
from jax.sharding import Mesh

from etm_jax.config.settings import Config, RunOptions
from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.store.cache import vocabulary_to_json
from etm_jax.corpus.types import Corpus, Vocabulary
from etm_jax.metrics.coherence import coherence
from etm_jax.metrics.topics import WORDS_SHOWN, top_words, topic_quality
from etm_jax.ops.mesh import Grid, make_mesh
from etm_jax.training.batches import Batcher, static_sizes, tile_lengths
from etm_jax.training.checkpoint import Checkpoints, InMemoryCheckpoints
from etm_jax.training.distributed import is_main_process, is_multiprocess
from etm_jax.training.run_folder import RunFolder, RunRecord
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.start import start
from etm_jax.training.stream_batches import StreamBatcher
from etm_jax.training.trainer import FitResult, fit
from etm_jax.util.files import replace_text


class Training(NamedTuple):
    """A training that has ended: what it was, what came out, and the batches of each part of the corpus."""

    record: RunRecord
    fitted: FitResult
    batchers: dict[str, Batcher]


def train(
    config: Config,
    corpus: Corpus,
    folder: RunFolder,
    options: RunOptions = RunOptions(),  # noqa: B008
    saved: RunRecord | None = None,
    other: SavedModel | None = None,
    write: Callable[[dict[str, Any]], None] | None = None,
    stop_on_signals: bool = False,
    keep: bool = True,
) -> Training:
    """Train in the folder of a run, from word vectors, or from the weights of `other`, or where `saved` stopped.

    write: is given each epoch's figures, besides the folder. stop_on_signals: as for `fit`. keep: whether the run can
    be gone on with; if not, its checkpoints are in memory. Raises UserError as `start` and `fit` do.
    """
    mesh = make_mesh(options.mesh)
    record, variables = start(config, options, corpus, saved, other)
    if is_main_process():
        begin(folder, record, corpus.vocabulary)
    batchers = corpus_batchers(corpus, config, record.batch_size, mesh)
    fitted = fit(
        record.spec(),
        config.train,
        record.num_epochs,
        _train_batcher(corpus, config, batchers["train"]),
        batchers["valid"],
        variables,
        folder,
        Checkpoints(folder.checkpoints) if keep else InMemoryCheckpoints(),
        write,
        lambda beta: _quality(beta, corpus),
        () if corpus.stream else corpus.train.ids,
        stop_on_signals,
    )
    if is_multiprocess():
        # What comes next is the first process's alone, with its own devices.
        batchers = corpus_batchers(corpus, config, record.batch_size, make_mesh("", jax.local_devices()))
    return Training(record, fitted, batchers)


def _quality(beta: np.ndarray, corpus: Corpus) -> dict[str, float]:
    """What `--log_quality_every` measures: NPMI and diversity, as a run shows at its end, and C_V, as the report."""
    words = top_words(beta, WORDS_SHOWN)
    c_v = coherence("C_V", words, corpus.vocabulary.words, corpus.train.counts, corpus.text)
    return topic_quality(beta, corpus.train.counts) | {"c_v": c_v.value}


def begin(folder: RunFolder, record: RunRecord, vocabulary: Vocabulary) -> None:
    """Write what a run is and its words."""
    folder.begin(record)
    replace_text(folder.vocabulary, json.dumps(vocabulary_to_json(vocabulary), ensure_ascii=False) + "\n")


def corpus_batchers(corpus: Corpus, config: Config, batch_size: int, mesh: Mesh | None = None) -> dict[str, Batcher]:
    """One for each part of the corpus, all of the same static sizes, so that a program is compiled once for all.

    mesh: the devices that batches are dealt to; None for one. Of a corpus of shards, `train` is of the sample.
    """
    parts: dict[str, sp.csr_matrix] = {
        "train": corpus.train.counts,
        "valid": corpus.valid.counts,
        "test": corpus.test.counts,
        "test_h1": corpus.test_h1,
    }
    grid = Grid(mesh, batch_size, len(corpus.vocabulary)) if mesh else None
    lengths = np.concatenate([tile_lengths(counts, grid) for counts in parts.values()])
    sizes = static_sizes(lengths, grid.docs_each if grid else batch_size)
    reads = _encoder_input(corpus, config)
    return {name: Batcher(counts, reads(counts), batch_size, sizes, grid=grid) for name, counts in parts.items()}


def _train_batcher(corpus: Corpus, config: Config, of_memory: Batcher) -> Batcher | StreamBatcher:
    """The training documents, from disk where they are not in memory, by programs of the same sizes."""
    if corpus.stream is None:
        return of_memory
    reads, workers = _encoder_input(corpus, config), config.train.read_workers
    return StreamBatcher(corpus.stream, reads, of_memory.batch_size, of_memory.sizes, workers, of_memory.grid)


def _encoder_input(corpus: Corpus, config: Config) -> Callable[[sp.csr_matrix], sp.csr_matrix]:
    kind = "tfidf" if config.model.use_tfidf else config.model.encoder_input
    return lambda counts: encoder_input(counts, kind, corpus.vocabulary)
