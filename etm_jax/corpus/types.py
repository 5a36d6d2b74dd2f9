"""What a prepared corpus is. Everything later reads these and nothing earlier."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.metadata import Metadata


@dataclass(frozen=True)
class Document:
    """One document as it was read: either `text`, or `tokens` where it came segmented.

    meta: its values by field, of the fields that were asked for; "" for one that it has no value of.
    """

    id: str
    text: str = ""
    tokens: list[str] | None = None
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Whether it has no text, as a row of a table may: nothing is learnt from it, and results have its row."""
        return self.tokens is None and not self.text.strip()


@dataclass(frozen=True)
class Counted:
    """A corpus that comes as counts, in its parts. Each matrix: [D, V] CSR over the columns `words`.

    names, meta: by part (train, valid, test) the names of its documents, and by field their values as text; a part that
    `names` lacks has names by number. rows: by part where they stood among all that were read; empty where the parts
    came one after the other.
    """

    words: list[str]
    train: sp.csr_matrix
    valid: sp.csr_matrix
    test_h1: sp.csr_matrix
    test_h2: sp.csr_matrix
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    meta: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    rows: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A corpus that was found but not yet read.

    files: those whose bytes decide its content. lang: `zh`, `en`, or `""` where the corpus does not say. segmenter: the
    one that suits it (`gold` where documents carry tokens), or `""` to go by the language. Exactly one of `documents`,
    which starts anew at each call, `counted`, and `prepared`, a folder of shards, is given. form: where it is none of
    those that files' names tell, of `config.corpus_settings.FORMS`. fields: those of metadata that such a form brings.
    records: whether documents are the records of a file, rows of a table or JSON objects. earlier: the same corpus as
    versions of before read it, where that is another one: without files that they did not know.
    """

    name: str
    files: list[Path]
    lang: str = ""
    segmenter: str = ""
    documents: Callable[[], Iterator[Document]] | None = None
    counted: Callable[[], Counted] | None = None
    prepared: Path | None = None
    form: str = ""
    fields: tuple[str, ...] = ()
    records: bool = False
    earlier: "Source | None" = None


@dataclass(frozen=True)
class Phrases:
    """Runs of words that count as one word (`etm_jax.corpus.words.phrases`).

    passes: for each pass over a text the phrases that it joins, each the words of the text as the passes before left
    it. connectors: words that a phrase may have inside, but neither begins nor ends with.
    """

    passes: tuple[tuple[tuple[str, ...], ...], ...]
    connectors: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.passes))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"passes": self.passes, "connectors": self.connectors}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError where they are not phrases."""
        passes = tuple(tuple(map(tuple, each)) for each in values["passes"])
        connectors = tuple(values["connectors"])
        phrases = [phrase for each in passes for phrase in each]
        if not all(isinstance(word, str) for words in (*phrases, connectors) for word in words):
            raise ValueError("its phrases are no lists of words")
        inside = frozenset(connectors)
        if not all(len(phrase) >= 2 and inside.issuperset(phrase[1:-1]) for phrase in phrases):
            raise ValueError("its phrases hold others than connectors inside")
        return cls(passes, connectors)


@dataclass(frozen=True)
class Vocabulary:
    """The V words of the model in column order, and how they came to be.

    doc_freq, term_freq: [V] int64, documents that hold the word and its occurrences, over the training documents.
    segmenter: name and version of what cut the text, e.g. `pkuseg 0.0.25`; `none` for a corpus that came as counts.
    advertisements: the lines that --clean=novel found to repeat, as `etm_jax.corpus.words.novel_text` knows them.
    phrases: those that were joined before the words were counted, None where none were to be.
    user_words: what --user_dict kept whole, as `CorpusConfig.user_words`.
    """

    words: list[str]
    doc_freq: np.ndarray
    term_freq: np.ndarray
    num_docs: int
    segmenter: str
    advertisements: tuple[str, ...] = ()
    phrases: Phrases | None = field(default=None, repr=False)
    user_words: str = field(default="", repr=False)

    def __len__(self) -> int:
        return len(self.words)

    @property
    def hash(self) -> str:
        """SHA-256 of the words in order: two models with the same hash have the same columns."""
        return hashlib.sha256("\n".join(self.words).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Documents:
    """One part of the split. counts: [D, V] CSR int32 with sorted indices; ids and first words: D of each.

    meta: by field, D values as text, "" for none (`etm_jax.corpus.metadata`). texts: the beginnings of the D texts, as
    the report shows them, "" for one that was not kept; places: [D] int64, rising, where each document stood among all
    that were read; tokens: [D] int64, its words in all, before any were filtered out. Each of the three is None where
    it was not asked for, or nobody kept it.
    """

    counts: sp.csr_matrix
    ids: Sequence[str]
    first_words: Sequence[str]
    meta: Mapping[str, Sequence[str]] = field(default_factory=dict)
    texts: Sequence[str] | None = field(default=None, repr=False)
    places: np.ndarray | None = field(default=None, repr=False)
    tokens: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class TokenStream:
    """The words of D documents, N in all, as numbers. Before the vocabulary is filtered, for training word vectors.

    words: W different ones; ids: [N] int32 into `words`; starts: [D+1] int64, where each document begins and the last
    one ends.
    """

    words: list[str]
    ids: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1


class StreamedDocuments(NamedTuple):
    """Some documents of a stream. counts: [n, V] CSR int32; extras: by field [n], as of `Metadata.encode`."""

    counts: sp.csr_matrix
    extras: dict[str, np.ndarray]


class DocumentStream(Protocol):
    """Training documents that are not in memory: `etm_jax.corpus.shards.Stream`, which says more of each.

    num_docs, num_words, nnz: D, V and the nonzeros of the counts [D, V]. block_docs: what a batch is a multiple of.
    lengths, longest: nonzeros of a fair choice of documents, and of the longest, falling.
    """

    num_docs: int
    num_words: int
    nnz: int
    block_docs: int
    lengths: np.ndarray
    longest: np.ndarray

    def num_steps(self, batch_size: int) -> int:
        """Steps of an epoch."""

    def epoch(
        self,
        seed: int,
        epoch: int,
        batch_size: int,
        first_step: int = 0,
        part: int = 0,
        num_parts: int = 1,
        workers: int = 0,
    ) -> Iterator[StreamedDocuments]:
        """Each step's documents, or one of the equal parts of each."""


@dataclass(frozen=True)
class FilterReport:
    """What filtering did to the corpus.

    cleaned: what --clean dropped before, by rule. stopwords, stopwords_found: words of --stopwords, and those of them
    that the text holds.
    """

    docs_before: int
    docs_after: int
    tokens_before: int
    tokens_after: int
    words_before: int
    words_after: int
    median_length_before: float
    median_length_after: float
    cleaned: Mapping[str, int] = field(default_factory=dict)
    stopwords: int = 0
    stopwords_found: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for the constructor, without those of what was not asked for, which earlier versions lack."""
        values = vars(self) | {"cleaned": dict(self.cleaned)}
        absent = {"cleaned"} if not self.cleaned else set()
        absent |= {"stopwords", "stopwords_found"} if not self.stopwords else set()
        return {name: value for name, value in values.items() if name not in absent}


class Contexts(NamedTuple):
    """What the documents of a corpus have of --context, vectors of C numbers.

    parts: by part (train, valid, test, test_h1) the documents' vectors, [D, C] float32; empty where they are made of
    the counts and of `words`, [V, C] float32. Those of test_h1 know nothing of the other halves. digest: SHA-256 of
    what made them, by which another model is known, or of the vectors themselves where they came as such; empty for
    `words`, which the model keeps. origin: what made them, for display.
    """

    parts: Mapping[str, np.ndarray]
    words: np.ndarray | None
    digest: str
    origin: str

    @property
    def dim(self) -> int:
        """C."""
        return int((self.parts["train"] if self.words is None else self.words).shape[1])


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus.

    name: what was really used (a path or a corpus' name). digest: SHA-256 over the input bytes and every option that
    matters. test_h1, test_h2: [T, V] CSR, two random halves of the test documents' tokens. text: None where the corpus
    came as counts. report: None where nothing was filtered here. stream: of a folder of shards, all training documents;
    `train` is then a sample of them. metadata: what the fields of its documents' `meta` are. left: documents of no
    part, as they have no text or were emptied by the filters; None where nobody kept them. contexts: where the model
    reads vectors of its documents.
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
    stream: DocumentStream | None = field(default=None, repr=False)
    metadata: Metadata = field(default_factory=Metadata)
    left: Documents | None = field(default=None, repr=False)
    contexts: Contexts | None = field(default=None, repr=False)

    def all_documents(self) -> Documents:
        """The documents in memory for training, validation and test, one part after the other."""
        parts = (self.train, self.valid, self.test)
        counts = sp.csr_matrix(sp.vstack([part.counts for part in parts]))
        ids, first = ([x for part in parts for x in getattr(part, name)] for name in ("ids", "first_words"))
        meta = {name: [value for part in parts for value in part.meta[name]] for name in self.metadata.names}
        return Documents(counts, ids, first, meta)

    @property
    def num_train(self) -> int:
        """Documents to train on, whether they are in memory or not."""
        return self.stream.num_docs if self.stream else len(self.train)
