"""Corpora of counts in the forms of other programs: which files they are, and what they bring."""

import dataclasses
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeAlias

from etm_jax.config.corpus_settings import FORMS, CorpusConfig
from etm_jax.corpus.fields import check_no_fields
from etm_jax.corpus.readers.bags import Bags, as_counted
from etm_jax.corpus.readers.count_files import COUNT_FILES, vocabulary_beside
from etm_jax.corpus.readers.folders import check_inside
from etm_jax.corpus.readers.labelled import LABEL
from etm_jax.corpus.readers.looks import form_seen
from etm_jax.corpus.readers.peer_folders import (
    READ_SINCE,
    TOPMOST_META,
    has_labels,
    octis_files,
    read_octis,
    read_topmost,
    topmost_files,
)
from etm_jax.corpus.types import Source
from etm_jax.util.errors import UserError

Reader: TypeAlias = Callable[[Path, CorpusConfig, Collection[Path]], Bags]

FOLDERS: dict[str, tuple[Callable[[Path], list[Path]], Reader]] = {
    "octis": (octis_files, read_octis),
    "topmost": (topmost_files, read_topmost),
}
"""Folders of other programs by form: their files, none where a folder is none, and their reader."""


def find_counts(path: Path, form: str, config: CorpusConfig) -> Source:
    """The corpus of a file of counts and the vocabulary beside it. form: of `COUNT_FILES`."""
    read, _, _ = COUNT_FILES[form]
    check_no_fields(str(path), config)
    words = vocabulary_beside(path)
    check_inside(path.parent, [path, words], config.follow_links)
    return Source(
        str(path), [path, words], form=form, counted=lambda: as_counted(read(path, words, config), str(path), config)
    )


def find_foreign_folder(folder: Path, config: CorpusConfig) -> Source | None:
    """A folder in another program's format; None where it is none, or --form says otherwise."""
    if config.form == "name":
        return None
    for form, (files_of_form, read) in FOLDERS.items():
        files = files_of_form(folder)
        if files and config.form in ("", form):
            check_inside(folder, files, config.follow_links)
            fields = _fields_in(form, files)
            check_no_fields(str(folder), config, fields)

            def source_of(files: list[Path], read: Reader = read, form: str = form) -> Source:
                counted = lambda: as_counted(read(folder, config, files), str(folder), config)  # noqa: E731
                return Source(str(folder), files, form=form, fields=_fields_in(form, files), counted=counted)

            before = [file for file in files if file.name not in READ_SINCE]
            earlier = source_of(before) if len(before) < len(files) else None
            return dataclasses.replace(source_of(files), earlier=earlier)
    for form, (_, pattern, _) in COUNT_FILES.items():
        found = [path for path in sorted({*folder.glob(pattern), *folder.glob(f"{pattern}.gz")}) if path.is_file()]
        found = [path for path in found if form_seen(path, config.encoding) == form]
        if found and config.form in ("", form):
            if len(found) > 1:
                raise UserError(
                    f"--corpus={folder} holds several files of counts ({found[0].name}, {found[1].name}, …); give one "
                    f"of them, as --corpus={found[0]}"
                )
            return find_counts(found[0], form, config)
    if config.form in (*FOLDERS, *COUNT_FILES):
        raise UserError(f"--form={config.form}: --corpus={folder} does not hold {FORMS[config.form]}; leave it out")
    return None


def _fields_in(form: str, files: list[Path]) -> tuple[str, ...]:
    """The fields of metadata that such a folder brings."""
    if form == "octis":
        return (LABEL,) if has_labels(files[0]) else ()
    names = {file.name for file in files}
    return tuple(field for kind, field in TOPMOST_META.items() if names & {f"train_{kind}.txt", f"test_{kind}.txt"})
