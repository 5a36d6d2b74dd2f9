"""From what --corpus says to where the documents are."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from etm_jax.config.build import Config
from etm_jax.config.corpus_settings import FORMS, CorpusConfig
from etm_jax.config.declaration import files_read, settings_of
from etm_jax.corpus.fields import check_no_fields
from etm_jax.corpus.foreign import FOLDERS, find_counts, find_foreign_folder
from etm_jax.corpus.readers import exported, original
from etm_jax.corpus.readers.columns import Columns
from etm_jax.corpus.readers.count_files import COUNT_FILES
from etm_jax.corpus.readers.decode import STDIN
from etm_jax.corpus.readers.folders import FOLLOW, check_inside, files_in, tell_left
from etm_jax.corpus.readers.labelled import LABEL, read_label_text, read_mallet
from etm_jax.corpus.readers.looks import form_seen, has_glued_tags
from etm_jax.corpus.readers.named import NAMED, find_named
from etm_jax.corpus.readers.tables import read_table, read_workbook
from etm_jax.corpus.readers.tagged import read_tagged
from etm_jax.corpus.readers.text_files import read_folder, read_jsonl, read_lines
from etm_jax.corpus.shards import manifest
from etm_jax.corpus.store.cache import USER_DICT, user_words_sha256
from etm_jax.corpus.types import Document, Source
from etm_jax.corpus.words.unicode_words import segmenter_named
from etm_jax.corpus.words.user_dict import read_user_dict
from etm_jax.util.console import note, silenced, warn
from etm_jax.util.errors import UserError

_OF_METADATA = ("meta", "meta_fields", "title_field")


class FileFormat(NamedTuple):
    """A format of files that hold documents.

    suffixes: of the files' names, in lower case, before .gz. read: the documents in a file, one at a time, whose name
    may end in .gz or be `decode.STDIN`; it raises UserError where there is none. has_fields: whether documents have
    columns or keys, of which `read` gives those of `fields_of(config).of_corpus` as metadata. fields: those that all
    its documents bring. segmenter: that suits it, "" to go by the language.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Path, CorpusConfig], Iterator[Document]]
    has_fields: bool = False
    fields: tuple[str, ...] = ()
    segmenter: str = ""


def _table(likely: str, path: Path, config: CorpusConfig) -> Iterator[Document]:
    return read_table(path, Columns.of(config), config.encoding, config.delimiter, likely)


FORMATS = {
    "lines": FileFormat((".txt",), lambda path, config: read_lines(path, config.encoding)),
    "jsonl": FileFormat(
        (".jsonl", ".ndjson"),
        lambda path, config: read_jsonl(path, Columns.of(config), config.encoding),
        has_fields=True,
    ),
    "csv": FileFormat((".csv",), partial(_table, ","), has_fields=True),
    "tsv": FileFormat((".tsv",), partial(_table, "\t"), has_fields=True),
    "xlsx": FileFormat((".xlsx",), lambda path, config: read_workbook(path, Columns.of(config)), has_fields=True),
    "label_text": FileFormat((), lambda path, config: read_label_text(path, config.encoding), fields=(LABEL,)),
    "mallet": FileFormat((), lambda path, config: read_mallet(path, config.encoding), fields=(LABEL,)),
    "tagged": FileFormat((), lambda path, config: read_tagged(path, config.encoding), segmenter="whitespace"),
}
"""By the name that --form gives them. A file of any other suffix holds lines, or what its first lines look like."""


def form_of(path: Path, config: CorpusConfig) -> str:
    """The form out of `FORMATS` that a file is read in. Raises UserError where it holds counts."""
    form = _form_of(path, config) or _form_named(path)
    documents_in(path, form, config)
    return form


def form_with_columns(name: str, config: CorpusConfig) -> str:
    """The form of a file, or of `-`, standard input, whose documents have columns or keys; else nothing."""
    path = Path(name).expanduser()
    if name != str(STDIN) and not path.is_file():
        return ""
    form = config.form if name == str(STDIN) else _form_of(path, config) or _form_named(path)
    return form if form in FORMATS and FORMATS[form].has_fields else ""


def forms() -> list[str]:
    """What --form can say: every form that is read, and `name`."""
    return ["name", *FORMATS, *COUNT_FILES, *FOLDERS]


def find_source(config: CorpusConfig) -> Source:
    """What `config.corpus` names, or `config.corpus_fallback` where that is not there: a path, else a corpus by name.

    Only looks; reading, and the errors of what the files hold, begin with `documents` or `counted`. Raises UserError
    where there is nothing to read.
    """
    try:
        return _find(corpus_or_fallback(config), config)
    except OSError as error:
        raise UserError(
            f"--corpus={config.corpus} cannot be looked at: {error.strerror}; check the path and its permissions"
        ) from error


def files_of(source: Source) -> list[Path]:
    """The files of a corpus, or its folder of shards."""
    return [source.prepared] if source.prepared else source.files


def files_trained_on(config: Config) -> list[tuple[str, Path]]:
    """The files and folders that a run of these settings read, each with what named it, so far as they are there."""
    found = files_read(config.corpus, config.vectors, config.model)
    for flag in ("corpus", "corpus_fallback"):
        named = dataclasses.replace(config.corpus, corpus=getattr(config.corpus, flag), corpus_fallback="")
        # What form they have, whoever reads them says.
        with suppress(UserError), silenced():
            found += [(f"--{flag}", path) for path in files_of(find_source(named))]
    return [(f"{flag} of its training", path) for flag, path in found]


def corpus_or_fallback(config: CorpusConfig) -> str:
    """`config.corpus`, or `config.corpus_fallback` where the former is not there, which is then said in three lines."""
    if not config.corpus.strip():
        raise UserError(
            f"--corpus is empty; give a file with one document a line, a folder, or a name: {', '.join(NAMED)}"
        )
    path = Path(config.corpus).expanduser()
    if path.exists() or config.corpus in NAMED or not config.corpus_fallback:
        return config.corpus
    note(f"The corpus of this run, {config.corpus}, is not there.")
    note(f"To use it, save it as {path.absolute()}, one document a line, and give the same command again.")
    note(f"Until then, {config.corpus_fallback} is used in its place.")
    return config.corpus_fallback


def as_prepared(config: CorpusConfig) -> CorpusConfig:
    """The settings, where the corpus is a folder of shards with those that its text was cut and filtered by.

    New documents are to be cut as those were, whatever becomes of the folder. Raises UserError where it is damaged, or
    is asked for other metadata than it was prepared with.
    """
    folder = Path(config.corpus).expanduser()
    if not manifest.is_prepared(folder):
        return config
    prepared = manifest.Manifest.read(folder)
    settings = prepared.settings
    names = {s.name for s in settings_of(CorpusConfig)} - {"segmenter", "stopwords"}
    given = {name: value for name, value in settings.items() if name in names}
    given.setdefault("clean_tokens", True)
    if config.meta or config.meta_fields not in ("", given.get("meta_fields", "")):
        fields = ", ".join(prepared.metadata.names) or "none"
        raise UserError(
            f"--corpus={config.corpus} has the metadata fields that it was prepared with ({fields}); leave out --meta "
            "and --meta_fields, or give them to etm_jax.prepare with another --output"
        )
    settings_given = [s for s in settings_of(CorpusConfig) if s.digest == "given" and s.name not in _OF_METADATA]
    for s in settings_given:
        wanted, there = getattr(config, s.name), given.get(s.name, s.default)
        if wanted not in (s.default, there):
            how = "without" if there == s.default else f"with {s.spelled(there)}"
            raise UserError(
                f"{s.spelled(wanted)}: the text in --corpus={config.corpus} was prepared {how}; leave the flag out, or "
                "prepare the text again with it, by etm_jax.prepare with another --output"
            )
    # What is younger than the folder, or was not given for it, is as it is by default.
    absent = {s.name: s.default for s in settings_given if s.name not in settings}
    as_cut = dataclasses.replace(config, **absent | given, segmenter=segmenter_named(settings["segmenter"]))
    _check_same_dict(as_cut, settings)
    return dataclasses.replace(as_cut, user_dict="")


def _check_same_dict(config: CorpusConfig, prepared: dict[str, Any]) -> None:
    """Raise UserError where --user_dict holds other words than those that a folder of shards was prepared with.

    prepared: the settings in its manifest.
    """
    if not config.user_dict:
        return
    words = read_user_dict(config.user_dict, config).to_text()
    if user_words_sha256(words) != prepared.get(USER_DICT):
        raise UserError(
            f"--corpus={config.corpus} was prepared with another --user_dict than {config.user_dict}, or without one; "
            "leave the flag out, or give it to etm_jax.prepare with another --output"
        )


def _find(corpus: str, config: CorpusConfig) -> Source:
    path = Path(corpus).expanduser()
    if path.is_dir():
        source = _find_in_folder(path, config)
    elif path.is_file():
        source = _find_in_file(path, config)
    elif corpus in NAMED:
        check_no_fields(corpus, config)
        source = find_named(corpus, config)
    else:
        flag = "--corpus" if corpus == config.corpus else "--corpus_fallback"
        raise UserError(
            f"{flag}={corpus!r} is not there; correct the path, or give a corpus by name: {', '.join(NAMED)}"
        )
    if config.segmenter == "gold" and source.documents and source.segmenter != "gold":
        segmented = ", ".join(name for name, named in NAMED.items() if named.segmented)
        raise UserError(
            f"--segmenter=gold is for corpora that a person has segmented ({segmented}), not for {corpus}; "
            "give --segmenter=whitespace where spaces part its words, or leave the flag out"
        )
    return source


def documents_in(path: Path, form: str, config: CorpusConfig) -> Callable[[], Iterator[Document]]:
    """The documents in a file of a form out of `FORMATS`. Reading begins when it is called."""
    if form not in FORMATS:
        raise UserError(f"--form={form} is counts and a vocabulary, not documents; give them as --corpus of training")
    format = FORMATS[form]
    if not format.has_fields:
        check_no_fields(str(path), config, format.fields)
    return lambda: format.read(path, config)


def file_documents(path: Path, config: CorpusConfig) -> Callable[[], Iterator[Document]]:
    """The documents in a file, in the form that --form or its name tells. Reading begins when it is called."""
    return documents_in(path, _form_of(path, config) or _form_named(path), config)


def _form_named(path: Path) -> str:
    """The form that a file's name tells."""
    packed = path.suffix.lower() == ".gz"
    suffix = (path.with_suffix("") if packed else path).suffix.lower()
    if suffix == ".json":
        raise UserError(f"{path} is one JSON value; write one object a line, each a document, and name it .jsonl")
    return next((name for name, format in FORMATS.items() if suffix in format.suffixes), "lines")


def _form_of(path: Path, config: CorpusConfig) -> str:
    """What --form says, else what a file without a telling name looks like; empty where its name is to tell."""
    if config.form:
        return "" if config.form == "name" else config.form
    return form_seen(path, config.encoding) if _form_named(path) == "lines" else ""


def _find_in_file(path: Path, config: CorpusConfig) -> Source:
    form = _form_of(path, config)
    if form and not config.form:
        note(f"{path} looks like {FORMS[form]}; it is read as --form={form} (--form=lines: each line is a text)")
    if form in FOLDERS:
        raise UserError(f"--form={form} is a folder, and --corpus={path} is a file; give the folder that it lies in")
    if form in COUNT_FILES:
        return find_counts(path, form, config)
    if not form and config.form != "name" and _form_named(path) == "lines" and has_glued_tags(path, config.encoding):
        warn(f"{path}: words look tagged by part of speech, as 中国ns; --form=tagged reads them without their tags")
    documents = documents_in(path, form or _form_named(path), config)
    format = FORMATS[form or _form_named(path)]
    by_name = not form or bool(format.suffixes)
    return Source(
        str(path),
        [path],
        segmenter=format.segmenter,
        documents=documents,
        # Of lines and tables the name of the file, which is in the digest, has always told the form.
        form="" if by_name and form in ("", _form_named(path)) else form,
        fields=format.fields,
        records=format.has_fields,
    )


def _find_in_folder(folder: Path, config: CorpusConfig) -> Source:
    if manifest.is_prepared(folder):
        check_inside(folder, manifest.files_of(folder), config.follow_links)
        settings = manifest.Manifest.read(folder).settings
        return Source(str(folder), [folder / manifest.NAME], settings["lang"], prepared=folder)
    if other := find_foreign_folder(folder, config):
        return other
    check_no_fields(str(folder), config)
    if (folder / "bow_tr_tokens.mat").is_file():
        files = [folder / name for name in original.FILES]
        check_inside(folder, files, config.follow_links)
        return Source(str(folder), files, counted=lambda: original.read_original(folder))
    if (folder / "vocab.txt").is_file() and (folder / "train.npz").is_file():
        files = [folder / name for name in exported.FILES]
        check_inside(folder, files, config.follow_links)
        return Source(str(folder), files, counted=lambda: exported.read_exported(folder))
    if (folder / "export" / "vocab.txt").is_file():
        raise UserError(
            f"--corpus={folder} is the folder of a run; for the corpus of that run give {folder / 'export'}"
        )
    files, left = files_in(folder, _is_text_file, config.follow_links)
    if not files:
        links = f" but {left:,} links that lead outside it ({FOLLOW})" if left else ""
        raise UserError(
            f"--corpus={folder} holds no .txt files{links}; give a folder of them, one that etm_jax.prepare made, one "
            "in the original ETM format (bow_tr_tokens.mat, …) or an export folder (vocab.txt, train.npz, …)"
        )
    tell_left(str(folder), left)
    return Source(str(folder), files, documents=lambda: read_folder(folder, files, config.encoding))


def _is_text_file(inside: Path) -> bool:
    """Hidden files and folders are the leavings of editors and archivers, often copies of the documents."""
    return inside.suffix.lower() == ".txt" and not any(part.startswith(".") for part in inside.parts)
