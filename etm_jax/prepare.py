"""Cut and count a corpus without training on it, to see what filtering does, or to do it once for many runs.

    python -m etm_jax.prepare --corpus=my_documents.txt --no_above=0.05
    python -m etm_jax.prepare --corpus=my_documents.txt --cache_dir=prepared

The prepared corpus goes into --cache_dir, or where training with the same flags would put it; training with the same
corpus flags finds it there. Takes every flag of etm_jax.train, files of flags too, and reads those of the corpus.
"""

import sys
from collections.abc import Sequence

from etm_jax import cli


def main(argv: Sequence[str]) -> None:
    """Prepare, and print what filtering did."""
    if cli.wants_help(argv):
        print(cli.help_text(__doc__ or "", ("corpus",)))
        return
    config, options = cli.parse(argv)
    # It takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.run import prepare_corpus

    prepare_corpus(config, options)


if __name__ == "__main__":
    sys.exit(cli.run(main))
