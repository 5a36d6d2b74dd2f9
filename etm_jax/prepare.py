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

With --suggest_words, nothing is prepared: it lists the strings that look like words and are cut into pieces, such as
names, for you to pick those that --user_dict is to keep whole.

    python -m etm_jax.prepare --corpus=novel.txt --suggest_words --output=names.txt
    python -m etm_jax.train --corpus=novel.txt --user_dict=names.txt

Its columns: how often a string occurs, in what share of these it is cut, and how it is cut most often; the association
of its parts, the bits by which they meet oftener than by chance, and the entropy of its neighbours in bits, which is
high where it stands among many others, as words do. They are sorted by the product of the occurrences that are cut,
2^association and 2^entropy.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.config.declaration import setting
from etm_jax.util.errors import UserError


@dataclass(frozen=True)
class PrepareFlags:
    """What the command takes besides the flags of training."""

    input: str = setting(
        "",
        ".txt, .jsonl, .csv, .tsv, each .gz too, a document a line; many files keep many processes busy",
        shown="PATTERN",
    )
    output: str = setting("", "a new or empty folder; with --suggest_words, a new file", shown="FOLDER")
    suggest_words: bool = setting(False, "list strings that look like words and are cut, for --user_dict")
    runner: str = setting(
        "local",
        "processes of this machine, as many as --workers says, or an Apache Beam pipeline",
        choices=("local", "beam"),
    )
    beam_options: str = setting(
        "", "of Beam, as '--runner=FlinkRunner --flink_master=…'; without them it runs on this machine"
    )
    # No more than five digits can name.
    shards: int = setting(0, "files of training documents; 0: as many as suit", at_least=0, at_most=99_999)
    block_docs: int = setting(
        64, "documents of a record, which --batch_size of a training is to be a multiple of", at_least=1
    )


def main(argv: Sequence[str]) -> None:
    """Prepare, and print what filtering did."""
    if cli.help_shown(argv, __doc__, {"shards": PrepareFlags, "corpus": CorpusConfig}):
        return
    config, options, given = cli.parse_with(PrepareFlags, argv)
    # It takes a second to import, which neither --help nor a mistyped flag should cost.
    if given.suggest_words:
        from etm_jax.corpus.suggest_words import suggest_words

        if given.input:
            raise UserError("--suggest_words reads a --corpus; give the files, or a part of them, as --corpus=FILE")
        suggest_words(config.corpus, given.output)
    elif given.input or given.output:
        from etm_jax.corpus.shard_writing.prepare import prepare_files

        prepare_files(
            given.input,
            given.output,
            config.corpus,
            runner=given.runner,
            beam_options=given.beam_options,
            block_docs=given.block_docs,
            num_shards=given.shards,
        )
    else:
        from etm_jax.cli.run import prepare_corpus

        prepare_corpus(config, options)


if __name__ == "__main__":
    sys.exit(cli.run(main))
