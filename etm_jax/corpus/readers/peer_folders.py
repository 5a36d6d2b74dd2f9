"""Dataset folders of OCTIS and TopMost, with the vocabulary, the split and the labels that they bring."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.readers.bags import Bags, read_vocabulary
from etm_jax.corpus.readers.labelled import LABEL
from etm_jax.corpus.readers.text_files import numbered_lines
from etm_jax.util.console import track
from etm_jax.util.csv_rows import fields_of_line
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED
from etm_jax.util.reading import MAX_LINE, read_object, read_sparse

OCTIS_PARTS = {"train": "train", "val": "valid", "test": "test"}
"""Our names of the parts, by those of OCTIS."""

TOPMOST_META = {"labels": LABEL, "times": "time"}
"""The field of metadata that the lines of train_KIND.txt and test_KIND.txt are of, by kind."""

TIME_NAMES = "time2id.txt"
"""What a TopMost dataset may have of the names of its times: a JSON object, such as {"2012": 0, "2013": 1}."""

READ_SINCE = {TIME_NAMES}
"""Files that versions of before did not read: what a run was started with by them is found without these."""


def octis_files(folder: Path) -> list[Path]:
    """The files of an OCTIS dataset that are read; none where `folder` is no such dataset."""
    files = [folder / "corpus.tsv", folder / "vocabulary.txt"]
    return files if all(file.is_file() for file in files) else []


def has_labels(path: Path) -> bool:
    """Whether the first line of an OCTIS corpus.tsv has a third field."""
    with path.open("rb") as file:
        return file.readline(MAX_LINE).count(b"\t") >= 2


def read_octis(folder: Path, config: CorpusConfig, files: Collection[Path]) -> Bags:
    """Lines `text⇥train|val|test⇥label`, the words of the text between blanks; without parts, the split is ours.

    A field that holds quotes stands in quotes, as OCTIS writes it.
    """
    words, path = read_vocabulary(folder / "vocabulary.txt", config.encoding), folder / "corpus.tsv"
    texts, parts, labels, ids = list[str](), list[str](), list[str](), list[str]()
    for number, line in numbered_lines(path, config.encoding):
        if not line.strip():
            continue
        text, part, label = (*fields_of_line(line, "\t"), "", "")[:3]
        if part.strip() not in (*OCTIS_PARTS, ""):
            raise UserError(
                f"{path}, line {number}: {part.strip()[:40]!r} is not train, val or test; correct that line"
            )
        texts.append(text)
        parts.append(OCTIS_PARTS.get(part.strip(), ""))
        labels.append(label.strip())
        ids.append(str(number))
    if any(parts) and not all(parts):
        raise UserError(f"{path}, line {ids[parts.index('')]}, lacks its part (train, val or test) as others have it")
    counts = _counted(texts, words, path)
    return Bags(words, counts, ids, parts if any(parts) else (), {LABEL: labels} if any(labels) else {})


def topmost_files(folder: Path) -> list[Path]:
    """The files of a TopMost dataset that are read; none where `folder` is no such dataset."""
    names = ["vocab.txt"]
    for part in ("train", "test"):
        kinds = ("bow.npz", "texts.txt")
        names += [next((f"{part}_{kind}" for kind in kinds if (folder / f"{part}_{kind}").is_file()), "")]
        names += [f"{part}_{kind}.txt" for kind in TOPMOST_META if (folder / f"{part}_{kind}.txt").is_file()]
    files = [folder / name for name in names if name]
    if any(name.endswith("_times.txt") for name in names) and (folder / TIME_NAMES).is_file():
        files.append(folder / TIME_NAMES)
    return files if names[1] and files[0].is_file() else []


def read_topmost(folder: Path, config: CorpusConfig, files: Collection[Path]) -> Bags:
    """train_bow.npz, else train_texts.txt; so for the test where it is there. Labels and times are metadata.

    A time is called as `TIME_NAMES` has it where that is one of the files, else by its number. Raises UserError where
    the files do not fit each other.
    """
    words = read_vocabulary(folder / "vocab.txt", config.encoding)
    named = _names_of_times(folder / TIME_NAMES) if folder / TIME_NAMES in files else {}
    matrices, parts = list[sp.csr_matrix](), list[str]()
    meta: dict[str, list[str]] = {}
    for part in ("train", "test"):
        path = next((file for file in files if file.name in (f"{part}_bow.npz", f"{part}_texts.txt")), None)
        if path is None:
            continue
        matrices.append(_read_npz(path, len(words)) if path.suffix == ".npz" else _read_texts(path, words, config))
        documents = matrices[-1].shape[0]
        for kind, field in TOPMOST_META.items():
            if (about := folder / f"{part}_{kind}.txt") in files:
                values = [line.strip() for _, line in numbered_lines(about, config.encoding)]
                if kind == "times" and named:
                    values = _named(values, named, about)
                if len(values) != documents:
                    raise UserError(f"{about} has {len(values):,} lines but {path} {documents:,} documents")
                meta.setdefault(field, [""] * len(parts)).extend(values)
        parts += [part] * documents
        meta = {field: [*values, *[""] * (len(parts) - len(values))] for field, values in meta.items()}
    first = matrices[0].shape[0]
    ids = [f"{part}-{i + 1 if part == 'train' else i + 1 - first}" for i, part in enumerate(parts)]
    return Bags(words, sp.csr_matrix(sp.vstack(matrices)), ids, parts if len(matrices) > 1 else (), meta)


def _names_of_times(path: Path) -> dict[str, str]:
    """The name of each time by its number, as text. Raises UserError where the file does not say that."""
    try:
        numbers = read_object(path)
    except DAMAGED as error:
        raise UserError(
            f"{path} is no JSON object of the numbers of times ({error}); correct it, or remove it"
        ) from error
    named = {str(number): name.strip() for name, number in numbers.items() if type(number) is int}
    if len(named) < len(numbers) or not all(named.values()):
        raise UserError(
            f'{path} does not give each time a number of its own, as {{"2012": 0}} does; correct it, or remove it'
        )
    return named


def _named(numbers: list[str], named: Mapping[str, str], path: Path) -> list[str]:
    for line, number in enumerate(numbers, start=1):
        if number and number not in named:
            raise UserError(f"{path}, line {line}: {TIME_NAMES} has no time {number[:40]!r}; correct one of them")
    return [named.get(number, "") for number in numbers]


def _read_texts(path: Path, words: list[str], config: CorpusConfig) -> sp.csr_matrix:
    return _counted([line for _, line in numbered_lines(path, config.encoding)], words, path)


def _read_npz(path: Path, num_words: int) -> sp.csr_matrix:
    try:
        matrix = sp.csr_matrix(read_sparse(path))
    except DAMAGED as error:
        raise UserError(f"{path} is not a matrix saved by scipy ({error}); get it again") from error
    if matrix.shape[1] != num_words:
        raise UserError(f"{path} has {matrix.shape[1]:,} columns but vocab.txt {num_words:,} words")
    return matrix


def _counted(texts: Iterable[str], words: list[str], path: Path) -> sp.csr_matrix:
    """[D, V] counts of words between blanks; those that the vocabulary lacks are left, as those tools leave them."""
    column = {word: j for j, word in enumerate(words)}
    starts, columns, values = [0], list[int](), list[int]()
    for text in track(texts, f"counting {path.name}", unit="documents"):
        counts = Counter(column[word] for word in text.split() if word in column)
        columns += counts.keys()
        values += counts.values()
        starts.append(len(columns))
    parts = (np.array(values, np.int64), np.array(columns, np.int64), np.array(starts))
    return sp.csr_matrix(parts, shape=(len(starts) - 1, len(words)))
