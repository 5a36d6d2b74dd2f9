"""What is decided by lot: the part of a document, and its place. No matter who reads it, or with what others."""

import hashlib
from typing import NamedTuple

import numpy as np

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)


class Draws(NamedTuple):
    """Of D documents. parts: [D] uint8, places in `PARTS`; keys: [D] uint64, by which documents are put in order."""

    parts: np.ndarray
    keys: np.ndarray


def draw(name: str, numbers: np.ndarray, seed: int, valid_share: float, test_share: float) -> Draws:
    """The lots of some documents of the file `name`, by their numbers in it [D] and the seed of the split alone."""
    content = f"{seed}/{name}".encode("utf-8", "surrogatepass")
    file_key = np.frombuffer(hashlib.blake2b(content, digest_size=8).digest(), "<u8")[0].astype(np.uint64)
    keys = _mixed(file_key ^ _mixed(numbers.astype(np.uint64)))
    lots = (_mixed(keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    # From the end: a document is drawn for the test whatever the share for validation.
    parts = np.where(lots < test_share, TEST, np.where(lots < test_share + valid_share, VALID, TRAIN))
    return Draws(parts.astype(np.uint8), keys)


def shard_of(keys: np.ndarray, num_shards: int) -> np.ndarray:
    """Which of so many equal ranges each key lies in: [D] int64, rising with the key."""
    return ((keys >> np.uint64(32)) * np.uint64(num_shards) >> np.uint64(32)).astype(np.int64)


def _mixed(values: np.ndarray) -> np.ndarray:
    """A permutation of the 64-bit numbers that looks random: SplitMix64 (Steele, Lea, Flood, 2014)."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))
