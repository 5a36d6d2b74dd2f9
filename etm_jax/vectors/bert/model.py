"""An encoder in memory, and how it runs over texts: batches of like length, in few shapes, on all devices."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from etm_jax.ops.mesh import make_mesh
from etm_jax.util.console import track
from etm_jax.util.digests import file_digest
from etm_jax.util.errors import UserError
from etm_jax.vectors.bert.config import CONFIG, BertConfig, read_config
from etm_jax.vectors.bert.encoder import Params, encode
from etm_jax.vectors.bert.pooling import Pooling, pool, pooling_of
from etm_jax.vectors.bert.tokens import Pieces, TextPieces
from etm_jax.vectors.bert.weights import read_params, weight_files

DTYPES = ("float32", "bfloat16")

SHAPES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Numbers of pieces that texts are padded to, each compiled once. Multiples of 512 follow."""

PIECES = {"cpu": 1536, "gpu": 65536, "tpu": 65536}
"""Pieces of a batch on each device. On CPUs larger ones leave the caches: 4,096 at once take twice as long a piece."""

_AHEAD = 2
"""Batches that a device has been given before the first of them is fetched."""


class Batch(NamedTuple):
    """Some texts, padded. rows: [n] their numbers. ids: [B, T] int32 with B ≥ n. lengths: [B] int32, 1 for no text."""

    rows: np.ndarray
    ids: np.ndarray
    lengths: np.ndarray


class Encoder:
    """What a folder holds, checked. config, pieces, pooling, digest: of the encoder.

    digest: SHA-256 over the bytes of weights, settings and tokenizer, and the pooling.
    """

    def __init__(self, folder: str | Path, pooling: str | None = None, dtype: str = "float32") -> None:
        """Raises UserError where the folder cannot be read, as the files that read its parts say."""
        if dtype not in DTYPES:
            raise UserError(f"dtype={dtype!r} is not computed here; give one of {', '.join(DTYPES)}")
        self.folder, self.dtype = model_folder(folder), dtype
        self.config = read_config(self.folder)
        self.pooling = pooling_of(self.folder, pooling)
        self.tokenize = TextPieces(self.folder, self.config)
        self.digest = _digest(self.folder, self.tokenize, self.pooling)
        self._params: Params | None = None
        self.mesh = make_mesh("", jax.local_devices())

    def params(self) -> Params:
        """The weights on the devices, read when they are first asked for."""
        if self._params is None:
            # JAX's type, which numpy has none of by itself.
            dtype = jnp.dtype(self.dtype)
            arrays = read_params(self.folder, self.config)
            where = None if self.mesh is None else NamedSharding(self.mesh, P())
            self._params = jax.tree.map(lambda array: jax.device_put(array.astype(dtype, copy=False), where), arrays)
        return self._params

    def pooled(self, pieces: Pieces, label: str) -> np.ndarray:
        """A vector for each text: [D, H] float32."""
        matrix = np.zeros((len(pieces.starts) - 1, self.config.width), np.float32)
        program = partial(_pooled, config=self.config, pooling=self.pooling)
        for batch, found in self.run(program, pieces, label):
            matrix[batch.rows] = found[: len(batch.rows)]
        return matrix

    def run(
        self, program: Callable[[Params, jax.Array, jax.Array], jax.Array], pieces: Pieces, label: str
    ) -> Iterator[tuple[Batch, np.ndarray]]:
        """What a compiled function of (parameters, ids, lengths) gives for batches of the texts, with progress.

        Raises UserError where a number of it is nan or inf.
        """
        waiting: deque[tuple[Batch, jax.Array]] = deque()
        devices = 1 if self.mesh is None else self.mesh.size
        plan = batches(np.diff(pieces.starts), self.tokenize.max_pieces, jax.default_backend(), devices)
        for rows, shape in track(plan, label, unit="batches"):
            batch = _padded(pieces, rows, shape)
            waiting.append((batch, program(self.params(), *map(self._placed, batch[1:]))))
            if len(waiting) > _AHEAD:
                yield self._fetched(*waiting.popleft())
        while waiting:
            yield self._fetched(*waiting.popleft())

    def _placed(self, array: np.ndarray) -> jax.Array:
        return jax.device_put(array, None if self.mesh is None else NamedSharding(self.mesh, P("data")))

    def _fetched(self, batch: Batch, found: jax.Array) -> tuple[Batch, np.ndarray]:
        values = np.asarray(found)
        if not np.isfinite(values[: len(batch.rows)]).all():
            raise UserError(
                f"{self.folder}: the encoder gives nan or inf in {self.dtype}; its weights are damaged or too large"
            )
        return batch, values


@partial(jax.jit, static_argnames=("config", "pooling"))
def _pooled(params: Params, ids: jax.Array, lengths: jax.Array, *, config: BertConfig, pooling: Pooling) -> jax.Array:
    last = min(pooling.layers, config.layers)
    return pool(encode(params, config, ids, lengths, last), lengths, pooling).astype(jnp.float32)


def batches(lengths: np.ndarray, most: int, platform: str, devices: int) -> list[tuple[np.ndarray, tuple[int, int]]]:
    """The texts of each batch, the longest first, and its shape (B, T). lengths: [D], pieces of each text, ≤ most.

    B is what `PIECES` allows, or for the last batch the least power of 2 that holds it, times the number of devices.
    """
    order, plan, low = np.argsort(-lengths, kind="stable"), [], 0
    while low < len(order):
        longest = int(lengths[order[low]])
        width = next((shape for shape in SHAPES if shape >= longest), -(-longest // SHAPES[-1]) * SHAPES[-1])
        # Beyond the longest text there are no positions.
        width = min(width, most)
        full = max(1, PIECES.get(platform, PIECES["cpu"]) // width)
        left = -(-(len(order) - low) // devices)
        rows = devices * min(full, 1 << (left - 1).bit_length())
        plan.append((order[low : low + rows], (rows, width)))
        low += rows
    return plan


def _padded(pieces: Pieces, rows: np.ndarray, shape: tuple[int, int]) -> Batch:
    ids, lengths = np.zeros(shape, np.int32), np.ones(shape[0], np.int32)
    for place, row in enumerate(rows.tolist()):
        low, high = pieces.starts[row], pieces.starts[row + 1]
        ids[place, : high - low] = pieces.ids[low:high]
        lengths[place] = max(1, high - low)
    return Batch(rows, ids, lengths)


def model_folder(folder: str | Path) -> Path:
    """The folder of an encoder. Raises UserError where there is none."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise UserError(
            f"{path} is no folder; give that of a model as the hub lays it out (BUILD.md says how to bring one)"
        )
    return path


def _digest(folder: Path, tokenize: TextPieces, pooling: Pooling) -> str:
    """As `Encoder.digest`. Raises UserError where a file cannot be read."""
    found = hashlib.sha256(f"{pooling.name} {pooling.unit} {tokenize.max_pieces}\n".encode())
    for path in (folder / CONFIG, *weight_files(folder), *tokenize.files):
        try:
            seen = path.stat()
            found.update(f"{path.name} {_file_digest(path.resolve(), seen.st_size, seen.st_mtime_ns)}\n".encode())
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    return found.hexdigest()


@lru_cache(maxsize=64)
def _file_digest(path: Path, _size: int, _changed: int) -> str:
    """Of a file as it was at that time: weights are gigabytes, and are read once a process for it."""
    return file_digest(path)
