"""Find the topics that some words ask for.

    python -m etm_jax.find --workdir=runs/demo --query="trade tariffs exports"

The text is cut as the run's was. A topic's score is p(topic | word), averaged over the words of the query.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import SEGMENTERS
from etm_jax.config.declaration import setting


@dataclass(frozen=True)
class FindFlags:
    """What the command takes."""

    workdir: str = setting(
        "", "a run of any --model, or a .safetensors file of etm_jax.convert", shown="FOLDER", required=True
    )
    query: str = setting("", "words, or a sentence", shown="TEXT", required=True)
    topics: int = setting(5, "how many topics to show", at_least=1)
    segmenter: str = setting("", "cuts the text; by default as the run's was", choices=SEGMENTERS)


def main(argv: Sequence[str]) -> None:
    """Read, rank, print."""
    given = cli.parse_small(FindFlags, argv, __doc__)
    if given is None:
        return
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.inference.ask import show_found

    show_found(given.workdir, given.query, given.topics, given.segmenter)


if __name__ == "__main__":
    sys.exit(cli.run(main))
