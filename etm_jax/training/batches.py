"""Minibatches of sparse rows, padded to a few static sizes so that `jit` compiles once a size."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.metadata import padding
from etm_jax.models.batch import Batch
from etm_jax.ops.mesh import DOCS, TILES, MeshLayout
from etm_jax.ops.sparse import Pattern
from etm_jax.training.grouped import GroupPlan, padded
from etm_jax.util.arrays import canonical


class Entries(NamedTuple):
    """The nonzeros of some documents of a batch, in row order, and where they stand in it.

    rows, cols: [n]; counts, inputs: [n], as of `Batch`. docs: [d], which rows hold documents; extras: by field [d], as
    of `etm_jax.corpus.metadata.Metadata.encode`. context: [d, C], the documents' vectors; None where the model is given
    none.
    """

    rows: np.ndarray
    cols: np.ndarray
    counts: np.ndarray
    inputs: np.ndarray
    docs: np.ndarray
    extras: dict[str, np.ndarray]
    context: np.ndarray | None = None


class BatchPacker:
    """Packs nonzeros into batches. sizes: numbers of nonzeros to pad to, ascending; dtype: of the batches' numbers.

    multiple: as of `Pattern`, of the entries as they come. On a mesh each process packs the tiles of its own devices.
    """

    def __init__(
        self,
        batch_size: int,
        vocab_size: int,
        sizes: tuple[int, ...],
        dtype: type = np.float32,
        layout: MeshLayout | None = None,
        multiple: int = 1,
    ) -> None:
        self.batch_size, self.vocab_size, self.sizes, self.dtype, self.layout, self.multiple = (
            batch_size,
            vocab_size,
            sizes,
            dtype,
            layout,
            multiple,
        )

    def largest_tile(self, entries: Entries) -> int:
        """Nonzeros of the fullest tile; of the whole batch where there is no mesh."""
        if self.layout is None:
            return len(entries.rows)
        return int(np.bincount(self._tile_of(self.layout, entries), minlength=1).max())

    def pack(self, entries: Entries, largest: int, first_place: int = 0) -> Batch:
        """The batch of these nonzeros.

        largest: nonzeros of its fullest tile, whichever process packs that. first_place: how many nonzeros the
        documents before these have, where those are another process's.
        """
        # Where none of `sizes` is enough, every process still finds the same size.
        size = next((size for size in self.sizes if size >= largest), _round_up(largest * 1.5))
        if self.layout is None:
            real: np.ndarray = np.zeros(self.batch_size, self.dtype)
            real[entries.docs] = 1
            counts, inputs = (_padded(x, size, self.dtype) for x in (entries.counts, entries.inputs))
            pattern = self._pattern(entries, self.batch_size, self.vocab_size, size)
            context = self._context(entries, self.batch_size)
            return Batch(counts, inputs, pattern, real, self._extras(entries, self.batch_size), context=context)
        return self._pack_tiles(self.layout, entries, size, first_place)

    @staticmethod
    def _tile_of(layout: MeshLayout, entries: Entries) -> np.ndarray:
        return entries.rows // layout.docs_per_row * layout.columns + entries.cols % layout.columns

    def _pack_tiles(self, layout: MeshLayout, entries: Entries, size: int, first_place: int) -> Batch:
        tile_of = self._tile_of(layout, entries)
        by_tile = np.argsort(tile_of, kind="stable")
        ends = np.cumsum(np.bincount(tile_of, minlength=layout.rows * layout.columns))
        tiles = layout.local_tiles()

        def tile(row: int, column: int) -> tuple[np.ndarray, np.ndarray, Pattern]:
            number = row * layout.columns + column
            places = by_tile[ends[number - 1] if number else 0 : ends[number]]
            own = entries._replace(
                rows=entries.rows[places] % layout.docs_per_row,
                cols=entries.cols[places] // layout.columns,
                counts=entries.counts[places],
                inputs=entries.inputs[places],
            )
            pattern = self._pattern(own, layout.docs_per_row, layout.words_per_column, size, places + first_place)
            return _padded(own.counts, size, self.dtype), _padded(own.inputs, size, self.dtype), pattern

        def sharded(*parts: np.ndarray) -> jax.Array:
            """An array with a part for each tile, [rows, columns, …], from the parts of this process's tiles."""
            local = np.stack(parts).reshape(len(rows), -1, *parts[0].shape)
            whole = (layout.rows, layout.columns, *parts[0].shape)
            return jax.make_array_from_process_local_data(layout.sharding(TILES), local, whole)

        rows = sorted({row for row, _ in tiles})
        counts, inputs, pattern = jax.tree.map(sharded, *(tile(*at) for at in tiles))
        real: np.ndarray = np.zeros(layout.rows * layout.docs_per_row, self.dtype)
        real[entries.docs] = 1

        def by_document(values: np.ndarray) -> jax.Array:
            """An array with an entry for each document of the batch [B, …]; each row of devices holds its own."""
            whole = values.reshape(layout.rows, layout.docs_per_row, *values.shape[1:])
            local = whole[rows].reshape(-1, *values.shape[1:])
            return jax.make_array_from_process_local_data(layout.sharding(DOCS), local, values.shape)

        extras = self._extras(entries, real.size)
        extras |= {name: by_document(values) for name, values in extras.items()}
        vectors = self._context(entries, real.size)
        context = None if vectors is None else by_document(vectors)
        pattern = dataclasses.replace(pattern, layout=layout)
        return Batch(counts, inputs, pattern, by_document(real), extras, context=context)

    def _pattern(
        self, entries: Entries, num_rows: int, num_cols: int, size: int, places: np.ndarray | None = None
    ) -> Pattern:
        row_starts = np.concatenate([[0], np.cumsum(np.bincount(entries.rows, minlength=num_rows))]).astype(np.int32)
        # scipy counts where sorting would compare.
        places_by_row = np.arange(len(entries.cols), dtype=np.int32)
        by_column = sp.csr_matrix((places_by_row, entries.cols, row_starts), shape=(num_rows, num_cols)).tocsc()
        return Pattern(
            cols=_padded(entries.cols, size, np.int32),
            rows=_padded(entries.rows, size, np.int32),
            row_starts=row_starts,
            order=_padded(by_column.data, size, np.int32),
            col_starts=by_column.indptr.astype(np.int32, copy=False),
            places=None if places is None else _padded(places, size, np.int32),
            multiple=self.multiple,
        )

    def _context(self, entries: Entries, num_rows: int) -> np.ndarray | None:
        """The vectors of a batch's rows: [rows, C]. Rows that are padding have zeros."""
        if entries.context is None:
            return None
        of_rows: np.ndarray = np.zeros((num_rows, entries.context.shape[1]), self.dtype)
        of_rows[entries.docs] = entries.context
        return of_rows

    def _extras(self, entries: Entries, num_rows: int) -> dict[str, Any]:
        """The metadata of a batch's rows, by field: [rows]. Rows that are padding have none."""
        extras = {}
        for name, values in entries.extras.items():
            dtype = self.dtype if values.dtype.kind == "f" else values.dtype
            of_rows: np.ndarray = np.full(num_rows, padding(values.dtype), dtype)
            of_rows[entries.docs] = values
            extras[name] = of_rows
        return extras


class Batcher:
    """Batches of `batch_size` rows of `counts`. `inputs` has the sparsity of `counts`. Both: [D, V] CSR.

    An entry given more than once stands for the sum, as everywhere in scipy: a word is present once a document, however
    its count was put together. Raises ValueError where the two matrices, so summed, have entries in different places.

    sizes: numbers of nonzeros to pad to, as of `static_sizes`, where several batchers are to share compiled programs.
    dtype: of the batches' numbers. layout: the mesh that batches are sharded over; None for one. extras: the
    documents' metadata by field [D], as of `etm_jax.corpus.metadata.Metadata.encode`. groups: [D] of a model whose
    batches hold documents of few groups (`etm_jax.training.grouped`). context: [D, C], the documents' vectors, of a
    model that is given them. multiple: as of `Pattern`, documents are filled up with entries of 0; 1 where a mesh parts
    their words.
    """

    def __init__(
        self,
        counts: sp.csr_matrix,
        inputs: sp.csr_matrix,
        batch_size: int,
        sizes: tuple[int, ...] = (),
        dtype: type = np.float32,
        layout: MeshLayout | None = None,
        extras: Mapping[str, np.ndarray] | None = None,
        groups: np.ndarray | None = None,
        context: np.ndarray | None = None,
        multiple: int = 1,
    ) -> None:
        counts, inputs = canonical(counts, keep_zeros=True), canonical(inputs, keep_zeros=True)
        if not (np.array_equal(counts.indptr, inputs.indptr) and np.array_equal(counts.indices, inputs.indices)):
            raise ValueError("counts and inputs differ in their sparsity")
        self.counts, self.inputs, self.batch_size, self.dtype = counts, inputs, batch_size, dtype
        self.extras, self.context, self.multiple = dict(extras or {}), context, multiple
        if layout is not None and layout.columns > 1:
            # A tile has a part of each document.
            self.multiple = 1
        lengths = -(-tile_lengths(counts, layout) // self.multiple) * self.multiple
        sizes = sizes or static_sizes(lengths, layout.docs_per_row if layout else batch_size)
        self._packer = BatchPacker(batch_size, counts.shape[1], sizes, dtype, layout, self.multiple)
        self._groups, self._plan = groups, None if groups is None else GroupPlan(groups, batch_size)

    def __len__(self) -> int:
        """Batches an epoch; the last one may be short, and others may be where documents come in groups."""
        return -(-self.num_docs // self.batch_size) if self._plan is None else len(self._plan)

    @property
    def num_docs(self) -> int:
        """D."""
        return int(self.counts.shape[0])

    @property
    def layout(self) -> MeshLayout | None:
        """The devices that batches are sharded over; None for one."""
        return self._packer.layout

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of nonzeros that batches are padded to."""
        return self._packer.sizes

    def parts(self, order: np.ndarray | None = None) -> list[np.ndarray]:
        """The rows of each batch, of all rows in the given order [D] or in their own; where they come in groups, group
        by group.
        """
        if self._plan is not None:
            return [part.rows for part in self._plan.in_order()]
        order = np.arange(self.num_docs) if order is None else order
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def epoch(self, order: np.ndarray | None = None) -> Iterator[Batch]:
        """The batches of `parts`."""
        return map(self.take, self.parts(order))

    def shuffled(self, seed: int, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """All rows in the order of an epoch of training, from a step on."""
        return map(self.take, self._shuffled_parts(seed, epoch)[first_step:])

    def step(self, seed: int, epoch: int, step: int) -> tuple[Batch, np.ndarray]:
        """The batch of one step of training, and the rows of its documents."""
        rows = self._shuffled_parts(seed, epoch)[step]
        return self.take(rows), rows

    def take(self, rows: np.ndarray) -> Batch:
        """The batch of these rows, at most `batch_size` of them."""
        starts = self.counts.indptr[:-1][rows].astype(np.int64)
        picked = self.counts.indptr[1:][rows] - starts
        filled = -(-picked // self.multiple) * self.multiple
        ends = np.cumsum(filled)
        source = np.repeat(starts - ends + filled, filled) + np.arange(ends[-1] if len(ends) else 0)
        counts, inputs = (matrix.data.take(source, mode="clip") for matrix in (self.counts, self.inputs))
        if self.multiple > 1:
            real = source < np.repeat(starts + picked, filled)
            counts, inputs = counts * real, inputs * real
        entries = Entries(
            np.repeat(np.arange(len(rows)), filled),
            self.counts.indices.take(source, mode="clip"),
            counts,
            inputs,
            np.arange(len(rows)),
            {name: values[rows] for name, values in self.extras.items()},
            None if self.context is None else self.context[rows],
        )
        batch = self._packer.pack(entries, self._packer.largest_tile(entries))
        if self._plan is None or self._groups is None:
            return batch
        return batch._replace(present=padded(np.unique(self._groups[rows]), self._plan.most_present))

    def of_counts(self, counts: sp.csr_matrix) -> "Batcher":
        """Batches of the same documents with other counts [D, V], which the encoder is not given, on one device."""
        return self._of_same(counts, counts, self.sizes, None, self.context)

    def with_counts(self, counts: sp.csr_matrix, inputs: sp.csr_matrix, context: np.ndarray | None) -> "Batcher":
        """Batches of the same documents with other counts and inputs [D, V], of the sparsity of each other.

        context: [D, C], or None for those that there are.
        """
        return self._of_same(counts, inputs, (), self.layout, self.context if context is None else context)

    def _of_same(
        self,
        counts: sp.csr_matrix,
        inputs: sp.csr_matrix,
        sizes: tuple[int, ...],
        layout: MeshLayout | None,
        context: np.ndarray | None,
    ) -> "Batcher":
        return Batcher(
            counts,
            inputs,
            self.batch_size,
            sizes,
            self.dtype,
            layout=layout,
            extras=self.extras,
            groups=self._groups,
            context=context,
            multiple=self.multiple,
        )

    def abstract(self) -> Batch:
        """Shapes and types of a usual batch. Not of one on a mesh."""
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), self.take(np.arange(0)))

    def _shuffled_parts(self, seed: int, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng([seed, epoch])
        if self._plan is not None:
            return [part.rows for part in self._plan.shuffled(rng)]
        return self.parts(rng.permutation(self.num_docs))


def tile_lengths(counts: sp.csr_matrix, layout: MeshLayout | None = None) -> np.ndarray:
    """Nonzeros of each document: [D]. On a mesh those of the column where it has most."""
    lengths = np.diff(counts.indptr)
    if layout is None or layout.columns == 1:
        return lengths
    tiles = np.repeat(np.arange(len(lengths)), lengths) * layout.columns + counts.indices % layout.columns
    by_column = np.bincount(tiles, minlength=len(lengths) * layout.columns).reshape(-1, layout.columns)
    return np.asarray(by_column.max(axis=1))


def static_sizes(lengths: np.ndarray, batch_size: int, others: Sequence[np.ndarray] = ()) -> tuple[int, ...]:
    """Ascending numbers of nonzeros to pad a batch to. lengths: [D] nonzeros of each document to train on; others: of
    documents that batches of the same sizes are made of.

    The first holds nearly every random batch of training (its mean and five standard deviations), the last holds the
    longest `batch_size` documents of all at once, and those between grow by half.
    """
    worst = int(np.sort(np.concatenate([lengths, *others]))[::-1][:batch_size].sum())
    typical = lengths.mean() * batch_size + 5 * lengths.std() * np.sqrt(batch_size) if len(lengths) else 0
    sizes = [_round_up(min(typical, worst))]
    while sizes[-1] < worst:
        sizes.append(_round_up(min(sizes[-1] * 1.5, worst)))
    return tuple(sizes)


def _round_up(size: float, step: int = 256) -> int:
    return max(step, -(-int(np.ceil(size)) // step) * step)


def _padded(values: np.ndarray, size: int, dtype: type) -> np.ndarray:
    out: np.ndarray = np.zeros(size, dtype)
    out[: len(values)] = values
    return out
