"""What is to be prepared: files, and all settings that decide the result."""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.prepare import resolve
from etm_jax.corpus.readers.folders import files_named, tell_left
from etm_jax.corpus.shards.manifest import FORMAT
from etm_jax.corpus.sources import FORMATS, form_of
from etm_jax.corpus.store.cache import COMPUTED, deciding_settings
from etm_jax.corpus.types import Phrases, Source
from etm_jax.corpus.words.segmenters import segmenter_version
from etm_jax.corpus.words.stop_words import read_stop_words
from etm_jax.corpus.words.unicode_words import EARLIER_WORDS, segmenter_named
from etm_jax.util.digests import file_digest
from etm_jax.util.errors import UserError

BLOCK_DOCS = 64
"""Documents of a record: enough for efficient reads from disk, and few enough that a batch has many records."""

SHARD_DOCS = 1 << 17
"""Documents of a shard by default; a process that writes a shard holds all of them in memory."""

MAX_DEFAULT_SHARDS = 512
"""Number of shards of a part at most, by default; a reader keeps all of them open."""


@dataclass(frozen=True)
class InputFile:
    """A file of documents.

    name: its path relative to the folder that all files have in common, by which its documents are named. size: in
    bytes; changed: time of modification, in nanoseconds since 1970.
    """

    name: str
    path: Path
    size: int
    changed: int


@dataclass(frozen=True)
class Job:
    """Files and all settings that decide the shards.

    config: resolved. segmenter: name and version. stopwords: words to leave out. block_docs: documents a record.
    num_shards: of the training documents; 0 for one for every `SHARD_DOCS`. meta_sha256: of the file of --meta, if any.
    advertisements: those that repeat in the files, which --clean=novel drops. phrases: those to join, which --phrases
    learns from the files (`phrase_sample`), so that no digest needs them.
    """

    files: tuple[InputFile, ...]
    config: CorpusConfig
    segmenter: str
    stopwords: frozenset[str]
    block_docs: int = BLOCK_DOCS
    num_shards: int = 0
    meta_sha256: str = ""
    advertisements: tuple[str, ...] = ()
    phrases: Phrases | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """All settings that decide the result, as plain values."""
        return deciding_settings(self.config) | {
            "segmenter_model": self.config.segmenter_model,
            "format": [COMPUTED, FORMAT],
            "segmenter": self.segmenter,
            "stopwords": sorted(self.stopwords),
            "block_docs": self.block_docs,
            "num_shards": self.num_shards,
            **({"form": self.config.form} if self.config.form != "name" else {}),
            **({"meta_sha256": self.meta_sha256} if self.meta_sha256 else {}),
        }

    @property
    def request(self) -> str:
        """SHA-256 of the settings and of what is known of the files without reading them."""
        return _sha256([self.settings, [[file.name, file.size, file.changed] for file in self.files]])

    def request_by(self, segmenter: str) -> str:
        """`request` of the same job where `words` was this: `EARLIER_WORDS`, or that of a Python with another Unicode.

        segmenter: name and version; those of another segmenter are of another job.
        """
        is_words = self.config.segmenter == "words" and segmenter_named(segmenter) in ("words", EARLIER_WORDS)
        return replace(self, segmenter=segmenter).request if is_words else self.request

    def digest(self, contents: dict[str, str]) -> str:
        """SHA-256 of the settings and the files' bytes. contents: the SHA-256 of each file by name."""
        return _sha256([self.settings, [[file.name, contents[file.name]] for file in self.files]])


def make_job(pattern: str, config: CorpusConfig, block_docs: int = BLOCK_DOCS, num_shards: int = 0) -> Job:
    """The job for the files that `pattern` names. Raises UserError where there are none, or a setting is not usable."""
    if config.segmenter == "gold":
        raise UserError("--segmenter=gold is for corpora by name; give --segmenter=whitespace if spaces separate words")
    files = find_inputs(pattern, config.follow_links)
    # The first file tells for all of them, so that all have the same fields.
    form = form_of(files[0].path, config)
    config = replace(config, form=form if config.form or not FORMATS[form].suffixes else "name")
    settings = resolve(config, Source(pattern, [], segmenter=FORMATS[form].segmenter, fields=FORMATS[form].fields))
    stopwords = read_stop_words(settings)
    version = segmenter_version(settings.segmenter, settings.segmenter_model)
    # The whole table is read here, so that its faults are reported before anything is done.
    fields_of(settings)
    meta_sha256 = file_digest(Path(settings.meta).expanduser()) if settings.meta else ""
    return Job(files, settings, version, stopwords, block_docs, num_shards, meta_sha256)


def find_inputs(pattern: str, follow_links: bool = False) -> tuple[InputFile, ...]:
    """The files that `pattern` names, sorted by name, without empty ones. Raises UserError where there are none.

    follow_links: whether links among them may lead outside the folder that the pattern names.
    """
    found, left = files_named(pattern, follow_links)
    paths = [path.absolute() for path in found]
    tell_left(pattern, left)
    if not paths:
        raise UserError(f"--input={pattern} names no file; correct it, and quote it if it contains a *")
    try:
        seen = [(path, path.stat()) for path in paths]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be accessed: {error.strerror}; check its permissions") from error
    above = Path(os.path.commonpath([path.parent for path in paths]))
    files = tuple(
        InputFile(path.relative_to(above).as_posix(), path, stat.st_size, stat.st_mtime_ns)
        for path, stat in seen
        if stat.st_size
    )
    if not files:
        raise UserError(f"--input={pattern}: all {len(paths):,} files that it names are empty; give files with text")
    return files


def _sha256(value: Any) -> str:
    """SHA-256 of a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
