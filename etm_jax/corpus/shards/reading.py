"""The training documents of a folder of shards, in a different order each epoch: the one user of grain."""

import sys
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.metadata import Metadata, padding
from etm_jax.corpus.shards.histogram import largest, quantiles
from etm_jax.corpus.shards.manifest import Manifest
from etm_jax.corpus.shards.records import check_installed, damaged
from etm_jax.corpus.shards.rows import TEXT, Rows, joined
from etm_jax.corpus.types import StreamedDocuments
from etm_jax.util.errors import UserError
from etm_jax.util.processes import end_with_parent, spawning

WINDOW = 16
"""Blocks of a slot whose documents are shuffled together: memory holds WINDOW batches, whatever the corpus."""

LENGTHS = 10_000
"""Documents whose lengths a stream knows, as quantiles and as the longest."""

THREADS, WINDOWS_AHEAD = 4, 8
"""Threads that read, and windows that they read ahead."""


class Window(NamedTuple):
    """Documents of a few blocks in the order in which they are read: the arrays of a CSR matrix [D, V].

    extras: [D] by metadata field, of `Metadata.encode`.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    extras: dict[str, np.ndarray]


class _File(NamedTuple):
    """What grain needs to know of a file, so that it need not open all of them."""

    filename: str
    skip: int
    take: int
    examples_in_shard: int


class Stream:
    """The training documents of a folder of shards, on disk.

    A batch consists of slots, each of `block_docs` documents. The blocks of all shards are shuffled; slot g of G reads
    those at positions g, g + G, g + 2G, …, and shuffles the documents of `WINDOW` blocks at a time. A step's documents
    therefore depend on seed, epoch, step and batch size alone, each process can read its own slots, and memory holds
    only `WINDOW` batches and what is read ahead.

    num_docs, num_words, nnz: D, V and the number of nonzeros of the counts [D, V]. lengths: nonzeros of at most
    `LENGTHS` documents, evenly spaced from the shortest to the longest; of all documents if there are no more. longest:
    those of the `LENGTHS` longest documents, falling.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        check_installed()
        part = manifest.parts["train"]
        self.num_docs, self.nnz = part.total("documents"), part.total("nonzeros")
        self.num_words, self.block_docs = manifest.num_words, manifest.block_docs
        self._metadata = manifest.metadata
        self.lengths, self.longest = quantiles(part.nonzeros_of, LENGTHS), largest(part.nonzeros_of, LENGTHS)
        shards = zip(manifest.paths(folder, "train"), part.shards, strict=True)
        self._blocks = {path: -(-shard.documents // self.block_docs) for path, shard in shards if shard.documents}

    def num_steps(self, batch_size: int) -> int:
        """Number of steps of an epoch; the last may be short."""
        return -(-self._num_blocks // self._slots(batch_size, 1))

    def epoch(
        self,
        seed: int,
        epoch: int,
        batch_size: int,
        first_step: int = 0,
        part: int = 0,
        num_parts: int = 1,
        workers: int = 0,
    ) -> Iterator[StreamedDocuments]:
        """The documents of each step from `first_step` on: counts [batch_size / num_parts, V] CSR int32, canonical.

        part, num_parts: the rows are those of one of `num_parts` equal parts of the batch; all parts one after the
        other are the batch, whatever their number. A row is empty, and without metadata, where a slot has no more
        documents. Each document occurs once an epoch. workers: number of processes that read ahead, 0 for threads of
        this one; they change nothing else. Raises UserError where the batch cannot be divided so, or a shard is
        damaged.
        """
        slots = self._slots(batch_size, num_parts)
        ours = range(part * slots // num_parts, (part + 1) * slots // num_parts)
        source = _Windows(self._blocks, self.num_words, slots, ours, (seed, epoch), self._metadata)
        first, steps = first_step // WINDOW, self.num_steps(batch_size)
        with closing(_read_ahead(source, first * len(ours), workers)) as windows:
            for window in range(first, -(-steps // WINDOW)):
                held = [next(windows) for _ in ours]
                for step in range(max(first_step, window * WINDOW), min(steps, (window + 1) * WINDOW)):
                    rows = slice((step % WINDOW) * self.block_docs, (step % WINDOW + 1) * self.block_docs)
                    yield _joined([_rows(one, rows) for one in held], self.num_words)

    @property
    def _num_blocks(self) -> int:
        """Number of blocks of all shards."""
        return sum(self._blocks.values())

    def _slots(self, batch_size: int, num_parts: int) -> int:
        """Number of slots of a batch.

        Raises UserError where the batch size is not a multiple of what is read at once.
        """
        if batch_size % (self.block_docs * num_parts):
            unit = self.block_docs * num_parts
            among = f" among {num_parts} processes" if num_parts > 1 else ""
            raise UserError(
                f"--batch_size={batch_size} cannot be made{among} from blocks of {self.block_docs} documents; give "
                f"--batch_size={max(1, round(batch_size / unit)) * unit}, or prepare the corpus again with a "
                f"--block_docs that divides {batch_size if num_parts == 1 else f'{batch_size} / {num_parts}'}"
            )
        return batch_size // self.block_docs


class _Windows:
    """The data source that grain reads: windows of some slots in turn.

    order: seed of the shuffling of blocks and documents.
    """

    def __init__(
        self,
        blocks: dict[Path, int],
        num_words: int,
        num_slots: int,
        slots: range,
        order: tuple[int, int],
        metadata: Metadata,
    ) -> None:
        import grain
        from grain.sources import ArrayRecordDataSource

        self._blocks, self._num_words, self._order, self._metadata = blocks, num_words, order, metadata
        self._num_slots, self._slots = num_slots, slots
        self._num_blocks = sum(blocks.values())
        self._records: Any = ArrayRecordDataSource([_File(str(path), 0, n, n) for path, n in blocks.items()])
        seed = np.random.SeedSequence(order).generate_state(1)[0]
        # The one block that is not full stays last, so that only the last step is short.
        self._shuffled: Any = grain.MapDataset.range(self._num_blocks - 1).shuffle(seed=int(seed))

    def __len__(self) -> int:
        return -(-self._num_blocks // (self._num_slots * WINDOW)) * len(self._slots)

    def __getitem__(self, place: Any) -> Window:
        window, ours = divmod(place.__index__(), len(self._slots))
        slot = self._slots[ours]
        first = window * WINDOW * self._num_slots + slot
        last = min(self._num_blocks, (window + 1) * WINDOW * self._num_slots)
        found = [self._block(self._number(i)) for i in range(first, last, self._num_slots)]
        if not found:
            none = np.zeros(0, np.int32)
            return Window(none, none, np.zeros(1, np.int32), self._metadata.encode({}, 0))
        rows = joined(found)
        order = np.random.default_rng([*self._order, slot, window]).permutation(len(rows))
        counts = rows.counts[order]
        extras = {name: values[order] for name, values in self._metadata.encode(rows.labels, len(rows)).items()}
        return Window(counts.data, counts.indices, counts.indptr, extras)

    def _number(self, place: int) -> int:
        """The number of the block at a position in the order of the epoch."""
        return int(self._shuffled[place]) if place < self._num_blocks - 1 else place

    def _block(self, number: int) -> Rows:
        """A block. Raises UserError, which names its file, where that is damaged."""
        try:
            rows = Rows.from_bytes(self._records[number]).without(TEXT)
            if rows.counts.shape[1] != self._num_words:
                raise ValueError(f"its vocabulary has {rows.counts.shape[1]} words instead of {self._num_words}")
            return rows
        except (RuntimeError, ValueError, OSError) as error:
            for path, blocks in self._blocks.items():
                if number < blocks:
                    raise damaged(path, error) from error
                number -= blocks
            raise


def _read_ahead(source: _Windows, first: int, workers: int) -> Generator[Window, None, None]:
    """The windows from `first` on, while threads or worker processes read the next ones."""
    import grain
    from absl import flags

    threads = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=WINDOWS_AHEAD)
    windows = grain.MapDataset.source(source)[first:].to_iter_dataset(threads)
    if workers:
        # Grain reads a flag of its own from absl, which requires that absl has parsed a command line.
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()
        # Pipes, since containers have little shared memory, and a stopped run would warn of what it leaves there.
        by_pipes = grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
        windows = grain.experimental.WithOptionsIterDataset(windows, by_pipes)
        options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        windows = windows.mp_prefetch(options, worker_init_fn=end_with_parent)
    iterator = iter(windows)
    try:
        with spawning() if workers else nullcontext():
            first_window = next(iterator)
        yield first_window
        yield from iterator
    finally:
        # End worker processes now, and not when the iterator is garbage-collected.
        iterator.close()


def _rows(window: Window, rows: slice) -> Window:
    """Some of a window's documents; empty ones where it has no more, so that each keeps its row in the batch."""
    starts = window.indptr[np.minimum(np.arange(rows.start, rows.stop + 1), len(window.indptr) - 1)]
    entries, size = slice(starts[0], starts[-1]), rows.stop - rows.start
    extras = {}
    for name, values in window.extras.items():
        extras[name] = np.full(size, padding(values.dtype), values.dtype)
        extras[name][: len(values[rows])] = values[rows]
    return Window(window.data[entries], window.indices[entries], starts - starts[0], extras)


def _joined(parts: list[Window], num_words: int) -> StreamedDocuments:
    """The documents of several windows one after the other: counts [D, V] CSR."""
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    data = np.concatenate([part.data for part in parts])
    indices = np.concatenate([part.indices for part in parts])
    counts = sp.csr_matrix((data, indices, indptr), shape=(len(lengths), num_words))
    counts.has_canonical_format = True
    extras = {name: np.concatenate([part.extras[name] for part in parts]) for name in parts[0].extras}
    return StreamedDocuments(counts, extras)
