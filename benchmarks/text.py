"""Text to words, words to counts, and the whole way from raw text; seconds a million characters or words, or a call."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.compare import Figures, Row, Side

FIRST_TEXT = "我爱北京天安门，天安门上太阳升。"


def rows() -> list[Row]:
    """Row 6 of the table."""
    ours, in_two = f"{__name__}:our_words", f"{__name__}:in_processes"
    return [
        # First, as it leaves the tables for the others: making them takes memory of its own.
        Row(
            "6 first",
            "a cold process to its first words, tables kept",
            "call",
            Side("ours", f"{__name__}:our_first_words", {}),
            (Side("pkuseg", f"{__name__}:pkuseg_first_words", {}),),
            (5.0,),
            (15.0,),
        ),
        Row(
            "6 words",
            "2 million characters of inews to words, one process",
            "1M characters",
            Side("ours", ours, {}),
            (Side("pkuseg.cut", f"{__name__}:pkuseg_words", {}),),
            (15.0,),
            (30.0,),
            memory=(0.5, 0.25),
        ),
        Row(
            "6 two",
            "4 million characters of inews, two processes and their start",
            "1M characters",
            Side("ours", in_two, {"segmenter": "pkuseg"}),
            (Side("pkuseg", in_two, {"segmenter": "pkuseg_reference"}),),
            (12.0,),
            (25.0,),
        ),
        Row(
            "6 θ",
            "inews, text to θ",
            "document",
            Side("ours", f"{__name__}:our_theta", {}),
            (Side("pkuseg and torch's inference", f"{__name__}:torch_theta", {}),),
            (20.0,),
            (40.0,),
        ),
        Row(
            "6 counts",
            "20 million words, parted by spaces, to counts",
            "1M words",
            Side("ours", f"{__name__}:our_counts", {}),
            (
                Side("scikit-learn's CountVectorizer", f"{__name__}:sklearn_counts", {}),
                Side("gensim's Dictionary and doc2bow", f"{__name__}:gensim_counts", {}),
            ),
            (1.0,),
            (2.0,),
        ),
    ]


def news(characters: int, most: int = sys.maxsize) -> list[Any]:
    """News items of at least so many characters together, or so many of them."""
    from etm_jax.config.build import make_config
    from etm_jax.corpus.sources import find_source

    source = find_source(make_config("default", {"corpus": "inews"}).corpus)
    assert source.documents is not None
    taken: list[Any] = []
    for document in source.documents():
        taken.append(document)
        characters -= len(document.text)
        if characters <= 0 or len(taken) == most:
            break
    return taken


def _per_million(started: float, number: int) -> float:
    return (time.perf_counter() - started) / number * 1e6


def our_words() -> Callable[[], Figures]:
    """To lists of words, an eighth of a million characters at a time, as `etm_jax.prepare` cuts."""
    from etm_jax.corpus.words.pkuseg.decoder import Decoder
    from etm_jax.corpus.words.pkuseg.files import find_model
    from etm_jax.corpus.words.pkuseg.tables_file import load_tables

    texts = [document.text for document in news(2_000_000)]
    decoder, characters = Decoder(load_tables(find_model())), sum(map(len, texts))

    def timed() -> Figures:
        started = time.perf_counter()
        some = (decoder.cut_texts(texts[i : i + 100]) for i in range(0, len(texts), 100))
        words = sum(len(words) for tokens in some for words in tokens.lists())
        return {"seconds": _per_million(started, characters), "words": words}

    timed()
    return timed


def pkuseg_words() -> Callable[[], Figures]:
    """A document at a time."""
    import pkuseg

    texts = [document.text for document in news(2_000_000)]
    cut, characters = pkuseg.pkuseg().cut, sum(map(len, texts))

    def timed() -> Figures:
        started = time.perf_counter()
        words = sum(len(cut(text)) for text in texts)
        return {"seconds": _per_million(started, characters), "words": words}

    return timed


def in_processes(segmenter: str) -> Callable[[], Figures]:
    """Through our processes either way; starting them and loading their models included."""
    from etm_jax.config.corpus_settings import CorpusConfig
    from etm_jax.corpus.words.segment import segment_documents

    documents = news(4_000_000)
    characters = sum(len(document.text) for document in documents)
    config = CorpusConfig(lang="zh", lowercase=False, segmenter=segmenter, workers=2)

    def timed() -> Figures:
        started = time.perf_counter()
        words = sum(len(some.tokens.starts) for some in segment_documents(lambda: iter(documents), config))
        return {"seconds": _per_million(started, characters), "words": words}

    return timed


def _first_words(code: str) -> Callable[[], None]:
    command = [sys.executable, "-c", f"{code}; assert len(cut({FIRST_TEXT!r})) > 5"]
    subprocess.run(command, check=True)
    return lambda: subprocess.run(command, check=True) and None


def our_first_words() -> Callable[[], None]:
    """Python's start included."""
    return _first_words("from etm_jax.corpus.words.segmenters import make_segmenter; cut = make_segmenter('pkuseg')")


def pkuseg_first_words() -> Callable[[], None]:
    """Python's start included."""
    return _first_words("import pkuseg; cut = pkuseg.pkuseg().cut")


def _theta_of(variant: str) -> tuple[Any, Any]:
    from benchmarks.inference import our_theta_of

    return our_theta_of(variant, corpus="inews", segmenter="pkuseg", no_above=0.1)


def our_theta() -> Callable[[], Figures]:
    """Cut, counted and inferred together, as `etm_jax.infer` does."""
    from etm_jax.config.corpus_settings import CorpusConfig
    from etm_jax.corpus.new_documents import counted, segmented, settings_like

    corpus, theta = _theta_of("default")
    settings = settings_like(CorpusConfig(corpus="inews", workers=1), corpus.vocabulary)
    documents = news(10**9, most=300)

    def timed() -> Figures:
        started = time.perf_counter()
        batches = segmented(lambda: iter(documents), settings, corpus.vocabulary)
        for some in counted(batches, settings, corpus.vocabulary):
            theta(some.counts)
        return {"seconds": (time.perf_counter() - started) / len(documents)}

    timed()
    return timed


def torch_theta() -> Callable[[], Figures]:
    """Cut by pkuseg itself, counted by gensim, inferred one by one."""
    import pkuseg
    from gensim.corpora import Dictionary

    from benchmarks.inference import torch_theta_of

    corpus, _ = _theta_of("default")
    theta, cut = torch_theta_of(len(corpus.vocabulary)), pkuseg.pkuseg().cut
    documents, dictionary = news(10**9, most=300), Dictionary([corpus.vocabulary.words])

    def timed() -> Figures:
        started = time.perf_counter()
        for document in documents:
            theta(dictionary.doc2bow(cut(document.text)))
        return {"seconds": (time.perf_counter() - started) / len(documents)}

    return timed


def _spaced() -> tuple[list[str], int]:
    """inews in words by rjieba with spaces between, as often as makes 20 million words, and how many."""
    import rjieba

    once = [" ".join(rjieba.cut(document.text)) for document in news(10**9)]
    words = sum(len(text.split()) for text in once)
    texts = once * round(20_000_000 / words)
    return texts, words * (len(texts) // len(once))


def our_counts() -> Callable[[], Figures]:
    """Cut at spaces, index, filter, count."""
    from etm_jax.config.corpus_settings import CorpusConfig
    from etm_jax.corpus.types import Document
    from etm_jax.corpus.words.segment import segment_documents
    from etm_jax.corpus.words.tokenizer import cleaner
    from etm_jax.corpus.words.vocabulary import count_matrix, filter_words, index_tokens, word_frequencies

    texts, number = _spaced()
    config = CorpusConfig(lang="zh", lowercase=False, segmenter="whitespace", min_token_len=1, workers=1)

    def documents() -> Iterator[Document]:
        return (Document(str(i), text) for i, text in enumerate(texts))

    def timed() -> Figures:
        started = time.perf_counter()
        stream = index_tokens((some.tokens for some in segment_documents(documents, config)), cleaner(config))
        counts = count_matrix(stream, filter_words(word_frequencies(stream), config))
        return {"seconds": _per_million(started, number), "nonzeros": counts.nnz}

    return timed


def sklearn_counts() -> Callable[[], Figures]:
    """Cut at spaces; df by the same limits."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts, number = _spaced()

    def timed() -> Figures:
        started = time.perf_counter()
        counts = CountVectorizer(analyzer=str.split, min_df=5, max_df=0.1).fit_transform(texts)
        return {"seconds": _per_million(started, number), "nonzeros": counts.nnz}

    return timed


def gensim_counts() -> Callable[[], Figures]:
    """As every ETM of others makes them: a dictionary, filtered, and a bag a document."""
    from gensim.corpora import Dictionary

    texts, number = _spaced()

    def timed() -> Figures:
        started = time.perf_counter()
        dictionary = Dictionary(map(str.split, texts))
        dictionary.filter_extremes(no_below=5, no_above=0.1, keep_n=None)
        nonzeros = sum(len(dictionary.doc2bow(text.split())) for text in texts)
        return {"seconds": _per_million(started, number), "nonzeros": nonzeros}

    return timed
