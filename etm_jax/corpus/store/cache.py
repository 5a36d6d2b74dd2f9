"""Prepared corpora on disk, in formats anything can read, found again by the hash of all that went into them."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.config.declaration import settings_of
from etm_jax.corpus.counts import as_counts
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.store.compressed import CompressedTexts
from etm_jax.corpus.store.packed import PackedTexts
from etm_jax.corpus.types import Corpus, Documents, FilterReport, Phrases, Source, TokenStream, Vocabulary
from etm_jax.corpus.words.script import converter_version
from etm_jax.corpus.words.segmenters import PKUSEG
from etm_jax.corpus.words.stop_words import one_file, read_stop_words
from etm_jax.corpus.words.tokens import cleans_tokens
from etm_jax.corpus.words.user_dict import user_dict_of
from etm_jax.util.digests import file_digest
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_folder
from etm_jax.util.forms import ForeignError, foreign, stamp, stored_format
from etm_jax.util.npz import save_arrays, save_sparse
from etm_jax.util.reading import as_object, read_arrays, read_object, read_sparse

COMPUTED = 2
"""To be raised with every change of what preparation computes: a corpus is then another one."""

PUNCTUATION = "as it is"
"""What normalising leaves of Chinese punctuation. It decides where the segmenters of `PKUSEG` cut, so that corpora cut
by them are others than those of versions that folded it; no other segmenter's words depend on it."""

USER_DICT = "user_dict_sha256"
"""Among the settings that decide a corpus, where its words were kept whole by a dictionary."""

FORMAT = 2
"""To be raised with every change of how a corpus is stored; earlier ones are read. Of `etm_jax.util.forms`."""

_PARTS = ("train", "valid", "test")
_LABELS = ("ids", "first_words")
"""Of documents. In the archive a text is the UTF-8 between two of the starts."""

_SPLIT = ("valid_share", "test_share", "split_seed", "encoding")
"""Settings that decide a corpus of counts in another program's form."""

_METADATA, _TEXTS, _ROWS = "metadata.json", "texts.npz", "rows.npz"
"""Files that earlier versions did not write: without them a corpus has no metadata, no texts, or no order of rows."""

_LEFT = "left"
"""The documents of no part, in files named as those of the parts are."""


def corpus_digest(
    source: Source,
    config: CorpusConfig,
    segmenter_version: str,
    folded_punctuation: bool = False,
    computed: int = COMPUTED,
) -> str:
    """SHA-256 of what decides the prepared corpus: the names and bytes of its files, the settings, the segmenter.

    config: resolved (`etm_jax.corpus.prepare.resolve`). Where the corpus lies and how fast it is prepared do not count,
    nor, for a corpus that comes as counts, any setting but those of metadata. folded_punctuation: of the corpus that
    earlier versions prepared, which is the same one wherever `PUNCTUATION` does not matter. computed: `COMPUTED` of the
    version that prepared it. Raises UserError where a file is missing or cannot be read.
    """
    files = list(source.files)
    settings: dict[str, Any] = {"format": computed, "segmenter": segmenter_version}
    counted = source.counted is not None
    settings |= deciding_settings(config, counted)
    if source.form:
        settings["form"] = source.form
        # Whether by their own parts or ours, some documents of such counts are set aside.
        settings |= {name: getattr(config, name) for name in _SPLIT if counted}
    if folded_punctuation:
        settings.pop("punctuation", None)
    bytes_count = ("given files",) if counted else ("files", "given files")
    named = {s.flag: getattr(config, s.name) for s in settings_of(CorpusConfig) if s.digest in bytes_count}
    if source.records and not config.id_field and not config.names_by_line:
        settings["names"] = "by record"
    if config.stopwords and not counted and one_file(config.stopwords) is None:
        # The words themselves, as names and lists of words have no file.
        del named["stopwords"]
        settings["stopwords"] = sorted(read_stop_words(config))
    files += [file for flag in sorted(named) if named[flag] for file in _files_at(flag, Path(named[flag]).expanduser())]
    try:
        settings["files"] = [[file.name, file_digest(file)] for file in files]
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be read: {error.strerror}; check its permissions, or bring what is missing"
        ) from error
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def deciding_settings(config: CorpusConfig, counted: bool = False) -> dict[str, Any]:
    """The settings by name whose values, as they stand, decide the prepared corpus. counted: of one that comes so.

    With them, where the words depend on it, what this version does with punctuation, and the version of OpenCC. Raises
    UserError where that is needed and not installed.
    """
    values = {s.name: (s, getattr(config, s.name)) for s in settings_of(CorpusConfig)}
    deciding = {
        name: value
        for name, (s, value) in values.items()
        if (s.digest == "value" and not counted) or (s.digest == "given" and value != s.default)
    }
    if config.nfkc and config.segmenter in PKUSEG and not counted:
        deciding["punctuation"] = PUNCTUATION
    if config.script and not counted:
        deciding["opencc"] = converter_version(config.script)
    if config.user_words and not counted:
        deciding[USER_DICT] = user_words_sha256(config.user_words)
    # All corpora of before were cleaned.
    if not counted and not cleans_tokens(config):
        deciding["clean_tokens"] = False
    return deciding


def user_words_sha256(user_words: str) -> str:
    """SHA-256 of a user's dictionary by what it holds: comments, and where its file lies, do not count."""
    return hashlib.sha256(user_words.encode()).hexdigest()


def save_corpus(corpus: Corpus, folder: Path) -> None:
    """Write `folder`, replacing what is there; it appears under its name only when all of it is written.

    Several processes may write one at once: it then is that of one of them. Raises UserError where it cannot be
    written.
    """
    with replace_folder(folder) as new:
        _write(corpus, new)


def load_corpus(folder: Path, texts: bool = False) -> Corpus:
    """The inverse of `save_corpus`; without the texts, unless they are asked for and were kept.

    Raises ValueError or OSError where a file is missing or not as it was written, and UserError where a later version
    wrote it.
    """
    manifest = read_object(folder / "corpus.json")
    try:
        stored = stored_format(manifest, FORMAT)
    except ForeignError as error:
        raise foreign(folder, manifest, error) from error
    if not stored:
        raise ValueError("it does not say in which format it is")
    for name, digest in as_object(manifest["sha256"]).items():
        if file_digest(folder / name) != digest:
            raise ValueError(f"{name} has changed")
    report = manifest["report"]
    metadata = Metadata()
    if _METADATA in manifest["sha256"]:
        metadata = Metadata.from_json(json.loads((folder / _METADATA).read_text("ascii")))
    parts = {part: _load_documents(folder, part, metadata, stored) for part in _PARTS}
    left = None
    if _ROWS in manifest["sha256"]:
        parts = _with_rows({**parts, _LEFT: _load_documents(folder, _LEFT, metadata, stored)}, folder)
        left = parts.pop(_LEFT)
    if texts and _TEXTS in manifest["sha256"]:
        parts = _with_texts(parts, folder)
    return Corpus(
        name=manifest["name"],
        digest=manifest["digest"],
        vocabulary=vocabulary_from_json(read_object(folder / "vocabulary.json")),
        train=parts["train"],
        valid=parts["valid"],
        test=parts["test"],
        test_h1=_load_counts(folder, "test_h1"),
        test_h2=_load_counts(folder, "test_h2"),
        text=_load_text(folder) if "text.npz" in manifest["sha256"] else None,
        report=None if report is None else FilterReport(**report),
        metadata=metadata,
        left=left,
    )


def vocabulary_to_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """Plain values, with the hash of the words."""
    phrases = {} if vocabulary.phrases is None else {"phrases": vocabulary.phrases.to_json()}
    return {
        "hash": vocabulary.hash,
        "segmenter": vocabulary.segmenter,
        "num_docs": vocabulary.num_docs,
        "words": vocabulary.words,
        "doc_freq": vocabulary.doc_freq.tolist(),
        "term_freq": vocabulary.term_freq.tolist(),
        **({"advertisements": list(vocabulary.advertisements)} if vocabulary.advertisements else {}),
        **phrases,
        **({"user_dict": vocabulary.user_words.split("\n")} if vocabulary.user_words else {}),
    }


def vocabulary_from_json(values: dict[str, Any]) -> Vocabulary:
    """The inverse of `vocabulary_to_json`. Raises ValueError where the words are not those that were hashed."""
    if not (isinstance(values["words"], list) and all(isinstance(word, str) for word in values["words"])):
        raise ValueError("its words are no list of words")
    advertisements = values.get("advertisements", [])
    if not (isinstance(advertisements, list) and all(isinstance(line, str) for line in advertisements)):
        raise ValueError("its advertisements are no list of lines")
    vocabulary = Vocabulary(
        words=values["words"],
        doc_freq=np.array(values["doc_freq"], dtype=np.int64),
        term_freq=np.array(values["term_freq"], dtype=np.int64),
        num_docs=values["num_docs"],
        segmenter=values["segmenter"],
        advertisements=tuple(advertisements),
        phrases=Phrases.from_json(as_object(values["phrases"])) if "phrases" in values else None,
        user_words=_user_words(values.get("user_dict", [])),
    )
    if len(set(vocabulary.words)) != len(vocabulary):
        raise ValueError("two of its words are the same")
    if vocabulary.hash != values["hash"]:
        raise ValueError("its words are not those of its hash")
    return vocabulary


def _user_words(lines: Any) -> str:
    """The lines of a user's dictionary. Raises ValueError where they are none."""
    if not (isinstance(lines, list) and all(isinstance(line, str) for line in lines)):
        raise ValueError("its user_dict is no list of lines")
    return user_dict_of("\n".join(lines)).to_text()


def _write(corpus: Corpus, folder: Path) -> None:
    parts = {part: getattr(corpus, part) for part in _PARTS}
    counts = {part: documents.counts for part, documents in parts.items()}
    for name, matrix in {**counts, "test_h1": corpus.test_h1, "test_h2": corpus.test_h2}.items():
        save_sparse(folder / f"{name}.npz", matrix)
    for name, documents in parts.items():
        _save_labels(documents, folder / f"{name}_documents.npz")
    _write_json(vocabulary_to_json(corpus.vocabulary), folder / "vocabulary.json")
    if corpus.metadata.columns:
        _write_json(corpus.metadata.to_json(), folder / _METADATA)
    if isinstance(corpus.train.texts, CompressedTexts):
        _save_texts(parts, folder)
    if corpus.left is not None:
        _save_rows({**parts, _LEFT: corpus.left}, folder)
    if corpus.text is not None:
        save_arrays(folder / "text.npz", ids=corpus.text.ids, starts=corpus.text.starts)
        _write_json(corpus.text.words, folder / "text_words.json")
    manifest = {
        **stamp(FORMAT),
        "name": corpus.name,
        "digest": corpus.digest,
        "report": None if corpus.report is None else corpus.report.to_json(),
        "sha256": {file.name: file_digest(file) for file in sorted(folder.iterdir())},
    }
    _write_json(manifest, folder / "corpus.json")


def _load_documents(folder: Path, part: str, metadata: Metadata, stored: int) -> Documents:
    """stored: the format."""
    labels = _load_labels(folder, part, len(metadata.columns)) if stored > 1 else _load_lists(folder, part)
    meta = {name: labels.pop(_meta(i)) for i, name in enumerate(metadata.names)}
    return Documents(_load_counts(folder, part), labels["ids"], labels["first_words"], meta)


def _load_counts(folder: Path, name: str) -> sp.csr_matrix:
    return as_counts(sp.csr_matrix(read_sparse(folder / f"{name}.npz")), name)


def _save_labels(documents: Documents, path: Path) -> None:
    labels: dict[str, Sequence[str]] = {name: getattr(documents, name) for name in _LABELS}
    labels |= {_meta(i): values for i, values in enumerate(documents.meta.values())}
    arrays: dict[str, np.ndarray] = {}
    for name, texts in labels.items():
        packed = texts if isinstance(texts, PackedTexts) else PackedTexts.of(texts)
        arrays |= {name: packed.content, f"{name}_starts": packed.starts}
    save_arrays(path, **arrays)


def _load_labels(folder: Path, part: str, num_fields: int) -> dict[str, PackedTexts]:
    path = folder / f"{part}_documents.npz"
    names = (*_LABELS, *map(_meta, range(num_fields)))
    arrays = read_arrays(path)
    labels = {name: PackedTexts(arrays[name], arrays[f"{name}_starts"]).checked() for name in names}
    return _equally_many(labels, path)


def _load_lists(folder: Path, part: str) -> dict[str, PackedTexts]:
    """The labels of a corpus in the first format, which had those of all parts in one JSON file."""
    path = folder / "documents.json"
    lists = as_object(read_object(path)[part])
    if not all(
        isinstance(lists[name], list) and all(isinstance(text, str) for text in lists[name]) for name in _LABELS
    ):
        raise ValueError(f"{path.name} holds no lists of texts")
    return _equally_many({name: PackedTexts.of(lists[name]) for name in _LABELS}, path)


def _equally_many(labels: dict[str, PackedTexts], path: Path) -> dict[str, PackedTexts]:
    """The labels. Raises ValueError where there are more of one kind than of the other."""
    if len({len(values) for values in labels.values()}) > 1:
        raise ValueError(f"{path.name} holds more of one than of the other")
    return labels


def _meta(number: int) -> str:
    """What a field is called in the archive. Its own name, which may be anything, is in `_METADATA`."""
    return f"meta_{number}"


def _save_texts(parts: dict[str, Documents], folder: Path) -> None:
    """The texts of all documents that were read, in that order, and which part each is of: 0 for none, else 1, 2, 3."""
    texts = [documents.texts for documents in parts.values() if isinstance(documents.texts, CompressedTexts)]
    of_all = texts[0]
    part_of = np.zeros(of_all.num_packed, np.uint8)
    for number, of_part in enumerate(texts, start=1):
        part_of[of_part.rows] = number
    # The content is compressed already.
    np.savez(folder / _TEXTS, allow_pickle=False, content=of_all.content, starts=of_all.starts, part_of=part_of)


def _with_texts(parts: dict[str, Documents], folder: Path) -> dict[str, Documents]:
    arrays = read_arrays(folder / _TEXTS)
    part_of = arrays["part_of"]
    of_all = CompressedTexts(arrays["content"], arrays["starts"], len(part_of)).checked()
    found: dict[str, Documents] = {}
    for number, (part, documents) in enumerate(parts.items(), start=1):
        places = np.flatnonzero(part_of == number)
        if len(places) != len(documents):
            raise ValueError(f"{_TEXTS} is not of these documents")
        known = places if documents.places is None else documents.places
        found[part] = dataclasses.replace(documents, texts=of_all.take(places), places=known)
    return found


def _save_rows(parts: dict[str, Documents], folder: Path) -> None:
    """Where all documents stood, and how many words they had, with the documents of no part."""
    left = parts[_LEFT]
    save_sparse(folder / f"{_LEFT}.npz", left.counts)
    _save_labels(left, folder / f"{_LEFT}_documents.npz")
    places = {f"{part}_places": documents.places for part, documents in parts.items()}
    tokens = {f"{part}_tokens": documents.tokens for part, documents in parts.items()}
    kept = {name: values for name, values in {**places, **tokens}.items() if values is not None}
    save_arrays(folder / _ROWS, **kept)


def _with_rows(parts: dict[str, Documents], folder: Path) -> dict[str, Documents]:
    arrays = read_arrays(folder / _ROWS)
    found: dict[str, Documents] = {}
    for part, documents in parts.items():
        places, tokens = arrays[f"{part}_places"], arrays[f"{part}_tokens"]
        if any(values.dtype.kind != "i" or values.shape != (len(documents),) for values in (places, tokens)):
            raise ValueError(f"{_ROWS} is not of these documents")
        found[part] = dataclasses.replace(documents, places=places, tokens=tokens)
    return found


def _load_text(folder: Path) -> TokenStream:
    arrays = read_arrays(folder / "text.npz")
    return TokenStream(json.loads((folder / "text_words.json").read_text("ascii")), arrays["ids"], arrays["starts"])


def _files_at(flag: str, path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    if not path.is_file():
        raise UserError(f"--{flag}={path} is not there; correct the path, or leave the flag out")
    return [path]


# ASCII escapes: a lone surrogate, which a document's id may hold, has no UTF-8.
def _write_json(value: Any, path: Path) -> None:
    path.write_text(json.dumps(value), encoding="ascii")
