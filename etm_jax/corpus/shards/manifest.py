"""The manifest of a folder of shards. It is written last: a folder without it is not a corpus."""

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.shards.draws import PARTS
from etm_jax.corpus.shards.histogram import as_pairs, from_pairs, largest
from etm_jax.corpus.types import FilterReport
from etm_jax.util.digests import file_digest
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, replace_text
from etm_jax.util.forms import ForeignError, foreign, stamp, stored_format, writer
from etm_jax.util.reading import as_object, read_object

NAME = "manifest.json"
VOCABULARY = "vocabulary.json"
SUFFIX = ".arrayrecord"
FORMAT = 1
"""Version of the format; to be raised with every change of what a folder holds."""

SMALL = 1 << 30
"""In bytes; up to this size all shards of a folder are checked by SHA-256 before they are read, else by file size."""


@dataclass
class Shard:
    """A file of blocks. documents, tokens, nonzeros: totals; bytes, sha256: of the file."""

    documents: int = 0
    tokens: int = 0
    nonzeros: int = 0
    bytes: int = 0
    sha256: str = ""


@dataclass
class Part:
    """One of `PARTS`. nonzeros_of, lengths_of: histograms of different words and of tokens a document."""

    shards: list[Shard] = field(default_factory=list)
    nonzeros_of: Counter[int] = field(default_factory=Counter)
    lengths_of: Counter[int] = field(default_factory=Counter)

    def total(self, what: str) -> int:
        """The total over shards of `documents`, `tokens`, `nonzeros` or `bytes`."""
        return sum(getattr(shard, what) for shard in self.shards)


@dataclass(frozen=True)
class Manifest:
    """What a folder of shards holds, and what it was made from.

    digest: SHA-256 of the inputs' bytes and all settings that matter. request: the same with the inputs' sizes and
    times in place of their bytes. settings: `Job.settings`. vocabulary_sha256: of the file; vocabulary_hash: of the
    words. metadata: the metadata of the documents, which folders of earlier versions lack.
    """

    digest: str
    request: str
    settings: dict[str, Any]
    block_docs: int
    num_words: int
    vocabulary_hash: str
    vocabulary_sha256: str
    report: FilterReport
    parts: dict[str, Part]
    metadata: Metadata = field(default_factory=Metadata)

    def write(self, folder: Path) -> None:
        """Write the manifest into the folder, at once."""
        values: dict[str, Any] = stamp(FORMAT) | vars(self)
        values |= {"report": self.report.to_json(), "parts": {}, "metadata": self.metadata.to_json()}
        if not self.metadata.columns:
            del values["metadata"]
        for name, part in self.parts.items():
            totals: dict[str, float] = {what: part.total(what) for what in ("documents", "tokens", "nonzeros", "bytes")}
            longest = largest(part.nonzeros_of, 1).tolist()
            totals |= {
                "longest": longest[0] if longest else 0,
                "mean": totals["nonzeros"] / max(totals["documents"], 1),
            }
            shards = [
                {"file": shard_name(name, number, len(part.shards)), **dataclasses.asdict(shard)}
                for number, shard in enumerate(part.shards)
            ]
            values["parts"][name] = totals | {
                "shards": shards,
                "nonzeros_of": as_pairs(part.nonzeros_of),
                "lengths_of": as_pairs(part.lengths_of),
            }
        replace_text(folder / NAME, json.dumps(values, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The inverse of `write`. Raises UserError where the manifest is damaged."""
        path, stored = folder / NAME, dict[str, Any]()
        try:
            stored = read_object(path)
            if not stored_format(stored, FORMAT):
                raise ValueError("it does not say in which format it is")
            values = {name: stored[name] for name in stored if name not in stamp()}
            parts = {name: _part(values["parts"][name]) for name in PARTS}
            report, values["settings"] = FilterReport(**values["report"]), as_object(values["settings"])
            metadata = Metadata.from_json(values.get("metadata", []))
            manifest = cls(**{**values, "parts": parts, "report": report, "metadata": metadata})
            if not (_is_count(manifest.num_words) and _is_count(manifest.block_docs) and manifest.block_docs):
                raise ValueError("its sizes are not whole numbers")
            return manifest
        except ForeignError as error:
            raise foreign(path, stored, error) from error
        except DAMAGED as error:
            raise UserError(
                f"{path} is damaged ({error}); it was written by {writer(stored)}; restore it from a backup, or "
                "prepare the corpus again"
            ) from error

    def check_files(self, folder: Path) -> None:
        """Raise UserError, which names the file, where one is missing or damaged.

        Small corpora are checked by SHA-256; for large ones the sizes are compared, and each record has a checksum.
        """
        files = [
            (path, shard.bytes, shard.sha256)
            for name in PARTS
            for path, shard in zip(self.paths(folder, name), self.parts[name].shards, strict=True)
        ]
        whole = sum(size for _, size, _ in files) <= SMALL
        for path, size, sha256 in [*files, (folder / VOCABULARY, None, self.vocabulary_sha256)]:
            try:
                same = path.stat().st_size == size if size is not None else True
                if same and (whole or size is None):
                    same = file_digest(path) == sha256
            except OSError as error:
                raise UserError(
                    f"{path} cannot be read ({error.strerror}); restore it from a backup, or prepare the corpus again"
                ) from error
            if not same:
                raise UserError(f"{path} is damaged; restore it from a backup, or prepare the corpus again")

    def paths(self, folder: Path, part: str) -> list[Path]:
        """The shards of one of `PARTS`, in order."""
        number = len(self.parts[part].shards)
        return [folder / shard_name(part, shard, number) for shard in range(number)]


def is_prepared(folder: Path) -> bool:
    """Whether `etm_jax.prepare` filled a folder. Other folders can hold a file of that name too."""
    return (folder / NAME).is_file() and any(folder.glob(f"*{SUFFIX}"))


def files_of(folder: Path) -> list[Path]:
    """The files of a folder that `etm_jax.prepare` filled, without reading what its manifest says of them."""
    return [folder / NAME, folder / VOCABULARY, *sorted(folder.glob(f"*{SUFFIX}"))]


def shard_name(part: str, shard: int, number: int) -> str:
    """The name of a shard, such as `train-00000-of-00016.arrayrecord`."""
    return f"{part}-{shard:05}-of-{number:05}{SUFFIX}"


def _part(values: dict[str, Any]) -> Part:
    """A part from JSON. Raises ValueError where its numbers are not whole."""
    shards = [Shard(**{f.name: totals[f.name] for f in dataclasses.fields(Shard)}) for totals in values["shards"]]
    if not all(_is_count(getattr(shard, what)) for shard in shards for what in ("documents", "tokens", "nonzeros")):
        raise ValueError("its shards have totals that are not whole numbers")
    return Part(shards, *(from_pairs(values[name]) for name in ("nonzeros_of", "lengths_of")))


def _is_count(value: Any) -> bool:
    """Whether a value from JSON is a whole number of at least 0."""
    return type(value) is int and value >= 0
