"""Batches of training documents that are not in memory; in a job of several processes, each reads its own part."""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import DocumentStream, StreamedDocuments
from etm_jax.models.batch import Batch
from etm_jax.ops.mesh import Grid
from etm_jax.training.batches import BatchPacker, Entries
from etm_jax.training.distributed import all_gather
from etm_jax.util.errors import UserError

STEPS_AT_ONCE = 16
"""Steps whose sizes the processes agree on at once: each waits for its devices to do so."""


class StreamBatcher:
    """Batches of documents on disk: of `etm_jax.training.batches.Batcher` the part that training uses.

    encoder_input: from counts [n, V] to what the encoder reads of them, of the same sparsity. workers: processes that
    read. Raises UserError where the batch cannot be split among the processes.
    """

    def __init__(
        self,
        stream: DocumentStream,
        encoder_input: Callable[[sp.csr_matrix], sp.csr_matrix],
        batch_size: int,
        sizes: tuple[int, ...],
        workers: int = 0,
        grid: Grid | None = None,
    ) -> None:
        self._stream, self._encoder_input, self._workers = stream, encoder_input, workers
        self.batch_size, self.grid = batch_size, grid
        self._packer = BatchPacker(batch_size, stream.num_words, sizes, grid=grid)
        rows = [0] if grid is None else sorted({row for row, _ in grid.tiles()})
        self._num_parts = 1 if grid is None else grid.rows // len(rows)
        self._part = rows[0] // len(rows)
        if grid and self._num_parts > 1 and batch_size % grid.rows:
            raise UserError(
                f"--batch_size={batch_size} cannot be split over {grid.rows} devices of several processes, each of "
                f"which reads its own documents; give --batch_size={-(-batch_size // grid.rows) * grid.rows}"
            )

    def __len__(self) -> int:
        """Batches an epoch; the last one may be short."""
        return self._stream.num_steps(self.batch_size)

    @property
    def num_docs(self) -> int:
        """D."""
        return self._stream.num_docs

    def shuffled(self, seed: int, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """All documents in the order of an epoch of training, from a step on."""
        read = self._stream.epoch(seed, epoch, self.batch_size, first_step, self._part, self._num_parts, self._workers)
        steps = map(self._entries, read)
        while some := list(islice(steps, STEPS_AT_ONCE)):
            own = [(self._part, len(one.rows), self._packer.largest_tile(one)) for one in some]
            all_parts = all_gather(np.array(own))
            for i, entries in enumerate(some):
                sizes = {int(part): int(nnz) for part, nnz, _ in all_parts[:, i]}
                before = sum(nnz for part, nnz in sizes.items() if part < self._part)
                yield self._packer.pack(entries, int(all_parts[:, i, 2].max()), before)

    def step(self, seed: int, epoch: int, step: int) -> tuple[Batch, np.ndarray]:
        """The batch of one step of training, and its documents' numbers in it."""
        batch = next(islice(self.shuffled(seed, epoch, step), 1))
        return batch, np.arange(self.batch_size)

    def _entries(self, read: StreamedDocuments) -> Entries:
        """The nonzeros of this process's documents. read: B / parts documents; a row without words is none."""
        counts = read.counts
        inputs = self._encoder_input(counts)
        first, lengths = self._part * (self.batch_size // self._num_parts), np.diff(counts.indptr)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        docs = np.flatnonzero(lengths)
        extras = {name: values[docs] for name, values in read.extras.items()}
        return Entries(first + rows, counts.indices, counts.data, inputs.data, first + docs, extras)
