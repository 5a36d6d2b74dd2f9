"""Millions of short texts in one piece of memory."""

import codecs
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

ROWS_AT_ONCE = 100_000
BYTES_AT_ONCE = 1 << 20


class PackedTexts(Sequence[str]):
    """A list of texts that cannot be changed, in a third of a list's memory: their UTF-8, one after the other.

    A Python string takes 49 bytes and more besides its characters, which is most of a document's name. Lone surrogates
    stay what they are. content: [N] uint8; starts: [D + 1] int64, where each text begins and the last one ends.
    """

    def __init__(self, content: np.ndarray, starts: np.ndarray) -> None:
        self.content, self.starts = content, starts

    @classmethod
    def of(cls, texts: Iterable[str]) -> "PackedTexts":
        """The texts, packed as they come."""
        packer = Packer()
        for text in texts:
            packer.add(text)
        return packer.packed()

    def checked(self) -> "PackedTexts":
        """Itself. Raises ValueError where its arrays are not what they should be."""
        if self.content.dtype != np.uint8 or self.starts.dtype != np.int64 or self.content.ndim + self.starts.ndim != 2:
            raise ValueError("texts of other types")
        ends = len(self.starts) and (self.starts[0], self.starts[-1]) == (0, len(self.content))
        if not ends or (np.diff(self.starts) < 0).any():
            raise ValueError("texts whose places are not one after the other")
        decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        for low in range(0, len(self.content), BYTES_AT_ONCE):
            decoder.decode(self.content[low : low + BYTES_AT_ONCE].tobytes())
        decoder.decode(b"", final=True)
        if (self.content[self.starts[:-1][np.diff(self.starts) > 0]] & 0xC0 == 0x80).any():
            raise ValueError("texts that begin within a character")
        return self

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        i = place if place >= 0 else place + len(self)
        if not 0 <= i < len(self):
            raise IndexError(place)
        return self.content[self.starts[i] : self.starts[i + 1]].tobytes().decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        ends = iter(self.starts.tolist())
        start = next(ends)
        for end in ends:
            yield self.content[start:end].tobytes().decode("utf-8", "surrogatepass")
            start = end

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    def __repr__(self) -> str:
        return f"PackedTexts.of({list(self)!r})"

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: np.ndarray) -> "PackedTexts":
        """Those of some rows [R], in their order."""
        lengths = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        content = np.empty(starts[-1], np.uint8)
        for low in range(0, len(rows), ROWS_AT_ONCE):
            some = slice(low, low + ROWS_AT_ONCE)
            begin, end = starts[low], starts[min(low + ROWS_AT_ONCE, len(rows))]
            source = np.repeat(self.starts[rows[some]] - starts[:-1][some], lengths[some]) + np.arange(begin, end)
            content[begin:end] = self.content[source]
        return PackedTexts(content, starts)


class Packer:
    """What packs texts one at a time."""

    def __init__(self) -> None:
        self._content, self._starts = bytearray(), array("q", [0])

    def add(self, text: str) -> None:
        """Append a text."""
        self._content += text.encode("utf-8", "surrogatepass")
        self._starts.append(len(self._content))

    def packed(self) -> PackedTexts:
        """All of them, in the same memory. Nothing can be added afterwards."""
        return PackedTexts(np.frombuffer(self._content, np.uint8), np.frombuffer(self._starts, np.int64))
