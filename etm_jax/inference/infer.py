"""Topic proportions of new documents, from files to files: what `etm_jax.infer` does."""

import dataclasses
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from etm_jax.corpus.columns_of_training import COLUMNS, with_columns_of_training
from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.new_documents import files_of_new, read_new, settings_like
from etm_jax.corpus.sources import files_trained_on
from etm_jax.inference.predictor import Mixtures, mixtures, names_of_topics, read_predictor
from etm_jax.inference.theta_files import CsvWriter, writer
from etm_jax.inference.unknown_words import too_many_unknown
from etm_jax.interop.read import model_files
from etm_jax.models.topic_edit import topic_columns
from etm_jax.ops.mesh import make_mesh
from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError
from etm_jax.util.overlap import check_not_read, given


def infer(
    workdir: str,
    source: str,
    output: str = "",
    *,
    form: str = "",
    text_field: str | None = None,
    id_field: str | None = None,
    delimiter: str | None = None,
    follow_links: bool = False,
    encoding: str = "utf-8",
    segmenter: str = "",
    segmenter_model: str = "",
    workers: int = 0,
    meta_fields: str = "",
    meta: str = "",
    unfinished: bool = False,
    mesh: str = "",
) -> None:
    """Write the topic proportions of the documents in `source` by the model in `workdir`, and print a summary.

    source: anything that --corpus of training accepts, or `-` for standard input. form: what it holds, as --form of
    training says. output: a file, whose suffix determines the format; if empty, CSV is written to standard output.
    text_field, id_field, delimiter, encoding, meta_fields, meta: as of training; None stands for what training had,
    where the source has such columns. segmenter, segmenter_model: used instead of the run's.
    follow_links: go where links in a folder lead, outside it too. workers: number of processes; 0 for as many as are
    worth starting. unfinished: take a run that has not ended as it is. mesh: the devices, as --mesh of training says.
    Raises UserError where something cannot be read or written.
    """
    if Path(output).suffix.lower() == ".npy" and (meta_fields or meta):
        raise UserError(
            f"--output={output} holds proportions alone; with --meta_fields or --meta give a "
            ".csv, .jsonl or .parquet file"
        )
    model = read_predictor(workdir, unfinished, make_mesh(mesh))
    like_the_run = settings_like(model.config.corpus, model.vocabulary, segmenter)
    settings = dataclasses.replace(
        like_the_run,
        title_field="",
        **COLUMNS,
        follow_links=follow_links,
        encoding=encoding,
        workers=workers,
        segmenter_model=segmenter_model or like_the_run.segmenter_model,
        meta_fields=meta_fields,
        meta=meta,
        form=form,
    )
    check_not_read(
        [("--output", Path(output or "/dev/stdout").expanduser())],
        [
            *(("--workdir", path) for path in model_files(workdir)),
            *(("--input", path) for path in files_of_new(source, settings)),
            *given("meta", meta),
            *given("segmenter_model", segmenter_model),
            *files_trained_on(model.config),
        ],
    )
    asked = {"text_field": text_field, "id_field": id_field, "delimiter": delimiter}
    said = {name: value for name, value in asked.items() if value is not None}
    settings = with_columns_of_training(source, settings, said, model.config.corpus)
    note(f"topics of {model.origin}")
    tally = Tally()
    documents = tally.counting(mixtures(model, read_new(source, form, settings, model.vocabulary)))
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
    tally.tell(output, workdir)


class Tally:
    """Counts of documents, of their words, and of the words that the model does not know."""

    def __init__(self) -> None:
        self.documents = self.without = self.tokens = 0
        self.unknown = 0.0

    def counting(self, documents: Iterator[Mixtures]) -> Iterator[Mixtures]:
        """Yield the same documents, counting them."""
        for some in documents:
            yield some
            self.documents += len(some.ids)
            self.without += int((some.unknown == 1).sum())
            self.tokens += int(some.tokens.sum())
            self.unknown += float(some.unknown @ some.tokens)

    def tell(self, output: str, workdir: str) -> None:
        """Print the counts on stderr, with a warning where far more words are unknown than to the run in workdir."""
        share = self.unknown / max(self.tokens, 1)
        into = f"{Path(output).expanduser()}: " if output else ""
        note(f"{into}{self.documents:,} documents; {share:.1%} of their words are not the model's")
        if self.without:
            warn(
                f"{self.without:,} of {self.documents:,} documents hold no word that the model knows; they have the "
                "prior's topics"
            )
        if message := too_many_unknown(share, workdir):
            warn(message)
