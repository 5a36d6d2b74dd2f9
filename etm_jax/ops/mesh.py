"""Several devices as a grid: documents are dealt to its rows, words to its columns.

The mesh has the axes `data` and `vocab`. What has a row for each document of a batch is split over `data`; what has
one for each word, over `vocab`; a sparse batch is cut into tiles, one a device. JAX's own runtime moves what has to
move. D rows, W columns, B documents of a batch, V words.

Words are dealt like cards, the j-th to column j mod W, since the first ones are the commonest: so each column has as
much to do. Documents and words that do not come out even are padded: with documents that are not real, and with words
that no document holds and no topic makes. `Grid.place` does so to parameters, and `Grid.collect` undoes it: what is
saved, exported and measured knows nothing of the grid.
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
TILES, MATRIX, DOCS, WORDS, EVERYWHERE = P(*AXES, None), P(*AXES), P("data"), P("vocab"), P()
"""How an array may lie: a part a tile, [D, W, …]; as a matrix [B, V]; by document, [B, …]; by word, [V, …]; whole on
each device.
"""

NEVER = -1e6
"""The logit of a word that is padding: its probability is 0 exactly, and arithmetic with it stays finite."""

T = TypeVar("T")


class VocabAxis(NamedTuple):
    """That an array has an axis of words. axis: counted from the end, −1 or −2, for several seeds' parameters have one
    more in front. padding: the value for what is no word.
    """

    axis: int
    padding: float = 0.0


WordAxis = Callable[[Any], VocabAxis | None]
"""From an array's path in a tree to its axis of words, if it has one."""


@dataclass(frozen=True)
class Grid:
    """Devices, and the sizes of what is dealt to them. Hashable: a static part of each batch.

    batch_size, vocab_size: B and V before padding.
    """

    mesh: Mesh
    batch_size: int
    vocab_size: int

    @property
    def rows(self) -> int:
        """D."""
        return int(self.mesh.shape["data"])

    @property
    def columns(self) -> int:
        """W."""
        return int(self.mesh.shape["vocab"])

    @property
    def docs_each(self) -> int:
        """Documents of a batch in each row, padding included."""
        return -(-self.batch_size // self.rows)

    @property
    def words_each(self) -> int:
        """Words in each column, padding included."""
        return -(-self.vocab_size // self.columns)

    def column(self, word: int) -> int:
        """Where a word stands among those that are dealt."""
        return word % self.columns * self.words_each + word // self.columns

    def sharding(self, spec: P) -> NamedSharding:
        """How an array lies on the devices."""
        return NamedSharding(self.mesh, spec)

    def tiles(self) -> list[tuple[int, int]]:
        """Those of this process, as row and column, in order."""
        own = self.sharding(TILES).addressable_devices_indices_map((self.rows, self.columns)).values()
        return sorted((row.start or 0, column.start or 0) for row, column in own)  # type: ignore[misc]

    def by_tile(self, local: Callable[..., Any], takes: Sequence[P], gives: P) -> Callable[..., Any]:
        """`local`, a function of what lies on one device, as one of what lies on all."""
        return jax.shard_map(local, mesh=self.mesh, in_specs=tuple(takes), out_specs=gives, check_vma=False)

    def place(self, tree: T, word_axis: WordAxis) -> T:
        """Arrays as they are without a grid, dealt to the devices. Every process gives the same."""

        def placed(path: Any, leaf: Any) -> jax.Array:
            values, words = np.asarray(leaf), word_axis(path)
            if words:
                values = self._dealt(values, words)
            sharding = self.sharding(_spec(words, values.ndim))
            return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])

        return jax.tree.map_with_path(placed, tree)

    def collect(self, tree: T, word_axis: WordAxis) -> T:
        """The inverse of `place`, as numpy arrays; every process takes part in it and has all of them."""

        def collected(path: Any, leaf: jax.Array) -> np.ndarray:
            words = word_axis(path)
            return self.to_host(leaf, words.axis if words else None)

        return jax.tree.map_with_path(collected, tree)

    def to_host(self, array: jax.Array, axis: int | None = None) -> np.ndarray:
        """One array whole, its words in their own order again. axis: that of the words, counted from the end."""
        if not array.is_fully_addressable:
            array = jax.jit(lambda x: x, out_shardings=self.sharding(EVERYWHERE))(array)
        values = np.array(array)
        return values if axis is None else self._undealt(values, axis)

    def kept(self, tree: T, word_axis: WordAxis) -> T:
        """Within a program: the same arrays, told to lie as `place` lays them."""

        def told(path: Any, leaf: jax.Array) -> jax.Array:
            return jax.lax.with_sharding_constraint(leaf, self.sharding(_spec(word_axis(path), leaf.ndim)))

        return jax.tree.map_with_path(told, tree)

    def _dealt(self, values: np.ndarray, words: VocabAxis) -> np.ndarray:
        moved = np.moveaxis(values, words.axis, 0)
        whole = np.full((self.columns * self.words_each, *moved.shape[1:]), words.padding, values.dtype)
        whole[: self.vocab_size] = moved
        dealt = whole.reshape(self.words_each, self.columns, *moved.shape[1:]).swapaxes(0, 1)
        return np.ascontiguousarray(np.moveaxis(dealt.reshape(whole.shape), 0, words.axis))

    def _undealt(self, values: np.ndarray, axis: int) -> np.ndarray:
        moved = np.moveaxis(values, axis, 0)
        whole = moved.reshape(self.columns, self.words_each, *moved.shape[1:]).swapaxes(0, 1).reshape(moved.shape)
        return np.ascontiguousarray(np.moveaxis(whole[: self.vocab_size], 0, axis))


def _spec(words: VocabAxis | None, ndim: int) -> P:
    return EVERYWHERE if words is None else P(*[None] * (ndim + words.axis), "vocab")


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
