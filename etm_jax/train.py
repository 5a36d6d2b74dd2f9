"""Train a topic model.

    python -m etm_jax.train --corpus=my_documents.txt
    python -m etm_jax.train --flagfile=experiments/3body.flags

A document a line gives topics on the screen and, in runs/my_documents/export, everything as files. The same command
again resumes where it stopped.
"""

import sys
from collections.abc import Sequence

from etm_jax.cli import flags as cli


def main(argv: Sequence[str]) -> None:
    """Train, export, and print the topics."""
    if cli.help_shown(argv, __doc__, cli.sections_of_training()):
        return
    config, options = cli.parse(argv)
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.cli.run import run

    run(config, options)


if __name__ == "__main__":
    sys.exit(cli.run(main, if_stopped=cli.STOPPED))
