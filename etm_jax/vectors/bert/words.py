"""Vectors of words from an encoder of the BERT family: each the mean of what it is in its contexts in the corpus.

A static vector of a contextual encoder as Bommasani, Davis and Cardie 2020 (ACL, 4758–4781) take it: the mean over some
occurrences of the mean over the word's pieces, here of the mean of the last four layers. All count alike.
"""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus
from etm_jax.util.console import note
from etm_jax.util.errors import UserError
from etm_jax.util.threads import libraries
from etm_jax.vectors.base import SourceVectors
from etm_jax.vectors.bert.cache import Kept
from etm_jax.vectors.bert.config import BertConfig, read_config
from etm_jax.vectors.bert.contexts import OCCURRENCES, PASSAGE, Contexts, contexts_of, written_words
from etm_jax.vectors.bert.encoder import Params, encode
from etm_jax.vectors.bert.model import Encoder, model_folder
from etm_jax.vectors.bert.tokens import Pieces, TextPieces
from etm_jax.vectors.bert.weights import weight_files

LAYERS = 4
"""The last ones, whose outputs are averaged; fewer where the model has fewer."""


def check(config: VectorsConfig, counts_of: str | None) -> None:
    """Raise UserError where the folder has no encoder that is computed here, or --emb_dim is more than its width."""
    folder = model_folder(_folder(config))
    found = read_config(folder)
    weight_files(folder)
    TextPieces(folder, found)
    if config.embed_dim is not None and config.embed_dim > found.width:
        raise UserError(
            f"--emb_dim={config.embed_dim} is more than the {found.width} columns of --vectors=bert:{folder}; "
            f"drop --emb_dim or give at most {found.width}"
        )


def make(corpus: Corpus, config: VectorsConfig, seed: int) -> SourceVectors:
    """A vector for every word, centred: from its contexts, or from the word alone where the text lacks it."""
    encoder = Encoder(_folder(config), pooling="cls")
    words = corpus.vocabulary.words
    parts = [word.encode("utf-8", "surrogatepass") for word in words]
    if corpus.text is not None:
        parts += ["\n".join(corpus.text.words).encode("utf-8", "surrogatepass")]
        parts += [corpus.text.ids.tobytes(), corpus.text.starts.tobytes()]
    kept = Kept(f"words {encoder.digest} {encoder.dtype} {OCCURRENCES} {PASSAGE} {LAYERS}", parts)
    found = kept.get((len(words), encoder.config.width))
    if found is None:
        matrix, seen = word_vectors(encoder, corpus)
        kept.put(matrix, np.array([seen]))
    else:
        matrix, seen = found[0], int(found[1][0])
    if seen < len(words):
        why = "the corpus came as counts" if corpus.text is None else "the text lacks them"
        note(f"{encoder.folder.name}: {len(words) - seen:,} words have the vector of the word alone, as {why}")
    origin = f"{encoder.folder.name}, {encoder.config.family} of {encoder.config.layers} layers"
    return SourceVectors(_reduced(matrix, config.embed_dim), np.ones(len(words), bool), origin)


def word_vectors(encoder: Encoder, corpus: Corpus) -> tuple[np.ndarray, int]:
    """Centred vectors [V, H] float32 of the vocabulary's words, and how many of them come from contexts.

    The others are the first pieces of the words alone, centred by those of all words, and brought to the mean norm of
    the words from contexts.
    """
    num_words = len(corpus.vocabulary)
    matrix, times = np.zeros((num_words, encoder.config.width), np.float32), np.zeros(num_words, np.int64)
    if corpus.text is not None:
        matrix, times = from_contexts(encoder, contexts_of(corpus.text, corpus.vocabulary), num_words)
    seen = times > 0
    if seen.any():
        matrix[seen] -= matrix[seen].mean(axis=0)
    if not seen.all():
        written = written_words(corpus.vocabulary, corpus.vocabulary.words)
        alone = encoder.pooled(encoder.tokenize(written), f"{encoder.folder.name}: words alone")
        alone -= alone.mean(axis=0)
        if seen.any():
            norms = (float(np.linalg.norm(part[seen], axis=1).mean()) for part in (matrix, alone))
            alone *= next(norms) / max(next(norms), 1e-12)
        matrix[~seen] = alone[~seen]
    return matrix, int(seen.sum())


def from_contexts(encoder: Encoder, contexts: Contexts, num_words: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean vector of each word over its occurrences, [V, H] float32, and how many those are, [V].

    An occurrence that was cut off with the end of its passage does not count.
    """
    pieces = encoder.tokenize(contexts.passages, spans=True)
    shares, times = _shares(contexts, pieces, num_words)
    matrix = np.zeros((num_words, encoder.config.width), np.float32)
    program = partial(_states, config=encoder.config)
    label = f"{encoder.folder.name}: reading words in {len(contexts.passages):,} passages"
    for batch, states in encoder.run(program, pieces, label):
        columns = np.concatenate([np.arange(*pieces.starts[row : row + 2]) for row in batch.rows])
        mask = np.arange(states.shape[1]) < batch.lengths[: len(batch.rows), None]
        found = shares[columns]
        words, place = np.unique(found.indices, return_inverse=True)
        few = sp.csr_matrix((found.data, place, found.indptr), (len(columns), len(words)))
        matrix[words] += few.T @ states[: len(batch.rows)][mask]
    return matrix, times


def _shares(contexts: Contexts, pieces: Pieces, num_words: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """What each piece counts for in the mean of each word, [N, V] float32, and occurrences of the words, [V]."""
    assert pieces.spans is not None
    lengths = np.array([len(text) for text in contexts.passages], np.int64)
    # All passages one after the other, so that one search finds the pieces of all occurrences.
    base = np.concatenate([[0], np.cumsum(lengths)])
    spans = pieces.spans + np.repeat(base[:-1], np.diff(pieces.starts))[:, None]
    real = np.flatnonzero(pieces.spans[:, 0] < pieces.spans[:, 1])
    first = np.searchsorted(spans[real, 1], base[contexts.passage] + contexts.start, side="right")
    end = np.searchsorted(spans[real, 0], base[contexts.passage] + contexts.end, side="left")
    number = np.maximum(end - first, 0)
    times = np.bincount(contexts.word[number > 0], minlength=num_words)
    inside = np.repeat(first - np.cumsum(number) + number, number) + np.arange(number.sum())
    word = np.repeat(contexts.word, number)
    share = 1 / (np.repeat(number, number) * times[word])
    return sp.csr_matrix((share.astype(np.float32), (real[inside], word)), (len(pieces.ids), num_words)), times


@partial(jax.jit, static_argnames="config")
def _states(params: Params, ids: jax.Array, lengths: jax.Array, *, config: BertConfig) -> jax.Array:
    return encode(params, config, ids, lengths, min(LAYERS, config.layers)).astype(jnp.float32)


def _reduced(matrix: np.ndarray, dim: int | None) -> np.ndarray:
    """Centred vectors on their first `dim` principal axes: [V, H] → [V, dim]."""
    if dim is None or dim == matrix.shape[1]:
        return matrix
    # One thread, so that the same vectors give the same bytes.
    with libraries().limit(limits=1):
        _, axes = np.linalg.eigh(matrix.T @ matrix)
        return np.ascontiguousarray(matrix @ axes[:, ::-1][:, :dim])


def _folder(config: VectorsConfig) -> Path:
    """The folder in --vectors=bert:FOLDER."""
    return Path(config.vectors.removeprefix("bert:")).expanduser()
