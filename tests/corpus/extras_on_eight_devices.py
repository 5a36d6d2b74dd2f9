"""Batches with metadata on eight virtual devices. Run by test_metadata_travels.py in a process of its own.

    python extras_on_eight_devices.py CORPUS_FOLDER MESH BATCH_SIZE

Prints a JSON object: for each document of an epoch, by the word that is its alone, what the batch holds of it; what
padding has; and whether all fields lie on the devices as `Batch.real` does.
"""

import json
import os
import sys
from pathlib import Path

# Before JAX is loaded.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"

import numpy as np

from etm_jax.config.build import make_config
from etm_jax.corpus.shards import read_corpus
from etm_jax.corpus.shards.manifest import is_prepared
from etm_jax.corpus.store.cache import load_corpus
from etm_jax.models.batch import Batch
from etm_jax.ops.mesh import Grid, make_mesh
from etm_jax.training.corpus_batches import corpus_batchers, training_batcher


def words_of(batch: Batch, grid: Grid, words: list[str]) -> list[set[str]]:
    """The words of each row."""
    found: list[set[str]] = [set() for _ in range(grid.rows * grid.docs_each)]
    pattern = batch.pattern
    for row in range(grid.rows):
        for column in range(grid.columns):
            nnz = int(pattern.row_starts[row, column, -1])
            docs = np.asarray(pattern.rows[row, column, :nnz]) + row * grid.docs_each
            cols = np.asarray(pattern.cols[row, column, :nnz]) * grid.columns + column
            for doc, col in zip(docs.tolist(), cols.tolist(), strict=True):
                found[doc].add(words[col])
    return found


def main() -> None:
    folder, mesh, batch_size = Path(sys.argv[1]), make_mesh(sys.argv[2]), int(sys.argv[3])
    corpus = read_corpus(folder) if is_prepared(folder) else load_corpus(folder)
    config = make_config("default", {"batch_size": batch_size})
    batcher = training_batcher(corpus, config, corpus_batchers(corpus, config, batch_size, mesh)["train"])
    documents, padding, lies = {}, [], True
    for batch in batcher.shuffled(seed=1, epoch=1):
        extras = {name: np.asarray(values).tolist() for name, values in batch.extras.items()}
        lies &= all(values.sharding == batch.real.sharding for values in batch.extras.values())
        for row, words in enumerate(words_of(batch, batcher.grid, corpus.vocabulary.words)):
            held = {name: values[row] for name, values in extras.items()}
            own = next((word for word in words if word.startswith("own")), "")
            if batch.real[row]:
                documents[own] = held
            else:
                padding.append(held)
    print(json.dumps({"documents": documents, "padding": padding, "lies": lies}))


if __name__ == "__main__":
    main()
