"""How a document is shown where there is no room for all of it: by the beginning of its text."""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.words.normalize import normalize

FIRST_WORDS = 60  # characters

SHOWN = 260
"""Number of characters of a text that the report shows."""


def beginning_of(text: str) -> str:
    """The first words of a text with blanks folded, by which a document is recognised."""
    # Ten times the length leaves enough text after blanks are folded.
    return _shortened(normalize(text[: 10 * FIRST_WORDS], nfkc=False, lowercase=False))


def shown_text(text: str) -> str:
    """What the report shows of a document: the beginning of its text, with blanks folded."""
    size = 2 * SHOWN
    # Of a long text only as much is processed as is needed.
    while len(folded := " ".join(text[:size].split())) <= SHOWN and size < len(text):
        size *= 4
    return folded if len(folded) <= SHOWN else folded[:SHOWN] + "…"


def commonest_words(counts: sp.csr_matrix, words: Sequence[str]) -> Iterator[str]:
    """For each document of counts [D, V] CSR its most frequent words, in place of first words, which counts lack."""
    for start, stop in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        order = np.argsort(-counts.data[start:stop], kind="stable")[:12]
        yield _shortened(" ".join(words[j] for j in counts.indices[start:stop][order]))


def _shortened(text: str) -> str:
    """The text, shortened to `FIRST_WORDS` characters."""
    return text if len(text) <= FIRST_WORDS else text[:FIRST_WORDS] + "…"
