"""Millions of longer texts in one piece of memory, packed as zlib does it, of which a few are looked at."""

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import overload

import numpy as np

from etm_jax.corpus.store.packed import PackedTexts, Packer

TEXTS = 256
"""Of a block, which is packed as one: enough to repeat themselves, few enough that one is found at once."""

LEVEL = 1
MAX_BLOCK = 1 << 26
"""Bytes that a block may unpack to; a damaged one is not unpacked further."""


class CompressedTexts(Sequence[str]):
    """A list of texts that cannot be changed, `TEXTS` to a block.

    content: [N] uint8, the blocks one after the other; starts: [blocks + 1] int64, where each begins and the last one
    ends; num_packed: how many texts that are; rows: [D] int64, which of them the list holds, all by default.
    """

    def __init__(
        self, content: np.ndarray, starts: np.ndarray, num_packed: int, rows: np.ndarray | None = None
    ) -> None:
        self.content, self.starts, self.num_packed = content, starts, num_packed
        self.rows = np.arange(num_packed) if rows is None else rows
        self._block = lru_cache(maxsize=4)(self._unpacked)

    def checked(self) -> "CompressedTexts":
        """Itself. Raises ValueError where its arrays are not what they should be."""
        if self.content.dtype != np.uint8 or self.starts.dtype != np.int64 or self.content.ndim + self.starts.ndim != 2:
            raise ValueError("texts of other types")
        ends = len(self.starts) and (self.starts[0], self.starts[-1]) == (0, len(self.content))
        if not ends or (np.diff(self.starts) <= 0).any():
            raise ValueError("texts that are not one after the other")
        lengths = [len(self._unpacked(block)) for block in range(len(self.starts) - 1)]
        if sum(lengths) != self.num_packed or any(length != TEXTS for length in lengths[:-1]):
            raise ValueError("more texts, or fewer, than there should be")
        return self

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        block, row = divmod(int(self.rows[place]), TEXTS)
        return self._block(block)[row]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: np.ndarray) -> "CompressedTexts":
        """Those of some places [R], in their order; they share the memory of all."""
        return CompressedTexts(self.content, self.starts, self.num_packed, self.rows[rows])

    def _unpacked(self, block: int) -> PackedTexts:
        packed = self.content[self.starts[block] : self.starts[block + 1]].tobytes()
        try:
            unpacker = zlib.decompressobj()
            data = np.frombuffer(unpacker.decompress(packed, MAX_BLOCK), np.uint8)
        except zlib.error as error:
            raise ValueError(f"its texts are damaged ({error})") from error
        if not unpacker.eof or len(data) < 8:
            raise ValueError("its texts are damaged")
        number = int(data[:8].view("<i8")[0])
        if not 0 <= number <= TEXTS or len(data) < 8 * (number + 2):
            raise ValueError("its texts are damaged")
        starts = data[8 : 8 * (number + 2)].view("<i8").astype(np.int64)
        return PackedTexts(data[8 * (number + 2) :], starts).checked()


class Compressor:
    """What packs texts one at a time."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open, self._held, self._texts = Packer(), 0, 0

    def add(self, text: str) -> None:
        """Append a text."""
        self._open.add(text)
        self._held, self._texts = self._held + 1, self._texts + 1
        if self._held == TEXTS:
            self._close()

    def compressed(self) -> CompressedTexts:
        """All of them. Nothing can be added afterwards."""
        if self._held:
            self._close()
        starts = np.concatenate([[0], np.cumsum([len(block) for block in self._blocks])]).astype(np.int64)
        content = np.frombuffer(b"".join(self._blocks), np.uint8)
        return CompressedTexts(content, starts, self._texts)

    def _close(self) -> None:
        texts = self._open.packed()
        head = np.array([self._held, *texts.starts], "<i8")
        self._blocks.append(zlib.compress(head.tobytes() + texts.content.tobytes(), LEVEL))
        self._open, self._held = Packer(), 0
