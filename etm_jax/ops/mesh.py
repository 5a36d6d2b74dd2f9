"""A mesh of devices: documents are sharded over its rows, words over its columns.

The mesh has the axes `data` (P rows) and `vocab` (Q columns). An array with an entry for each document of a batch is
sharded over `data`; one with an entry for each word, over `vocab`; a sparse batch is cut into tiles, one for each
device. JAX's own runtime moves what has to move. B documents of a batch, V words.

Words are assigned round-robin, word j to column j mod Q: the first words are the most frequent, and so each column has
as much to do. Documents and words that do not come out even are padded, with documents that are not real, and with
words that no document holds and no topic makes. `MeshLayout.shard` does so to parameters, and `gather` undoes it: what
is saved, exported and measured knows nothing of the mesh.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from etm_jax.util.errors import UserError

AXES = ("data", "vocab")
TILES, MATRIX, DOCS, WORDS, REPLICATED = P(*AXES, None), P(*AXES), P("data"), P("vocab"), P()
"""How an array is sharded: by tile, [P, Q, …]; as a matrix [B, V]; by document, [B, …]; by word, [V, …]; not at all."""

NEVER = -1e6
"""The logit of a word that is padding: its probability is 0 exactly, and arithmetic with it stays finite."""

T = TypeVar("T")


class VocabAxis(NamedTuple):
    """The axis of an array that has an entry for each word.

    axis: counted from the end, −1 or −2, for the parameters of an ensemble have one more in front. padding: the value
    of entries that are no word.
    """

    axis: int
    padding: float = 0.0


AxisOf = Callable[[Any], VocabAxis | None]
"""From an array's path in a tree to its axis of words, None where it has none."""


@dataclass(frozen=True)
class MeshLayout:
    """A mesh, and the sizes of what is sharded over it. Hashable: a static part of each batch.

    batch_size, vocab_size: B and V before padding.
    """

    mesh: Mesh
    batch_size: int
    vocab_size: int

    @property
    def rows(self) -> int:
        """P, the size of `data`."""
        return int(self.mesh.shape["data"])

    @property
    def columns(self) -> int:
        """Q, the size of `vocab`."""
        return int(self.mesh.shape["vocab"])

    @property
    def docs_per_row(self) -> int:
        """Documents of a batch in each row, padding included."""
        return -(-self.batch_size // self.rows)

    @property
    def words_per_column(self) -> int:
        """Words in each column, padding included."""
        return -(-self.vocab_size // self.columns)

    def position(self, word: int) -> int:
        """The index of a word in an array that is sharded by word."""
        return word % self.columns * self.words_per_column + word // self.columns

    def sharding(self, spec: P) -> NamedSharding:
        """The sharding of an array over the mesh."""
        return NamedSharding(self.mesh, spec)

    def local_tiles(self) -> list[tuple[int, int]]:
        """Row and column of this process's tiles, in order."""
        own = self.sharding(TILES).addressable_devices_indices_map((self.rows, self.columns)).values()
        return sorted((row.start or 0, column.start or 0) for row, column in own)  # type: ignore[misc]

    def shard_map(self, local: Callable[..., Any], in_specs: Sequence[P], out_specs: P) -> Callable[..., Any]:
        """`local`, a function of one device's shards, as a function of whole arrays."""
        return jax.shard_map(local, mesh=self.mesh, in_specs=tuple(in_specs), out_specs=out_specs, check_vma=False)

    def shard(self, tree: T, axis_of: AxisOf) -> T:
        """Whole arrays put on the devices, their words assigned to columns and padded. Every process gives the same
        arrays."""

        def put(path: Any, leaf: Any) -> jax.Array:
            values, vocab = np.asarray(leaf), axis_of(path)
            if vocab:
                values = self._order_by_column(values, vocab)
            sharding = self.sharding(_spec(vocab, values.ndim))
            return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])

        return jax.tree.map_with_path(put, tree)

    def gather(self, tree: T, axis_of: AxisOf) -> T:
        """The inverse of `shard`, as numpy arrays; a collective call, after which every process has all of them."""

        def gathered(path: Any, leaf: jax.Array) -> np.ndarray:
            vocab = axis_of(path)
            return self.to_host(leaf, vocab.axis if vocab else None)

        return jax.tree.map_with_path(gathered, tree)

    def to_host(self, array: jax.Array, axis: int | None = None) -> np.ndarray:
        """One array whole, its words in their own order. axis: that of the words, counted from the end."""
        if not array.is_fully_addressable:
            array = jax.jit(lambda x: x, out_shardings=self.sharding(REPLICATED))(array)
        values = np.array(array)
        return values if axis is None else self._order_by_word(values, axis)

    def constrain(self, tree: T, axis_of: AxisOf) -> T:
        """Within a program: the same arrays, constrained to the sharding that `shard` gives them."""

        def constrained(path: Any, leaf: jax.Array) -> jax.Array:
            return jax.lax.with_sharding_constraint(leaf, self.sharding(_spec(axis_of(path), leaf.ndim)))

        return jax.tree.map_with_path(constrained, tree)

    def _order_by_column(self, values: np.ndarray, vocab: VocabAxis) -> np.ndarray:
        moved = np.moveaxis(values, vocab.axis, 0)
        whole = np.full((self.columns * self.words_per_column, *moved.shape[1:]), vocab.padding, values.dtype)
        whole[: self.vocab_size] = moved
        by_column = whole.reshape(self.words_per_column, self.columns, *moved.shape[1:]).swapaxes(0, 1)
        return np.ascontiguousarray(np.moveaxis(by_column.reshape(whole.shape), 0, vocab.axis))

    def _order_by_word(self, values: np.ndarray, axis: int) -> np.ndarray:
        moved = np.moveaxis(values, axis, 0)
        by_column = moved.reshape(self.columns, self.words_per_column, *moved.shape[1:])
        whole = by_column.swapaxes(0, 1).reshape(moved.shape)
        return np.ascontiguousarray(np.moveaxis(whole[: self.vocab_size], 0, axis))


def _spec(vocab: VocabAxis | None, ndim: int) -> P:
    return REPLICATED if vocab is None else P(*[None] * (ndim + vocab.axis), "vocab")


def parse_mesh(text: str) -> dict[str, int]:
    """`data:4,vocab:2` as sizes by axis, 1 for one that is not named. Raises UserError for anything else."""
    sizes = dict.fromkeys(AXES, 1)
    seen = set()
    for part in text.split(","):
        name, _, size = part.strip().partition(":")
        if name not in AXES or name in seen or not (size.isascii() and size.isdecimal() and int(size) > 0):
            raise UserError(
                f"--mesh={text} must be sizes of the axes {' and '.join(AXES)}, such as data:4,vocab:2; data alone "
                "splits the documents of a batch, vocab the words"
            )
        seen.add(name)
        sizes[name] = int(size)
    return sizes


def make_mesh(text: str, devices: Sequence[jax.Device] | None = None) -> Mesh | None:
    """The mesh that --mesh says, of all devices on `data` where it says nothing; None for a single device.

    devices: those to use; all that there are by default. Raises UserError where there are not as many.
    """
    devices = jax.devices() if devices is None else devices
    sizes = parse_mesh(text) if text else {"data": len(devices), "vocab": 1}
    wanted = sizes["data"] * sizes["vocab"]
    if wanted != len(devices) and (wanted > len(devices) or jax.process_count() > 1):
        raise UserError(
            f"--mesh={text} needs {wanted} devices, and there are {len(devices)} ({devices[0].platform}); give sizes "
            f"whose product is {len(devices)}"
        )
    if wanted == 1:
        return None
    shape = (sizes["data"], sizes["vocab"])
    return jax.make_mesh(shape, AXES, devices=devices[:wanted], axis_types=(AxisType.Auto,) * 2)
