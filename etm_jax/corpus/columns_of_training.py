"""The columns of a new table: those of the table that a run was trained on, where the new one has them too."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.readers.columns import columns_of_text
from etm_jax.corpus.readers.decode import STDIN
from etm_jax.corpus.readers.tables import header_of_table, header_of_workbook
from etm_jax.corpus.readers.text_files import keys_of_jsonl
from etm_jax.corpus.sources import form_with_columns
from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError

COLUMNS = {name: getattr(CorpusConfig(), name) for name in ("text_field", "id_field", "delimiter")}
"""The settings that say how a table is read, and what they are by default."""


def with_columns_of_training(
    name: str, settings: CorpusConfig, said: Mapping[str, str], trained: CorpusConfig
) -> CorpusConfig:
    """The settings by which `name` is read, a file or `-`, with its `COLUMNS`.

    settings: with --form and --encoding for that file. said: those of `COLUMNS` that a person gives. trained: the
    settings of the run, from which the others come where the file has such columns, which is told, else they are as by
    default. Standard input, which is read once, is taken to have them. Raises UserError where the file cannot be read.
    """
    plain = replace(settings, **{**COLUMNS, **said})
    try:
        form = form_with_columns(name, plain)
    except UserError as error:
        raise UserError(str(error).replace("--corpus", "--input")) from error
    if not form:
        return plain
    of_training = {column: getattr(trained, column) for column in COLUMNS if column not in said}
    if form not in ("csv", "tsv"):
        of_training["delimiter"] = plain.delimiter  # Nothing stands between its columns.
    found = replace(plain, **of_training)
    if name != str(STDIN):
        found = _that_are_there(Path(name).expanduser(), form, found, plain)
    taken = [column for column in COLUMNS if getattr(found, column) != getattr(plain, column)]
    if taken:
        flags = " ".join(f"--{column}={getattr(found, column)}" for column in taken)
        note(f"read as the text of training: {flags}; give {'it' if len(taken) == 1 else 'them'} for other columns")
    return found


def with_fields_of_model(name: str, settings: CorpusConfig, wanted: Sequence[str]) -> CorpusConfig:
    """The settings with the metadata fields that a model reads, those of them that `name`, a file or `-`, has.

    settings: by which the file is read. Fields that --meta_fields and --meta bring are there already. What is taken and
    what is missing is told. Standard input, which is read once, is taken to have the fields.
    """
    asked = list(fields_of(settings).names)
    sought = [field for field in wanted if field not in asked]
    if not sought:
        return settings
    form = form_with_columns(name, settings)
    if form and name == str(STDIN):
        header: Sequence[str] = sought
    else:
        header = _header(Path(name).expanduser(), form, settings) if form else []
    taken = [field for field in sought if field in header]
    if missing := [field for field in sought if field not in taken]:
        warn(
            f"the model reads {', '.join(missing)} of a document, which is not in --input={name}: the mean stands for "
            "it (--meta_fields and --meta give it)"
        )
    if not taken:
        return settings
    note(f"read as the metadata of training: --meta_fields={','.join(taken)}")
    return replace(settings, meta_fields=",".join([*asked, *taken]))


def _that_are_there(path: Path, form: str, wanted: CorpusConfig, plain: CorpusConfig) -> CorpusConfig:
    """The settings of `wanted` that a file of this form has columns for, and those of `plain` for others."""
    texts = [columns_of_text(wanted), columns_of_text(plain)]
    found, there = wanted, _header(path, form, wanted)
    if wanted.delimiter != plain.delimiter and not any(_has(there, text) for text in texts):
        otherwise = _header(path, form, replace(wanted, delimiter=plain.delimiter))
        if any(_has(otherwise, text) for text in texts) or len(otherwise) > len(there):
            found, there = replace(found, delimiter=plain.delimiter), otherwise
    # Where neither is there, the reader names a column of training that is missing.
    if not _has(there, texts[0]) and _has(there, texts[1]):
        found = replace(found, text_field=plain.text_field)
    if wanted.id_field != plain.id_field and not _has(there, [wanted.id_field]):
        found = replace(found, id_field=plain.id_field)
        note(
            f"{path} has no column {wanted.id_field}, which named the documents of training: here they are called by "
            "their numbers (--id_field names another column)"
        )
    return found


def _header(path: Path, form: str, config: CorpusConfig) -> list[str]:
    if form == "jsonl":
        return keys_of_jsonl(path, config.encoding)
    if form == "xlsx":
        return header_of_workbook(path)
    wanted = [*columns_of_text(config), *([config.id_field] if config.id_field else [])]
    return header_of_table(path, config.encoding, config.delimiter, "\t" if form == "tsv" else ",", wanted)


def _has(header: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a table has all these columns, by name or, without a header, by number."""
    return all(one in header or (one.isdecimal() and 1 <= int(one) <= len(header)) for one in names)
