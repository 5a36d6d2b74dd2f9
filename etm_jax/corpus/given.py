"""Documents that Python hands over, as strings, lists of words or counts: what they are, and their counts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.counts import as_weights, check_words
from etm_jax.corpus.new_documents import counted, segmented, settings_like, unknown_words
from etm_jax.corpus.types import Document, Vocabulary
from etm_jax.corpus.words.tokens import GIVEN
from etm_jax.util.arrays import canonical
from etm_jax.util.console import warn
from etm_jax.util.errors import UserError

TABLE_OF_TEXT = "a table of text is no table of counts; give its column of texts, as X['text']"

Cut = Callable[[list[Any]], list[Any]]
"""What is done to texts before anything else, such as putting empty documents where some are missing."""


def read_given(documents: Any, vocab: Any, cut: Cut | None = None) -> tuple[list[Any] | None, list[str] | None]:
    """Documents that are texts, of `as_texts`, else None; and the names of counts' columns, of `names_of_columns`.

    Raises UserError as those do, and for `vocab` with texts.
    """
    texts = as_texts(documents)
    if texts is not None and cut:
        texts = cut(texts)
    if texts is None:
        return None, names_of_columns(documents, vocab)
    if vocab is not None:
        raise UserError("vocab names the columns of counts, but texts were given; leave it out")
    return texts, None


def given_over_words(
    estimator: Any,
    documents: Any,
    vocab: Any,
    config: CorpusConfig,
    vocabulary: Vocabulary,
    unknown: Counter[str] | None = None,
    cut: Cut | None = None,
) -> tuple[list[Any], sp.csr_matrix]:
    """Documents in any form, counts as the numbers of their rows, and their counts over a model's V words: [D, V] CSR.

    estimator: what scikit-learn is to check counts for. vocab: as of `read_given`. config: that the model's corpus was
    prepared by. unknown: counter to which words outside the vocabulary are added. Raises UserError, and ValueError as
    `valid_counts` does.
    """
    texts, names = read_given(documents, vocab, cut)
    unnamed = is_unnamed(vocabulary)
    if texts is not None:
        if texts and unnamed and hasattr(estimator, "n_features_in_"):
            raise UserError(
                "texts were given to a model that was fitted to counts without the words of their columns; give counts "
                "with the same columns, or the model its words by name_words"
            )
        counts = texts_over_words(texts, config, vocabulary, unknown)
        if 2 * (without := int((np.diff(counts.indptr) == 0).sum())) > len(texts):
            warn(
                f"{without:,} of {len(texts):,} documents hold no word that the model knows; they have the prior's "
                "topics: is the text of another subject or language, or cut by another segmenter?"
            )
        return texts, counts
    if vocab is None and (unnamed or hasattr(estimator, "feature_names_in_")):
        names = None  # scikit-learn compares a table's columns with those before, where there were any.
    counts = valid_counts(estimator, documents, reset=False, named=names is not None)
    return list(range(counts.shape[0])), counts_over_words(counts, names, vocabulary, unknown)


def as_texts(documents: Any) -> list[Any] | None:
    """Documents given as strings or as lists of words, as a list of them; None where they are given as counts.

    Raises UserError for what is no collection of documents, and where their order is not known.
    """
    if isinstance(documents, str | bytes):
        raise UserError("one string is no corpus; give a list of strings, one a document")
    if sp.issparse(documents):
        return None  # Some of scipy's are dictionaries too.
    if isinstance(documents, Mapping | Set):
        raise UserError(f"a {type(documents).__name__} is no list of documents; give a list of strings, one a document")
    if getattr(documents, "ndim", 1) != 1 or not isinstance(documents, Iterable):
        return None
    given = _as_list(documents)
    if given and isinstance(given[0], Mapping):
        raise UserError(
            "documents are records, with a value for each field; give their texts alone, as X['text'] of a dataset, or "
            "[row['text'] for row in X]"
        )
    # Of a list of rows of numbers, the first element of each tells.
    return given if not given or any(map(_is_text, given)) or all(map(is_missing, given)) else None


def _as_list(documents: Iterable[Any]) -> list[Any]:
    """The documents, with Python's values in place of another library's scalars: those of Arrow and Polars."""
    for convert in ("to_pylist", "to_list"):
        if hasattr(documents, convert) and not hasattr(documents, "columns"):
            return list(getattr(documents, convert)())
    return list(documents)


def is_missing(document: Any) -> bool:
    """Whether a table has this where it has no value: None, NaN, or what pandas calls NA and NaT."""
    if document is None or document is np.ma.masked or type(document).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(document, float | np.floating) and bool(np.isnan(document))


def with_empty_for_missing(texts: list[Any]) -> list[Any]:
    """The texts with a document without words in place of each that is missing."""
    as_lists = next((not isinstance(text, str | bytes) for text in texts if not is_missing(text)), False)
    return [([] if as_lists else "") if is_missing(text) else text for text in texts]


def _is_text(document: Any) -> bool:
    if isinstance(document, list | tuple | np.ndarray) and np.ndim(document) != 0:
        return not len(document) or isinstance(document[0], str)
    return isinstance(document, str | bytes)


def as_documents(texts: Sequence[Any]) -> Iterator[Document]:
    """The documents of strings or lists of words, named by their place in the list, from 0.

    Raises UserError, which names the document, for one that is missing or neither.
    """
    for i, document in enumerate(texts):
        if isinstance(document, str):
            yield Document(str(i), document)
        elif isinstance(document, list | tuple | np.ndarray) and np.ndim(document) != 0:
            odd = next((place for place, word in enumerate(document) if not isinstance(word, str)), None)
            if odd is not None:
                raise UserError(f"document {i}: its word {odd} is {_shown(document[odd])}, not text; leave it out")
            yield Document(str(i), tokens=list(map(str, document)))
        else:
            cure = "decode it" if isinstance(document, bytes) else "leave it out, or give '' for one without words"
            if is_missing(document):
                cure = "leave it out, or give missing='empty' for documents without words"
            raise UserError(f"document {i} is {_shown(document)}, neither text nor a list of words; {cure}")


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"


def names_of_columns(counts: Any, vocab: Any) -> list[str] | None:
    """The words that the columns of counts stand for, as they were given; None where they were not.

    vocab: the words in order, a dictionary from words to columns or from columns to words, or what made the counts, a
    transformer of scikit-learn that names its columns. Where there is none, the names of a table's columns. Raises
    UserError where they are in no order, or are no words.
    """
    columns = list(getattr(counts, "columns", ()))
    of_table = list(map(str, columns)) if columns and all(isinstance(name, str) for name in columns) else None
    if vocab is None:
        if of_table is not None:
            check_words(of_table, "the table")
        return of_table
    if hasattr(vocab, "get_feature_names_out"):
        vocab = _names_made_by(vocab)
    if isinstance(vocab, str | bytes | Set) or not isinstance(vocab, Iterable):
        raise UserError(f"vocab is a {type(vocab).__name__}; give the words of the columns in their order, as a list")
    words = _in_order(vocab) if isinstance(vocab, Mapping) else list(vocab)
    odd = next((j for j, word in enumerate(words) if not isinstance(word, str)), None)
    if odd is not None:
        raise UserError(f"vocab: the word of column {odd} is {_shown(words[odd])}, not text")
    words = list(map(str, words))
    check_words(words, "vocab")
    if of_table is not None and of_table != words:
        raise UserError("vocab names other words than the columns of the table do; leave one of them out")
    return words


def _names_made_by(transformer: Any) -> Any:
    """The names of the columns that a vectorizer, or the steps of a Pipeline, gave the counts."""
    try:
        return transformer.get_feature_names_out()
    except (AttributeError, ValueError, TypeError) as error:
        # NotFittedError is the first two. Searches and a Pipeline with a memory fit copies of what they are given.
        said = str(error).partition("\n")[0].rstrip(".")
        raise UserError(
            f"vocab is a {type(transformer).__name__} that does not name its columns ({said}); give a fitted one or "
            "a list of the words, or give the fitted model its words by name_words"
        ) from error


def _in_order(vocab: Mapping[Any, Any]) -> list[Any]:
    """The words of `CountVectorizer.vocabulary_`, {word: column}, or of gensim's dictionary, {column: word}."""
    by_column = vocab if all(isinstance(key, Integral) for key in vocab) else {j: word for word, j in vocab.items()}
    if len(by_column) != len(vocab) or set(by_column) != set(range(len(vocab))):
        raise UserError(
            f"vocab is a dictionary that does not give each column from 0 to {len(vocab) - 1} one word; "
            "give the words of the columns in their order, as a list"
        )
    return [by_column[j] for j in range(len(vocab))]


def valid_counts(estimator: Any, counts: Any, *, reset: bool, named: bool = False) -> sp.csr_matrix:
    """Counts in any form, validated by scikit-learn's rules for the estimator: [D, V] CSR of `as_weights`.

    reset: whether it is fitted to them. named: their columns may be others than those that it was fitted to. Raises
    ValueError or UserError, of one line but where scikit-learn's message on names of columns has more, and TypeError
    where a cell of it holds something else than a number.
    """
    # What converts a matrix sums the entries that stand twice in one place, in the type that each of them has.
    from sklearn.utils.validation import check_array, validate_data

    if np.ma.is_masked(counts):
        raise UserError("X is a masked array with missing counts; give X.filled(0), where those are 0, or other rows")
    wide: Any = np.asarray(counts) if isinstance(counts, np.matrix | np.ma.MaskedArray) else counts
    if sp.issparse(counts) and wide.dtype.kind in "biuf":
        wide = wide.astype(np.float64)
    how: dict[str, Any] = {"accept_sparse": "csr", "dtype": "numeric", "ensure_non_negative": True}
    try:
        checked = check_array(wide, **how) if named else validate_data(estimator, wide, reset=reset, **how)
    except ValueError as error:
        if (own := _as_one_line(str(error))) is None:
            raise
        raise UserError(own) from error
    except (TypeError, RuntimeError) as error:
        # What numpy and torch raise of what is no table of numbers.
        said = str(error).partition("\n")[0].rstrip(".")
        if "argument must be" in said:
            raise  # As scikit-learn's own checks have it, of a cell that holds no number.
        if "between instances of 'str' and 'int'" in said:
            raise UserError(TABLE_OF_TEXT) from error  # Of Polars and Arrow.
        why = f" ({said})" if len(said) <= 120 else ""
        raise UserError(
            f"X, of type {type(counts).__name__}, is no table of numbers{why}; give an array, a matrix of scipy.sparse "
            "or a DataFrame of counts"
        ) from error
    if checked.dtype == np.float16:
        checked = checked.astype(np.float32)  # No sparse matrix holds it.
    return as_weights(sp.csr_matrix(checked), "X")


def _as_one_line(said: str) -> str | None:
    """What scikit-learn says of counts that it refuses, for a person who has counts; None where it is said well."""
    first, *more = said.splitlines()
    if "could not convert string" in first:
        return TABLE_OF_TEXT
    if "contains NaN" in first or "contains infinity" in first:
        return f"{first.rstrip('.')}; give counts, which are 0 where a word is not there, or leave those rows out"
    if first.startswith("Complex data"):
        return "X holds complex numbers: Complex data not supported; give counts"
    if not more or first.startswith("The feature names"):
        return None
    return f"{first.rstrip(':')}; {more[-1]}"


def texts_over_words(
    texts: Sequence[Any],
    config: CorpusConfig,
    vocabulary: Vocabulary,
    unknown: Counter[str] | None = None,
    segmenter: str = "",
) -> sp.csr_matrix:
    """Texts as counts over a model's V words: [D, V] CSR int32. config: that the model's corpus was prepared by.

    unknown: counter to which words outside the vocabulary are added. segmenter: in place of the model's own, for
    strings.
    """
    given = list(as_documents(texts))
    if not given:
        return sp.csr_matrix(np.zeros((0, len(vocabulary)), np.int32))
    settings = settings_like(config, vocabulary, segmenter if given[0].tokens is None else GIVEN)
    batches = list(segmented(lambda: iter(given), settings, vocabulary))
    if unknown is not None:
        unknown.update(unknown_words(batches, settings, vocabulary))
    return sp.csr_matrix(sp.vstack([some.counts for some in counted(iter(batches), settings, vocabulary)]))


def counts_over_words(
    counts: sp.csr_matrix, names: Sequence[str] | None, vocabulary: Vocabulary, unknown: Counter[str] | None = None
) -> sp.csr_matrix:
    """Counts [D, W] of the words `names`, as [D, V] over a model's words; without names they are in the model's order.

    unknown: counter to which words outside the vocabulary are added. Raises UserError where none is the model's, or
    there is another number of them.
    """
    if names is None:
        if counts.shape[1] != len(vocabulary):
            raise UserError(f"X has {counts.shape[1]} columns for the model's {len(vocabulary)} words; give vocab")
        return counts
    check_width(names, counts)
    if list(names) == vocabulary.words:
        return counts
    column = {word: j for j, word in enumerate(vocabulary.words)}
    to = np.array([column.get(name, -1) for name in names], np.int64)
    known = np.flatnonzero(to >= 0)
    if not len(known):
        raise UserError(
            f"none of the {len(names):,} columns is called like a word of the model; they are called such as "
            f"{names[0]!r}, and its words are such as {vocabulary.words[0]!r}"
        )
    if unknown is not None:
        times = np.where(to < 0, np.asarray(counts.sum(axis=0)).ravel(), 0)
        unknown.update({names[j]: int(times[j]) for j in np.flatnonzero(times).tolist()})
    moves = (np.ones(len(known), counts.dtype), (known, to[known]))
    return canonical(counts @ sp.csr_matrix(moves, (len(names), len(vocabulary))))


def vocabulary_of(counts: sp.csr_matrix, names: Sequence[str] | None) -> Vocabulary:
    """The words that the columns of counts stand for, of `names_of_columns`; without names their numbers."""
    words = [str(j) for j in range(counts.shape[1])] if names is None else list(names)
    check_width(words, counts)
    if len(words) < 2:
        raise UserError(f"counts of {len(words)} feature(s): topics need at least 2 words")
    doc_freq = np.bincount(counts.indices, minlength=counts.shape[1]).astype(np.int64)
    return Vocabulary(words, doc_freq, np.asarray(counts.sum(axis=0)).ravel(), counts.shape[0], "none")


def is_unnamed(vocabulary: Vocabulary) -> bool:
    """Whether its words are the numbers that `vocabulary_of` gives columns without names."""
    return vocabulary.words == list(map(str, range(len(vocabulary))))


def renamed(vocabulary: Vocabulary, vocab: Any) -> Vocabulary:
    """The vocabulary with the words of `vocab`, of `names_of_columns`, in place of the numbers of its columns.

    Raises UserError as that does, for another number of words, and where it has other words than numbers.
    """
    words = names_of_columns(None, [] if vocab is None else vocab)
    assert words is not None
    if len(words) != len(vocabulary):
        raise UserError(
            f"words: {len(words):,} were given for the {len(vocabulary):,} columns that the model was fitted to"
        )
    if not is_unnamed(vocabulary) and words != vocabulary.words:
        raise UserError(f"the model has words already, such as {vocabulary.words[0]!r}; they stay as they are")
    return replace(vocabulary, words=words)


def check_width(names: Sequence[str], counts: sp.csr_matrix) -> None:
    """Raise UserError where there are not as many names as columns."""
    if len(names) != counts.shape[1]:
        raise UserError(f"vocab has {len(names)} words for {counts.shape[1]} columns of counts")
