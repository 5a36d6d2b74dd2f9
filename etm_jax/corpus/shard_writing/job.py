"""What is to be prepared: files and settings, and all of them that decide what comes out."""

import glob
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.prepare import resolve
from etm_jax.corpus.shards.manifest import FORMAT, file_sha256
from etm_jax.corpus.store.cache import COMPUTED, deciding_settings
from etm_jax.corpus.types import Source
from etm_jax.corpus.words.segment import segmenter_version
from etm_jax.corpus.words.vocabulary import read_stopwords
from etm_jax.util.errors import UserError

BLOCK_DOCS = 64
"""Documents of a record. Large enough that a disk reads it whole, small enough that many of them make a batch."""

SHARD_DOCS = 1 << 17
"""Documents of a shard where nobody says how many shards there are to be: what a process holds while it writes one."""

SUITED_SHARDS = 512
"""As many shards as that at most, where nobody says how many: a reader keeps all of them open."""


@dataclass(frozen=True)
class InputFile:
    """A file of documents. name: its path below the folder that all have in common, by which its documents are known.

    size: bytes; changed: nanoseconds since 1970.
    """

    name: str
    path: Path
    size: int
    changed: int


@dataclass(frozen=True)
class Job:
    """Files, settings (resolved), the segmenter with its version, the words to leave out, and how shards are cut.

    num_shards: of the training documents; 0: one for every `SHARD_DOCS`. meta_sha256: of the file of --meta, if any.
    """

    files: tuple[InputFile, ...]
    config: CorpusConfig
    segmenter: str
    stopwords: frozenset[str]
    block_docs: int = BLOCK_DOCS
    num_shards: int = 0
    meta_sha256: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides what comes out, but for the files."""
        return deciding_settings(self.config) | {
            "segmenter_model": self.config.segmenter_model,
            "format": [COMPUTED, FORMAT],
            "segmenter": self.segmenter,
            "stopwords": sorted(self.stopwords),
            "block_docs": self.block_docs,
            "num_shards": self.num_shards,
            **({"meta_sha256": self.meta_sha256} if self.meta_sha256 else {}),
        }

    @property
    def request(self) -> str:
        """SHA-256 of the settings and of what can be told of the files without reading them."""
        return _sha256([self.settings, [[file.name, file.size, file.changed] for file in self.files]])

    def digest(self, contents: dict[str, str]) -> str:
        """SHA-256 of the settings and the files' bytes. contents: the SHA-256 of each file, by its name."""
        return _sha256([self.settings, [[file.name, contents[file.name]] for file in self.files]])


def make_job(pattern: str, config: CorpusConfig, block_docs: int = BLOCK_DOCS, num_shards: int = 0) -> Job:
    """The job of all files that `pattern` names. Raises UserError where there are none, or a setting cannot be used."""
    if config.segmenter == "gold":
        raise UserError("--segmenter=gold is for corpora by name; give --segmenter=whitespace where spaces part words")
    settings = resolve(config, Source(pattern, []))
    stopwords: frozenset[str] = frozenset()
    if settings.stopwords:
        stopwords = read_stopwords(settings.stopwords, settings.nfkc, bool(settings.lowercase))
    version = segmenter_version(settings.segmenter)
    # The whole table is read here, so that its faults are told before anything else is.
    fields_of(settings)
    meta_sha256 = file_sha256(Path(settings.meta).expanduser()) if settings.meta else ""
    return Job(find_inputs(pattern), settings, version, stopwords, block_docs, num_shards, meta_sha256)


def find_inputs(pattern: str) -> tuple[InputFile, ...]:
    """The files that `pattern` names, by name, but for empty ones. Raises UserError where there are none."""
    found = sorted(Path(name) for name in glob.glob(str(Path(pattern).expanduser()), recursive=True))  # noqa: PTH207
    paths = [path.absolute() for path in found if path.is_file()]
    if not paths:
        raise UserError(f"--input={pattern} names no file; correct it, and put quotes around it where it has a * in it")
    try:
        told = [(path, path.stat()) for path in paths]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be looked at: {error.strerror}; check its permissions") from error
    above = Path(os.path.commonpath([path.parent for path in paths]))
    files = tuple(
        InputFile(path.relative_to(above).as_posix(), path, stat.st_size, stat.st_mtime_ns)
        for path, stat in told
        if stat.st_size
    )
    if not files:
        raise UserError(f"--input={pattern}: the {len(paths):,} files that it names are all empty; give some with text")
    return files


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
