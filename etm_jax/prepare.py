"""Cut and count a corpus without training on it, to see what filtering does, or to do it once for many runs.

    python -m etm_jax.prepare --corpus=my_documents.txt --no_above=0.05
    python -m etm_jax.prepare --corpus=my_documents.txt --cache_dir=prepared
    python -m etm_jax.prepare --input='docs-*.jsonl.gz' --output=prepared

The prepared corpus goes into --cache_dir, or where training with the same flags would put it; training with the same
corpus flags finds it there. Takes every flag of etm_jax.train, files of flags too, and reads those of the corpus.

With --input and --output, a corpus of any size, which is never in memory: each file is cut and counted by itself, and
the counts go into shards, from which etm_jax.train --corpus=prepared reads them. A document's part, for training,
validation or test, is drawn by its file's name and its number there. Given again after it was stopped, the command goes
on with the files that are not yet done. (extra: scale)

--input=PATTERN       .txt, .jsonl, .csv, .tsv, each .gz too, a document a line; many files keep many processes busy
--output=FOLDER       a new or empty folder
--runner=local|beam   processes of this machine, as many as --workers says, or an Apache Beam pipeline [local]
--beam_options=TEXT   of Beam, as '--runner=FlinkRunner --flink_master=…'; without them it runs on this machine
--shards=N            files of training documents; 0: as many as suit [0]
--block_docs=N        documents of a record, which --batch_size of a training is to be a multiple of [64]
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from etm_jax.cli import flags as cli
from etm_jax.config.settings import CorpusConfig
from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError

RUNNERS = ("local", "beam")


def main(argv: Sequence[str]) -> None:
    """Prepare, and print what filtering did."""
    if cli.wants_help(argv):
        print(cli.help_text(__doc__ or "", ("corpus",)))
        return
    values = flags.FlagValues()
    for name in ("input", "output", "beam_options"):
        flags.DEFINE_string(name, "", name, flag_values=values)
    flags.DEFINE_enum("runner", "local", RUNNERS, "what runs it", flag_values=values)
    flags.DEFINE_integer("shards", 0, "files of training documents", flag_values=values)
    flags.DEFINE_integer("block_docs", 64, "documents of a record", flag_values=values)
    config, options = cli.parse(cli.parse_some(values, argv))
    if values.input or values.output:
        _prepare_shards(config.corpus, values)
        return
    # It takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.cli.run import prepare_corpus

    prepare_corpus(config, options)


def _prepare_shards(config: CorpusConfig, values: flags.FlagValues) -> None:
    if not values.input or not values.output:
        raise UserError("--input and --output go together: the files to read, and the folder to fill; see --help")
    if config.corpus:
        raise UserError(f"--corpus={config.corpus} and --input={values.input} are two corpora; leave out one of them")
    if values.beam_options and values.runner != "beam":
        raise UserError("--beam_options is for --runner=beam; give both, or leave it out")
    from etm_jax.corpus.filter_report import format_report, report_warnings
    from etm_jax.corpus.prepare import warn_of_language
    from etm_jax.corpus.shard_writing import local
    from etm_jax.corpus.shard_writing.job import make_job
    from etm_jax.corpus.shard_writing.pipeline import BeamRunner
    from etm_jax.corpus.shard_writing.prepare import prepare_shards
    from etm_jax.corpus.shards.manifest import VOCABULARY

    folder = Path(values.output).expanduser()
    runner = BeamRunner(values.beam_options) if values.runner == "beam" else local.run
    manifest = prepare_shards(make_job(values.input, config, values.block_docs, values.shards), folder, runner)
    note(format_report(manifest.report))
    for warning in report_warnings(manifest.report):
        warn(warning)
    if not config.lang:
        warn_of_language(json.loads((folder / VOCABULARY).read_text("ascii"))["words"])
    documents = {name: part.total("documents") for name, part in manifest.parts.items()}
    size = sum(part.total("bytes") for part in manifest.parts.values())
    shares = f"{documents['train']:,} to train, {documents['valid']:,} to validate, {documents['test']:,} to test"
    note(f"{folder}: {manifest.num_words:,} words; documents: {shares}; {size / 2**20:,.1f} MiB")
    note(f"--corpus={folder} trains on them")


if __name__ == "__main__":
    sys.exit(cli.run(main))
