"""Give new documents the topics of a trained model.

    python -m etm_jax.infer --workdir=runs/demo --input=new.txt --output=theta.csv
    zcat *.jsonl.gz | python -m etm_jax.infer --workdir=runs/demo --input=- --form=jsonl --output=theta.parquet

A row a document: its name (that of --id_field, else its number, or its path in a folder), how many words it has, the
share of them that the model does not know, and its topic proportions, which sum to 1: topic_0, topic_1 and so on, or
topic_1 NAME for a topic that etm_jax.edit gave a name. A document without one known word gets those of the prior, and
its share is 1. Each row of a table has its row, in the order of the input; one without text has 0 words and the share
1. The text is read piece by piece, so that its size does not matter.

Of many files, or of the shards of etm_jax.prepare, each gives a Parquet file, its part, in a folder. Parts are made by
several processes, or wherever Apache Beam runs, and are the same bytes; given again after it was stopped, the command
goes on with the parts that are not yet made. Documents without --id_field are called by their file and number. (extras:
scale, parquet)

    python -m etm_jax.infer --workdir=runs/demo --input='docs-*.jsonl.gz' --output=theta/
    python -m etm_jax.infer --workdir=runs/demo --input=prepared --output=theta/ --runner=beam
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import SEGMENTERS, CorpusConfig
from etm_jax.config.declaration import setting
from etm_jax.util.errors import UserError
from etm_jax.util.imports import quick_imports


def _forms() -> dict[str, str]:
    """The forms that documents can be read in, without a phrase each."""
    from etm_jax.corpus.sources import forms

    return dict.fromkeys(forms(), "")


@dataclass(frozen=True)
class InferFlags:
    """What the command takes."""

    workdir: str = setting(
        "", "a run of any --model, or a .safetensors file of etm_jax.convert", shown="FOLDER", required=True
    )
    input: str = setting(
        "",
        "the documents, in any form that --corpus of etm_jax.train takes: .txt with one a line, .jsonl, .csv, .tsv, "
        "each .gz too, .xlsx, a folder of .txt files, a folder of counts or of shards; or -, standard input. Of "
        "--output=FOLDER/ a pattern of files with a document a line, or a folder of shards",
        shown="FILE",
        required=True,
    )
    form: str = setting(
        "",
        "what --input holds; default: what the file's name and first lines say, of standard input lines",
        choices=_forms,
    )
    follow_links: bool = setting(False, "follow links in a folder that lead outside it; by default they are left")
    text_field: str | None = setting(
        None,
        "the column or key of the text, or several, in tables and .jsonl; default: that of training where the file has "
        "it, else text",
        shown="NAME",
    )
    id_field: str | None = setting(
        None,
        "the column or key that names the documents; default: that of training where the file has it, else, and where "
        "nothing stands behind the =, their numbers",
        shown="NAME",
    )
    delimiter: str | None = setting(
        None,
        "between the columns of a table: tab or one character; default: that of training where it gives the columns of "
        "training, else as the first line has it",
        shown="CHARACTER",
    )
    encoding: str = setting(CorpusConfig.encoding, "of the text: utf-8, gb18030, …", shown="NAME")
    meta_fields: str = setting(
        "",
        "columns or keys of tables and .jsonl, such as date,source, that the rows get too, as the last",
        shown="NAME,NAME",
    )
    meta: str = setting(
        "",
        "a table with a column document, or that of --id_field, which names the documents as their rows are named, and "
        "these fields, by default all its other columns",
        shown="FILE",
    )
    context: str = setting(
        "",
        "of a model that was trained with --context: file:VECTORS.npy, with a row for each document, or where the "
        "folder of bert: is now; default: as in training",
        choices=("use", "bert:FOLDER", "file:VECTORS.npy"),
    )
    output: str = setting(
        "",
        ".csv, .jsonl, .npy (the proportions alone) or .parquet (extra: parquet); or a folder, new or empty, with a "
        "stroke behind it, for a .parquet file of each file of --input; without it, CSV goes to the screen",
        shown="FILE",
        endings=(".csv", ".jsonl", ".npy", ".parquet", "/"),
    )
    segmenter: str = setting("", "cuts the text; by default as the run's was", choices=SEGMENTERS)
    segmenter_model: str = setting("", "folder of a model of pkuseg's; by default the run's", shown="FOLDER")
    workers: int = setting(
        0,
        "processes that cut the text; 0: as many as repay their start. Of --output=FOLDER/ processes that make parts; "
        "0: on CPUs as many as there are cores, else one",
        at_least=0,
    )
    runner: str = setting(
        "local",
        "what makes the parts of --output=FOLDER/: processes of this machine, or an Apache Beam pipeline",
        choices=("local", "beam"),
    )
    beam_options: str = setting(
        "", "of Beam, as '--runner=FlinkRunner --flink_master=…'; without them it runs on this machine"
    )
    mesh: str = setting(
        "", "devices as data:4,vocab:2: documents are split over data, words over vocab; default: all devices on data"
    )
    unfinished: bool = setting(False, "take a run that has not ended as it is, with a warning that names its epoch")


def main(argv: Sequence[str]) -> None:
    """Read, infer, write."""
    given = cli.parse_small(InferFlags, argv, __doc__)
    if given is None:
        return
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    with quick_imports():
        from etm_jax.cli.compiled import programs_kept
        from etm_jax.inference.infer import Reading, infer

    reading = Reading(**{one.name: getattr(given, one.name) for one in fields(Reading)})
    if not given.output.endswith("/") and (given.runner == "beam" or given.beam_options):
        raise UserError("--runner=beam makes a folder of parts; give one as --output=FOLDER/, with the stroke")
    if not given.output.endswith("/") and re.search(r"[*?]", given.input) and not Path(given.input).exists():
        raise UserError(
            f"--input={given.input} is a pattern; give --output=FOLDER/, with the stroke, for a part of each file, or "
            "a folder of the files as --input"
        )
    if given.beam_options and given.runner != "beam":
        raise UserError("--beam_options is for --runner=beam; give both, or leave it out")
    with programs_kept():
        if given.output.endswith("/"):
            from etm_jax.inference.parts import infer_parts

            infer_parts(
                given.workdir,
                given.input,
                given.output,
                reading,
                runner=given.runner,
                beam_options=given.beam_options,
                unfinished=given.unfinished,
                mesh=given.mesh,
            )
        else:
            infer(given.workdir, given.input, given.output, reading, unfinished=given.unfinished, mesh=given.mesh)


if __name__ == "__main__":
    sys.exit(cli.run(main))
