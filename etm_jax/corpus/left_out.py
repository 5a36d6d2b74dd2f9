"""Documents that no part of the split has: without text, or emptied by the filters. Results have their rows too."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.fields import Fields
from etm_jax.corpus.store.packed import PackedTexts
from etm_jax.corpus.types import Document, Documents


class BlankRows:
    """Sets documents without text aside, so that they count for nothing, and remembers where they stood.

    documents: starts anew at each call. found: the blank ones of the latest pass, each with its place among all.
    """

    def __init__(self, documents: Callable[[], Iterator[Document]]) -> None:
        self._documents = documents
        self.found: list[tuple[int, Document]] = []

    def others(self) -> Iterator[Document]:
        """The documents that have text."""
        self.found = []
        for place, document in enumerate(self._documents()):
            if document.is_blank:
                self.found.append((place, document))
            else:
                yield document

    def places_of_others(self, number: int) -> np.ndarray:
        """Where each of the others, `number` of them, stood among all documents: [number] int64, rising."""
        has_text = np.ones(number + len(self.found), bool)
        has_text[[place for place, _ in self.found]] = False
        return np.flatnonzero(has_text)


def left_out(emptied: Documents, blank: Sequence[tuple[int, Document]], fields: Fields) -> Documents:
    """The documents of no part, in the order of the input.

    emptied: those that the filters left with too few words, with their places. blank: of `BlankRows.found`.
    """
    assert emptied.places is not None
    assert emptied.tokens is not None
    places = np.concatenate([emptied.places, np.array([place for place, _ in blank], np.int64)])
    order = np.argsort(places)
    none = sp.csr_matrix(np.zeros((len(blank), emptied.counts.shape[1]), np.int32))
    counts = sp.csr_matrix(sp.vstack([emptied.counts, none]))
    values = [fields.values(document.meta, document.id) for _, document in blank]

    def joined(texts: Sequence[str], of_blank: list[str]) -> PackedTexts:
        return PackedTexts.of([*texts, *of_blank]).take(order)

    return Documents(
        sp.csr_matrix(counts[order], dtype=np.int32),
        joined(emptied.ids, [document.id for _, document in blank]),
        joined(emptied.first_words, [""] * len(blank)),
        {name: joined(emptied.meta[name], [row[i] for row in values]) for i, name in enumerate(fields.names)},
        places=places[order],
        tokens=np.concatenate([emptied.tokens, np.zeros(len(blank), np.int64)])[order],
    )
