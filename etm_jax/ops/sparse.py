"""Products of a batch's sparse counts with dense matrices, and sums over its nonzeros.

By the kernels of `etm_jax.ops.csr`. All of it can be mapped by `jax.vmap`.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from etm_jax.ops import csr
from etm_jax.ops.mesh import DOCS, MATRIX, TILES, WORDS, MeshLayout

Array = csr.Array

PIECE = 8
"""Where rows are filled up to multiples of it, a piece of so many nonzeros times its document's row is a product
[8, K] · [K], for which XLA has code on CPUs by whole vectors. Nonzero by nonzero it takes two and a half times as long.
"""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Pattern:
    """Where the nonzeros of a [B, V] matrix lie, by row and by column.

    cols, rows: [N] int32, nonzeros in row order. row_starts: [B+1] int32. order: [N] int32, the nonzeros in column
    order. col_starts: [V+1] int32. Entries from `row_starts[-1]` on are padding; they belong to no row and no column.

    On a mesh of devices each array has two axes more in front, [D, W, …]: of each tile, by its own rows and columns.
    places: [D, W, N] int32, where each nonzero stands among those of the whole batch, in row order.

    multiple: what N and the number of each row's nonzeros are multiples of, entries of 0 included that fill rows up.
    """

    cols: Array
    rows: Array
    row_starts: Array
    order: Array
    col_starts: Array
    places: Array | None = None
    layout: MeshLayout | None = field(default=None, metadata={"static": True})
    multiple: int = field(default=1, metadata={"static": True})

    def num_words(self, columns: int) -> int:
        """V without padding, of a matrix with so many columns."""
        return self.layout.vocab_size if self.layout else columns


class Csr(NamedTuple):
    """The transpose of a batch's [B, V], by rows: V of them. values, cols: [N]; starts: [V+1]."""

    values: jax.Array
    cols: jax.Array
    starts: jax.Array


def transposed(values: Array, pattern: Pattern) -> Csr:
    """xᵀ [V, B] of x [B, V], of one tile. values: [N], at the nonzeros of `pattern`."""
    order = jnp.asarray(pattern.order)
    return Csr(jnp.asarray(values)[order], jnp.asarray(pattern.rows)[order], jnp.asarray(pattern.col_starts))


def spmm_rows(matrix: Csr, dense: jax.Array, start: jax.Array | int, size: int) -> jax.Array:
    """Rows `start` to `start + size` of matrix · dense: [size, H]. dense: [B, H]. Takes no gradient."""
    return csr.product(matrix.values, matrix.cols, jax.lax.dynamic_slice(matrix.starts, (start,), (size + 1,)), dense)


def by_tile(local: Callable[..., Any], pattern: Pattern, gives: P, *args: tuple[P, Any]) -> Any:
    """`local` of a tile's pattern and of the tile's part of each argument; without a mesh the whole batch is one tile.

    args: how each argument lies, and the argument; gives: how the result lies.
    """
    layout = pattern.layout
    if layout is None:
        return local(pattern, *(arg for _, arg in args))
    lie = [spec for spec, _ in args]

    def of_tile(pattern: Pattern, *parts: Any) -> Any:
        own = dataclasses.replace(jax.tree.map(_only, pattern), layout=None)
        out = local(own, *(_only(part) if spec == TILES else part for spec, part in zip(lie, parts, strict=True)))
        return out[None, None] if gives == TILES else out

    return layout.shard_map(of_tile, [TILES, *lie], gives)(pattern, *(arg for _, arg in args))


def _only(tiles: jax.Array) -> jax.Array:
    return tiles[0, 0]


def all_gather_documents(
    layout: MeshLayout | None, pattern: Pattern, values: Array, dense: jax.Array
) -> tuple[Csr, jax.Array]:
    """Within a tile's program: xᵀ of all the batch's documents and a tile's words, and all rows of `dense` [B, H].

    Documents travel and words stay: a product with xᵀ, [V, H], is far larger than a batch. It is then the same on each
    row of the mesh, and the same as on one device.
    """
    if layout is None or layout.rows == 1:
        return transposed(values, pattern), dense
    real = jnp.arange(pattern.rows.shape[0]) < pattern.row_starts[-1]
    num_words = pattern.col_starts.shape[0] - 1
    # Padding comes behind the last word.
    words = jnp.where(real, pattern.cols, num_words)
    docs = pattern.rows + jax.lax.axis_index("data") * (pattern.row_starts.shape[0] - 1)
    words, docs, values = (jax.lax.all_gather(x, "data", tiled=True) for x in (words, docs, jnp.asarray(values)))
    order = jnp.argsort(words, stable=True)
    starts = jnp.cumsum(jnp.bincount(words, length=num_words + 1))[:-1]
    starts = jnp.concatenate([jnp.zeros(1, starts.dtype), starts]).astype(jnp.int32)
    return Csr(values[order], docs[order], starts), jax.lax.all_gather(dense, "data", tiled=True)


def _psum_words(layout: MeshLayout | None, x: jax.Array) -> jax.Array:
    """Within a tile's program: the sum over all words of what was summed over a tile's."""
    return x if layout is None or layout.columns == 1 else jax.lax.psum(x, "vocab")


@jax.custom_vjp
def spmm(values: jax.Array, pattern: Pattern, dense: jax.Array) -> jax.Array:
    """SpMM: sparse [B, V] times dense [V, H] → [B, H]. values: [N], data that takes no gradient."""
    return _spmm(values, pattern, dense)


def _spmm(values: Array, pattern: Pattern, dense: jax.Array) -> jax.Array:
    def local(tile: Pattern, values: jax.Array, dense: jax.Array) -> jax.Array:
        return _psum_words(pattern.layout, csr.product(values, tile.cols, tile.row_starts, dense))

    return by_tile(local, pattern, DOCS, (TILES, values), (WORDS, dense))


def _spmm_transposed(values: Array, pattern: Pattern, dense: jax.Array) -> jax.Array:
    """xᵀ · dense: [B, H] → [V, H]."""

    def local(tile: Pattern, values: jax.Array, dense: jax.Array) -> jax.Array:
        matrix, dense = all_gather_documents(pattern.layout, tile, values, dense)
        return csr.product(*matrix, dense)

    return by_tile(local, pattern, WORDS, (TILES, values), (DOCS, dense))


def _spmm_fwd(values: jax.Array, pattern: Pattern, dense: jax.Array) -> tuple[jax.Array, tuple[jax.Array, Pattern]]:
    return spmm(values, pattern, dense), (values, pattern)


def _spmm_bwd(residuals: tuple[jax.Array, Pattern], grad: jax.Array) -> tuple[None, None, jax.Array]:
    return None, None, _spmm_transposed(*residuals, grad)


spmm.defvjp(_spmm_fwd, _spmm_bwd)


@jax.custom_vjp
def sum_rows(values: jax.Array, pattern: Pattern) -> jax.Array:
    """Sum over the nonzeros of each row: [N] → [B]. Padding is left out."""

    def local(tile: Pattern, values: jax.Array) -> jax.Array:
        return _psum_words(pattern.layout, csr.sum_ranges(values, tile.row_starts))

    return by_tile(local, pattern, DOCS, (TILES, values))


def _sum_rows_bwd(pattern: Pattern, grad: jax.Array) -> tuple[jax.Array, None]:
    def local(tile: Pattern, grad: jax.Array) -> jax.Array:
        real = jnp.arange(tile.rows.shape[0]) < tile.row_starts[-1]
        return jnp.where(real, grad[tile.rows], 0)

    return by_tile(local, pattern, TILES, (DOCS, grad)), None


sum_rows.defvjp(lambda values, pattern: (sum_rows(values, pattern), pattern), _sum_rows_bwd)


@jax.custom_vjp
def sddmm(left: jax.Array, right: jax.Array, pattern: Pattern) -> jax.Array:
    """SDDMM: left · rightᵀ at the nonzeros alone. left: [B, K], right: [V, K] → [N]; anything at padding."""

    def local(tile: Pattern, left: jax.Array, right: jax.Array) -> jax.Array:
        # Summed by a product: XLA's own sum of so short rows takes up to ten times as long on a CPU.
        return (left[tile.rows] * right[tile.cols]) @ jnp.ones(left.shape[1], left.dtype)

    return by_tile(local, pattern, TILES, (DOCS, left), (WORDS, right))


def _sddmm_fwd(
    left: jax.Array, right: jax.Array, pattern: Pattern
) -> tuple[jax.Array, tuple[jax.Array, jax.Array, Pattern]]:
    return sddmm(left, right, pattern), (left, right, pattern)


def _sddmm_bwd(residuals: tuple[jax.Array, jax.Array, Pattern], grad: jax.Array) -> tuple[jax.Array, jax.Array, None]:
    left, right, pattern = residuals
    # The gradient is a sparse matrix: two products with it, where autodiff would write scatter-adds of [N, K].
    return _spmm(grad, pattern, right), _spmm_transposed(grad, pattern, left), None


sddmm.defvjp(_sddmm_fwd, _sddmm_bwd)


def word_rows(dense: jax.Array, pattern: Pattern) -> jax.Array:
    """The row of each nonzero's word: [V, K] → [N, L], with columns of zeros behind the K where a kernel wants more.

    What reads rows of a large matrix again and again reads them faster from here, where they lie side by side. Takes no
    gradient.
    """
    rows = by_tile(lambda tile, dense: dense[tile.cols], pattern, TILES, (WORDS, dense))
    return jnp.pad(rows, (*[(0, 0)] * (rows.ndim - 1), (0, -dense.shape[1] % csr.LANES)))


def dot_rows(left: jax.Array, rows: jax.Array, pattern: Pattern) -> jax.Array:
    """`sddmm` of left and a matrix whose `word_rows` these are: [B, K], [N, L] → [N]. Takes no gradient."""

    def local(tile: Pattern, left: jax.Array, rows: jax.Array) -> jax.Array:
        if tile.multiple % PIECE:
            width = left.shape[1]
            return (left[tile.rows] * rows[:, :width]) @ jnp.ones(width, left.dtype)
        left = jnp.pad(left, ((0, 0), (0, rows.shape[1] - left.shape[1])))
        return _contracted("mpk,mk->mp", _in_pieces(rows), left[tile.rows[::PIECE]]).ravel()

    return by_tile(local, pattern, TILES, (DOCS, left), (TILES, rows))


def weigh_rows(pattern: Pattern, *factors: tuple[jax.Array, jax.Array]) -> list[jax.Array]:
    """`spmm` with matrices whose `word_rows` are given: of each its values [N], and rows [N, L] → [B, L]. Takes no
    gradient.
    """

    def local(tile: Pattern, *factors: jax.Array) -> jax.Array:
        each, starts = list(zip(factors[::2], factors[1::2], strict=True)), tile.row_starts
        if tile.multiple % PIECE:
            places = jnp.arange(tile.cols.shape[0], dtype=jnp.int32)
            sums = [csr.product(values, places, starts, rows) for values, rows in each]
            return _psum_words(pattern.layout, jnp.concatenate(sums, axis=1))
        pieces = [_contracted("mpk,mp->mk", _in_pieces(rows), _in_pieces(values)) for values, rows in each]
        # In one array: a call of the native kernel takes a time of its own.
        both, ones = jnp.concatenate(pieces, axis=1), jnp.ones(pieces[0].shape[0], pieces[0].dtype)
        places = jnp.arange(len(ones), dtype=jnp.int32)
        return _psum_words(pattern.layout, csr.product(ones, places, starts // PIECE, both))

    sums = by_tile(local, pattern, DOCS, *((TILES, one) for pair in factors for one in pair))
    return jnp.split(sums, len(factors), axis=1)


def _in_pieces(values: jax.Array) -> jax.Array:
    """[N, …] → [M, 8, …]."""
    return values.reshape(-1, PIECE, *values.shape[1:])


def _contracted(form: str, pieces: jax.Array, other: jax.Array) -> jax.Array:
    """An einsum with pieces [M, 8, K], in full precision. As products of matrices on CPUs alone."""
    added, summed = (1, 2) if form == "mpk,mk->mp" else (2, 1)
    return jax.lax.platform_dependent(
        pieces,
        other,
        cpu=lambda pieces, other: jnp.einsum(form, pieces, other),
        default=lambda pieces, other: (pieces * jnp.expand_dims(other, added)).sum(summed),
    )


def gather_words(values: jax.Array, pattern: Pattern) -> jax.Array:
    """What each nonzero's word has: [V] → [N]. Takes no gradient."""
    return by_tile(lambda tile, values: values[tile.cols], pattern, TILES, (WORDS, values))


@jax.custom_vjp
def gather_groups(values: jax.Array, groups: Array, pattern: Pattern) -> jax.Array:
    """What each nonzero's word has in its document's group: values [V, G], groups [B] → [N]; 0 for a group of −1."""

    def local(tile: Pattern, values: jax.Array, groups: jax.Array) -> jax.Array:
        group = groups[tile.rows]
        return jnp.where(group < 0, 0, values[tile.cols, group])

    return by_tile(local, pattern, TILES, (WORDS, values), (DOCS, groups))


def _gather_groups_bwd(residuals: tuple[jax.Array, Array, Pattern], grad: jax.Array) -> tuple[jax.Array, None, None]:
    # One product, where autodiff would write a scatter-add of all entries.
    values, groups, pattern = residuals
    member = (jnp.asarray(groups)[:, None] == jnp.arange(values.shape[1])[None]).astype(grad.dtype)
    return _spmm_transposed(grad, pattern, member), None, None


gather_groups.defvjp(
    lambda values, groups, pattern: (gather_groups(values, groups, pattern), (values, groups, pattern)),
    _gather_groups_bwd,
)


def gather_documents(values: jax.Array, pattern: Pattern) -> jax.Array:
    """What each nonzero's document has: [B] → [N]. Takes no gradient."""
    return by_tile(lambda tile, values: values[tile.rows], pattern, TILES, (DOCS, values))


def split_columns(pattern: Pattern, group: jax.Array, num_groups: int) -> Pattern:
    """The pattern of the same entries in a matrix that has a column for each word and group of documents: [B, V·G].

    group: [B] int32, below G. An entry of word w stands in column w·G + group of its document. So `sddmm` and what it
    is derived by meet rows of a dense matrix that differ from group to group.
    """

    def columns(tile: Pattern, group: jax.Array) -> jax.Array:
        return jnp.asarray(tile.cols) * num_groups + group[tile.rows]

    def order(tile: Pattern, cols: jax.Array) -> jax.Array:
        # Padding comes behind the last column.
        return jnp.argsort(jnp.where(_is_real(tile), cols, jnp.iinfo(cols.dtype).max)).astype(jnp.int32)

    def starts(tile: Pattern, cols: jax.Array) -> jax.Array:
        num_cols = (tile.col_starts.shape[0] - 1) * num_groups
        lengths = jnp.zeros(num_cols + 1, jnp.int32).at[cols + 1].add(_is_real(tile).astype(jnp.int32))
        return jnp.cumsum(lengths)

    cols = by_tile(columns, pattern, TILES, (DOCS, group))
    return dataclasses.replace(
        pattern,
        cols=cols,
        order=by_tile(order, pattern, TILES, (TILES, cols)),
        col_starts=by_tile(starts, pattern, TILES, (TILES, cols)),
    )


def _is_real(tile: Pattern) -> jax.Array:
    """Which entries are no padding: [N] bool."""
    return jnp.arange(tile.rows.shape[0]) < tile.row_starts[-1]


def to_dense(values: jax.Array, pattern: Pattern) -> jax.Array:
    """The [B, V] matrix itself, for the criteria that need every word of every document."""

    def local(tile: Pattern, values: jax.Array) -> jax.Array:
        shape = (tile.row_starts.shape[0] - 1, tile.col_starts.shape[0] - 1)
        real = jnp.arange(values.shape[0]) < tile.row_starts[-1]
        return jnp.zeros(shape, values.dtype).at[tile.rows, tile.cols].add(jnp.where(real, values, 0))

    return by_tile(local, pattern, MATRIX, (TILES, values))
