"""The random draws of a document: its part of the split, and its sort key.

They depend on the document's file, its number in it and the seed alone: not on the process that reads it, nor on other
documents.
"""

import hashlib
from typing import NamedTuple

import numpy as np

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)


class Draws(NamedTuple):
    """Draws of D documents. parts: [D] uint8, indices into `PARTS`; keys: [D] uint64, by which documents are sorted."""

    parts: np.ndarray
    keys: np.ndarray


def draw(name: str, numbers: np.ndarray, seed: int, valid_share: float, test_share: float) -> Draws:
    """The draws of documents of the file `name`. numbers: [D], their numbers in it; seed: of the split."""
    content = f"{seed}/{name}".encode("utf-8", "surrogatepass")
    file_key = np.frombuffer(hashlib.blake2b(content, digest_size=8).digest(), "<u8")[0].astype(np.uint64)
    keys = _mixed(file_key ^ _mixed(numbers.astype(np.uint64)))
    uniform = (_mixed(keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    # Test first: whether a document is a test document does not depend on the share for validation.
    parts = np.where(uniform < test_share, TEST, np.where(uniform < test_share + valid_share, VALID, TRAIN))
    return Draws(parts.astype(np.uint8), keys)


def shard_of(keys: np.ndarray, num_shards: int) -> np.ndarray:
    """Which of `num_shards` equal ranges each key is in. keys: [D] uint64 → [D] int64, increasing with the key."""
    return ((keys >> np.uint64(32)) * np.uint64(num_shards) >> np.uint64(32)).astype(np.int64)


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64 (Steele, Lea and Flood 2014): a permutation of the 64-bit numbers that looks random.

    [D] → [D] uint64.
    """
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))
