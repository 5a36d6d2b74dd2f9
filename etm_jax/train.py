"""Train a topic model.

    python -m etm_jax.train --corpus=my_documents.txt
    python -m etm_jax.train --flagfile=experiments/3body.flags

A document a line gives topics on the screen and, in runs/my_documents/export, everything as files. The same command
again resumes where it stopped.

    python -m etm_jax.train --corpus=my_documents.txt --n_topic=10,20,30,50 --num_seeds=3

fits a model of each number of topics, in runs/my_documents/K10 and so on, and compares them in search.csv.
"""

import sys
from collections.abc import Sequence

from etm_jax.cli import flags as cli
from etm_jax.util.imports import quick_imports


def main(argv: Sequence[str]) -> None:
    """Train, export, and print the topics."""
    if cli.help_shown(argv, __doc__, cli.sections_of_training()):
        return
    configs, options = cli.parse_models(argv)
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    if len(configs) > 1:
        with quick_imports():
            from etm_jax.cli.search import search

        search(configs, options)
    else:
        with quick_imports():
            from etm_jax.cli.run import run

        run(configs[0], options)


if __name__ == "__main__":
    sys.exit(cli.run(main, if_stopped=cli.STOPPED))
