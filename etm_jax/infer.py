"""Give new documents the topics of a trained model.

    python -m etm_jax.infer --workdir=runs/demo --input=new.txt --output=theta.csv
    zcat *.jsonl.gz | python -m etm_jax.infer --workdir=runs/demo --input=- --form=jsonl --output=theta.parquet

A row a document: its name (the number of its line, or its path in a folder), how many words it has, the share of them
that the model does not know, and its topic proportions, which sum to 1. A document without one known word gets those of
the prior, and its share is 1. The text is read piece by piece, so that its size does not matter.

--workdir=FOLDER      a run of any --model, or a .safetensors file of etm_jax.convert
--input=FILE          the documents, in any form that --corpus of etm_jax.train takes: .txt with one a line, .jsonl,
                      .csv, .tsv, each .gz too, a folder of .txt files, a folder of counts; or -, standard input
--form=lines          of standard input: lines, jsonl, csv or tsv
--text_field=text     the column or key of the text, in .csv, .tsv and .jsonl
--encoding=utf-8      of the text
--meta_fields=NAMES   columns or keys of .csv, .tsv and .jsonl, such as date,source, that the rows get too, as the last
--meta=FILE           a .csv or .tsv file with a column document, which names the documents as their rows are named, and
                      these fields, by default all its other columns
--output=FILE         .csv, .jsonl, .npy (the proportions alone) or .parquet; without it, CSV goes to the screen
--segmenter=NAME      cuts the text; by default as the run's was
--segmenter_model=DIR the model of --segmenter=spacy_pkuseg
--workers=N           processes that cut the text; by default as many as pay
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from etm_jax.cli import flags as cli
from etm_jax.config.settings import CorpusConfig
from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError

FORMS = ("lines", "jsonl", "csv", "tsv")
SUFFIXES = (".csv", ".jsonl", ".npy", ".parquet")


def main(argv: Sequence[str]) -> None:
    """Read, infer, write."""
    default = CorpusConfig()
    values = flags.FlagValues()
    for name in ("workdir", "input", "output", "segmenter", "segmenter_model", "meta_fields", "meta"):
        flags.DEFINE_string(name, "", name, flag_values=values)
    flags.DEFINE_enum("form", "lines", FORMS, "of standard input", flag_values=values)
    flags.DEFINE_string("text_field", default.text_field, "column or key of the text", flag_values=values)
    flags.DEFINE_string("encoding", default.encoding, "of the text", flag_values=values)
    flags.DEFINE_integer("workers", 0, "processes that cut the text", lower_bound=0, flag_values=values)
    if cli.wants_help(argv):
        print(__doc__)
        return
    cli.parse_only(values, argv)
    if not values.workdir or not values.input:
        raise UserError("give --workdir=RUN and --input=FILE, or --input=- for standard input; --help shows how")
    output = Path(values.output).expanduser()
    if values.output and output.suffix.lower() not in SUFFIXES:
        raise UserError(f"--output={values.output} must end in {', '.join(SUFFIXES)}")
    if output.suffix.lower() == ".npy" and (values.meta_fields or values.meta):
        raise UserError(
            f"--output={values.output} holds proportions alone; with --meta_fields or --meta give a .csv, .jsonl or "
            ".parquet file"
        )
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.corpus.fields import fields_of
    from etm_jax.corpus.new_documents import read_new, settings_like
    from etm_jax.inference.predictor import mixtures, read_predictor
    from etm_jax.inference.theta_files import CsvWriter, Writer, writer

    model = read_predictor(values.workdir)
    settings = dataclasses.replace(
        settings_like(model.config.corpus, model.vocabulary, values.segmenter),
        text_field=values.text_field,
        encoding=values.encoding,
        workers=values.workers,
        meta_fields=values.meta_fields,
        meta=values.meta,
        **({"segmenter_model": values.segmenter_model} if values.segmenter_model else {}),
    )
    num_topics, fields = model.config.model.num_topics, fields_of(settings).names
    documents = mixtures(model, read_new(values.input, values.form, settings, model.vocabulary))
    number = without = tokens = 0
    unknown = 0.0

    def write(out: Writer) -> None:
        nonlocal number, without, tokens, unknown
        for some in documents:
            out.write(some)
            number, without = number + len(some.ids), without + int((some.unknown == 1).sum())
            tokens, unknown = tokens + int(some.tokens.sum()), unknown + float(some.unknown @ some.tokens)

    if values.output:
        with writer(output, num_topics, fields) as out:
            write(out)
    else:
        to_screen = CsvWriter(sys.stdout.buffer, num_topics, fields, mark=False)
        write(to_screen)
        to_screen.close()
    share = unknown / max(tokens, 1)
    into = f"{output}: " if values.output else ""
    note(f"{into}{number:,} documents; {share:.1%} of their words are not the model's")
    if without:
        warn(f"{without:,} of {number:,} documents hold no word that the model knows; they have the prior's topics")
    if share > 0.7:
        warn("that is much: is the text of another subject or language, or cut by another segmenter?")


if __name__ == "__main__":
    sys.exit(cli.run(main))
