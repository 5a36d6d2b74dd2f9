"""Topic proportions of new documents, from files to files: what `etm_jax.infer` does."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.columns_of_training import COLUMNS, with_columns_of_training, with_fields_of_model
from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.metadata import MISSING_CODE, MetaColumn, Metadata
from etm_jax.corpus.new_documents import files_of_new, read_new, settings_like
from etm_jax.corpus.sources import files_trained_on
from etm_jax.inference.contexts import NewContexts
from etm_jax.inference.predictor import ExportPredictor, Mixtures, Predictor, mixtures, names_of_topics, read_predictor
from etm_jax.inference.theta_files import CsvWriter, writer
from etm_jax.inference.unknown_words import too_many_unknown
from etm_jax.interop.read import model_files
from etm_jax.models.topic_edit import topic_columns
from etm_jax.ops.mesh import make_mesh
from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError
from etm_jax.util.overlap import check_not_read, given


@dataclass(frozen=True)
class Reading:
    """How new documents are read.

    form: what they are in, as --form of training says. text_field, id_field, delimiter, encoding, meta_fields, meta: as
    of training; None stands for what training had, where the source has such columns. segmenter, segmenter_model: used
    instead of the run's. follow_links: go where links in a folder lead, outside it too. workers: number of processes; 0
    for as many as are worth starting. context: as of training, where the vectors of these documents, or their encoder,
    are elsewhere now.
    """

    form: str = ""
    text_field: str | None = None
    id_field: str | None = None
    delimiter: str | None = None
    follow_links: bool = False
    encoding: str = "utf-8"
    segmenter: str = ""
    segmenter_model: str = ""
    workers: int = 0
    meta_fields: str = ""
    meta: str = ""
    context: str = ""

    def settings(self, model: Predictor | ExportPredictor) -> CorpusConfig:
        """The settings to read by, but for `COLUMNS`, which are as by default."""
        like_the_run = settings_like(model.config.corpus, model.vocabulary, self.segmenter)
        return replace(
            like_the_run,
            title_field="",
            **COLUMNS,
            follow_links=self.follow_links,
            encoding=self.encoding,
            workers=self.workers,
            segmenter_model=self.segmenter_model or like_the_run.segmenter_model,
            meta_fields=self.meta_fields,
            meta=self.meta,
            form=self.form,
        )

    def with_columns(self, name: str, settings: CorpusConfig, model: Predictor | ExportPredictor) -> CorpusConfig:
        """The settings with the columns by which `name` is read. Raises UserError where the file cannot be read."""
        said = {column: value for column in COLUMNS if (value := getattr(self, column)) is not None}
        found = with_columns_of_training(name, settings, said, model.config.corpus)
        read = model.spec.metadata.names if isinstance(model, Predictor) else ()
        return with_fields_of_model(name, found, read)

    def contexts(self, model: Predictor | ExportPredictor) -> NewContexts | None:
        """What gives documents their vectors, where the model reads them. Raises UserError as `NewContexts` does."""
        if isinstance(model, Predictor) and model.is_given_context:
            return NewContexts(model.config.model.context, model.context_digest, self.context)
        if self.context:
            raise UserError(f"--context={self.context} is for a model that was trained with it; leave it out")
        return None

    def check_output(
        self, output: Path, inputs: Iterable[Path], workdir: str, model: Predictor | ExportPredictor
    ) -> None:
        """Raise UserError where the output would be written over something that is read."""
        check_not_read(
            [("--output", output)],
            [
                *(("--workdir", path) for path in model_files(workdir)),
                *(("--input", path) for path in inputs),
                *given("meta", self.meta),
                *given("segmenter_model", self.segmenter_model),
                *given("context", self.context.partition(":")[2]),
                *files_trained_on(model.config),
            ],
        )


def infer(
    workdir: str,
    source: str,
    output: str,
    reading: Reading,
    *,
    unfinished: bool = False,
    mesh: str = "",
) -> None:
    """Write the topic proportions of the documents in `source` by the model in `workdir`, and print a summary.

    source: anything that --corpus of training accepts, or `-` for standard input. output: a file, whose suffix
    determines the format; if empty, CSV is written to standard output. unfinished: take a run that has not ended as it
    is. mesh: the devices, as --mesh of training says. Raises UserError where something cannot be read or written.
    """
    if Path(output).suffix.lower() == ".npy" and (reading.meta_fields or reading.meta):
        raise UserError(
            f"--output={output} holds proportions alone; with --meta_fields or --meta give a "
            ".csv, .jsonl or .parquet file"
        )
    model = read_predictor(workdir, unfinished, make_mesh(mesh))
    settings, contexts = reading.settings(model), reading.contexts(model)
    reading.check_output(Path(output or "/dev/stdout").expanduser(), files_of_new(source, settings), workdir, model)
    settings = reading.with_columns(source, settings, model)
    note(f"topics of {model.origin}")
    tally = Tally(model.spec.metadata if isinstance(model, Predictor) else Metadata())
    read = read_new(source, reading.form, settings, model.vocabulary)
    documents = tally.counting(mixtures(model, read, contexts))
    topics, fields = topic_columns(names_of_topics(model)), fields_of(settings).names
    if output:
        with writer(Path(output).expanduser(), topics, fields) as out:
            for some in documents:
                out.write(some)
    else:
        first = next(documents, None)  # Before the header, as what cannot be read has to leave nothing.
        to_screen = CsvWriter(sys.stdout.buffer, topics, fields, to_screen=True)
        for some in chain([first] if first else [], documents):
            to_screen.write(some)
        to_screen.close()
    tally.tell(output, workdir, model)


class Tally:
    """Counts of documents, of their words, of the words that the model does not know, and of values that it does not.

    read: the fields that the model reads. unread: values of these that are none to it, as a category that no document
    to train on had; beyond: numbers and dates before the first and after the last of training.
    """

    def __init__(self, read: Metadata = Metadata()) -> None:  # noqa: B008 - it is frozen
        self.documents = self.without = self.tokens = self.unread = self.beyond = 0
        self.unknown = 0.0
        self._read = read

    def counting(self, documents: Iterator[Mixtures]) -> Iterator[Mixtures]:
        """Yield the same documents, counting them."""
        for some in documents:
            yield some
            self.documents += len(some.ids)
            self.without += int((some.unknown == 1).sum())
            self.tokens += int(some.tokens.sum())
            self.unknown += float(some.unknown @ some.tokens)
            for column in self._read.columns:
                self._count_values(column, some.meta.get(column.name, []))

    def _count_values(self, column: MetaColumn, values: Sequence[str]) -> None:
        found = column.encode(values)
        given = np.array([value != "" for value in values], bool)
        none = found == MISSING_CODE if column.kind == "category" else np.isnan(found)
        self.unread += int((given & none).sum())
        if column.quantiles:
            low, high = column.quantiles[0], column.quantiles[-1]
            self.beyond += int(((found < np.float32(low)) | (found > np.float32(high))).sum())

    @property
    def counts(self) -> dict[str, Any]:
        """The counts by name."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def add(self, other: Mapping[str, Any]) -> None:
        """Add the counts that another has, by name."""
        for name in self.counts:
            setattr(self, name, getattr(self, name) + other.get(name, 0))

    def tell(self, output: str, workdir: str, model: Predictor | ExportPredictor) -> None:
        """Print the counts on stderr, with a warning where far more words are unknown than to the run in workdir."""
        if model.config.model.encoder == "context":
            note(f"{Path(output).expanduser() if output else 'standard output'}: {self.documents:,} documents")
            return
        share = self.unknown / max(self.tokens, 1)
        into = f"{Path(output).expanduser()}: " if output else ""
        note(f"{into}{self.documents:,} documents; {share:.1%} of their words are not the model's")
        if self.without and model.is_given_context:
            note(f"{self.without:,} of {self.documents:,} documents hold no word that the model knows")
        elif self.without:
            warn(
                f"{self.without:,} of {self.documents:,} documents hold no word that the model knows; they have the "
                "prior's topics"
            )
        if self.unread:
            warn(
                f"{self.unread:,} values of the fields that the model reads are none that training had, such as a new "
                "category or no date; they count as missing"
            )
        if self.beyond:
            note(f"{self.beyond:,} numbers or dates lie beyond those of training, and count as its first or last")
        if message := too_many_unknown(share, workdir):
            warn(message)
