"""Text to words, and words to counts: characters and words a second, shown as seconds a million."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.compare import Figures, Row, Side

LEAST_CHARACTERS = 5_000_000


def rows() -> list[Row]:
    """Row 6 of the table."""
    ours = f"{__name__}:our_segments"
    return [
        Row(
            "6 words",
            "pkuseg, 5 million characters of inews, two workers",
            "1M characters",
            Side("ours, 2 workers", ours, {"workers": 2}),
            (Side("ours, 1 worker", ours, {"workers": 1}), Side("pkuseg.cut", f"{__name__}:pkuseg_segments", {})),
            (1.7,),
            (1.9,),
        ),
        Row(
            "6 counts",
            "vocabulary and counts, inews in words",
            "1M words",
            Side("ours", f"{__name__}:our_counts", {}),
            (
                Side("gensim's Dictionary and doc2bow", f"{__name__}:gensim_counts", {}),
                Side("scikit-learn's CountVectorizer", f"{__name__}:sklearn_counts", {}),
            ),
        ),
    ]


def _documents(least: int = LEAST_CHARACTERS) -> list[Any]:
    """News items of at least so many characters together."""
    from etm_jax.config.build import make_config
    from etm_jax.corpus.sources import find_source

    source = find_source(make_config("default", {"corpus": "inews"}).corpus)
    assert source.documents is not None
    taken, characters = [], 0
    for document in source.documents():
        taken.append(document)
        characters += len(document.text)
        if characters >= least:
            break
    return taken


def our_segments(workers: int) -> Callable[[], Figures]:
    """Starting the processes and loading their models included."""
    import dataclasses

    from etm_jax.config.build import make_config
    from etm_jax.corpus.prepare import resolve
    from etm_jax.corpus.sources import find_source
    from etm_jax.corpus.words.segment import segment_documents

    documents = _documents()
    characters = sum(len(document.text) for document in documents)
    given = make_config("default", {"corpus": "inews", "workers": workers, "segmenter": "pkuseg"}).corpus
    config = dataclasses.replace(resolve(given, find_source(given)), segmenter="pkuseg")

    def timed() -> Figures:
        started = time.perf_counter()
        words = sum(len(tokens) for _, tokens in segment_documents(lambda: iter(documents), config))
        return {"seconds": (time.perf_counter() - started) / characters * 1e6, "words": words}

    return timed


def pkuseg_segments() -> Callable[[], Figures]:
    """A document at a time, loading the model included, as ours."""
    import pkuseg

    documents = _documents()
    characters = sum(len(document.text) for document in documents)

    def timed() -> Figures:
        started = time.perf_counter()
        cut = pkuseg.pkuseg().cut
        words = sum(len(cut(document.text)) for document in documents)
        return {"seconds": (time.perf_counter() - started) / characters * 1e6, "words": words}

    return timed


def _words() -> tuple[list[list[str]], int]:
    """All of inews in words by rjieba, and how many."""
    from etm_jax.config.build import make_config
    from etm_jax.corpus.prepare import resolve
    from etm_jax.corpus.sources import find_source
    from etm_jax.corpus.words.segment import segment_documents

    given = make_config("default", {"corpus": "inews", "segmenter": "rjieba"}).corpus
    documents = _documents(least=10**9)
    tokens = [words for _, words in segment_documents(lambda: iter(documents), resolve(given, find_source(given)))]
    return tokens, sum(map(len, tokens))


def our_counts() -> Callable[[], Figures]:
    """Index, filter, count."""
    from etm_jax.config.build import make_config
    from etm_jax.corpus.words.vocabulary import count_matrix, filter_words, index_tokens

    tokens, number = _words()
    config = make_config("default", {"corpus": "inews", "no_below": 5, "no_above": 0.1, "min_token_len": 1}).corpus

    def timed() -> Figures:
        started = time.perf_counter()
        dictionary, stream = index_tokens(iter(tokens))
        counts = count_matrix(stream, filter_words(dictionary, config))
        return {"seconds": (time.perf_counter() - started) / number * 1e6, "nonzeros": counts.nnz}

    timed()
    return timed


def gensim_counts() -> Callable[[], Figures]:
    """As every ETM of others makes them: a dictionary, filtered, and a bag a document."""
    from gensim.corpora import Dictionary

    tokens, number = _words()

    def timed() -> Figures:
        started = time.perf_counter()
        dictionary = Dictionary(tokens)
        dictionary.filter_extremes(no_below=5, no_above=0.1, keep_n=None)
        bags = [dictionary.doc2bow(words) for words in tokens]
        return {"seconds": (time.perf_counter() - started) / number * 1e6, "nonzeros": sum(map(len, bags))}

    timed()
    return timed


def sklearn_counts() -> Callable[[], Figures]:
    """Given words; df by the same limits."""
    from sklearn.feature_extraction.text import CountVectorizer

    tokens, number = _words()

    def same(words: list[str]) -> list[str]:
        return words

    def timed() -> Figures:
        started = time.perf_counter()
        counts = CountVectorizer(analyzer=same, min_df=5, max_df=0.1).fit_transform(tokens)
        return {"seconds": (time.perf_counter() - started) / number * 1e6, "nonzeros": counts.nnz}

    timed()
    return timed
