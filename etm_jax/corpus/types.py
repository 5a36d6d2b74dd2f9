"""What a prepared corpus is. Everything later reads these and nothing earlier."""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Document:
    """One document as it was read: either `text`, or `tokens` where it came segmented."""

    id: str
    text: str = ""
    tokens: list[str] | None = None


@dataclass(frozen=True)
class Vocabulary:
    """The V words of the model in column order, and how they came to be.

    doc_freq, term_freq: [V] int64, documents that hold the word and its occurrences, over the training documents.
    segmenter: name and version of what cut the text, e.g. `pkuseg 0.0.25`; `none` for a corpus that came as counts.
    """

    words: list[str]
    doc_freq: np.ndarray
    term_freq: np.ndarray
    num_docs: int
    segmenter: str

    def __len__(self) -> int:
        return len(self.words)

    @property
    def hash(self) -> str:
        """SHA-256 of the words in order: two models with the same hash have the same columns."""
        import hashlib

        return hashlib.sha256("\n".join(self.words).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Documents:
    """One part of the split. counts: [D, V] CSR int32 with sorted indices; ids and first words: D of each."""

    counts: sp.csr_matrix
    ids: list[str]
    first_words: list[str]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class TokenStream:
    """The running text of the training documents, before the vocabulary was filtered, for training word vectors.

    ids: [N] int32 into `words`; starts: [D+1] int64, where each document begins and the last one ends.
    """

    words: list[str]
    ids: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True)
class FilterReport:
    """What filtering did to the corpus."""

    docs_before: int
    docs_after: int
    tokens_before: int
    tokens_after: int
    words_before: int
    words_after: int
    median_length_before: float
    median_length_after: float


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus.

    name: what was really used (a path or a corpus' name). digest: SHA-256 over the input bytes and every option that
    matters. test_h1, test_h2: [T, V] CSR, two random halves of the test documents' tokens. text: None where the corpus
    came as counts. report: None where nothing was filtered here.
    """

    name: str
    digest: str
    vocabulary: Vocabulary
    train: Documents
    valid: Documents
    test: Documents
    test_h1: sp.csr_matrix
    test_h2: sp.csr_matrix
    text: TokenStream | None = field(default=None, repr=False)
    report: FilterReport | None = None
