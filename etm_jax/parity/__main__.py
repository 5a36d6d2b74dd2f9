"""Compare the numbers of etm_jax with torch's, quantity by quantity.

    python -m etm_jax.parity
    python -m etm_jax.parity --ntm=Neural_Topic_Models --only=passes

Both sides get the same weights, documents, noise and dropout masks. The command prints a row for each quantity, and
exits with status 1 if one is outside its tolerance. torch's side is embedded-topic-model and TopMost where they are
installed, the report's own code where --ntm names a clone of it, and our rendering of both in torch. Needs the extra
torch; `make parity` installs everything.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.declaration import setting
from etm_jax.util.extras import require

PARTS = ("passes", "training", "evaluation", "curves")


@dataclass(frozen=True)
class ParityFlags:
    """The options of the command."""

    only: tuple[str, ...] = setting(PARTS, "the parts to do", choices=PARTS, example="passes,training")
    ntm: str = setting("", "a clone of zll17/Neural_Topic_Models, to compare with its code", shown="FOLDER")
    corpus: str = setting("peoples_daily", "the documents: a file or a corpus by name", shown="FILE")
    keep_n: int = setting(2000, "size of the vocabulary", at_least=100)
    num_docs: int = setting(3000, "documents to train on", at_least=100)
    epochs: int = setting(100, "epochs of the curves", at_least=1)
    out: str = setting("runs/parity", "folder of rows.csv, curves.csv and curves.png", shown="FOLDER")


def main(argv: Sequence[str]) -> int:
    """Print the table and plot the curves. Returns the exit status."""
    given = cli.parse_small(ParityFlags, argv, __doc__)
    if given is None:
        return 0
    require("torch", "torch", "etm_jax.parity")
    from etm_jax.parity.compare import Comparison

    return Comparison(given.ntm, given.corpus, given.keep_n, given.num_docs, given.epochs, given.out).run(given.only)


if __name__ == "__main__":
    sys.exit(cli.run(main))
