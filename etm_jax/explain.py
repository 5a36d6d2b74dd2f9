"""Explain the topics of one document: which of its words speak for which topic, and how sure the proportions are.

    python -m etm_jax.explain --workdir=runs/demo --text="The tariffs on steel rose again."
    python -m etm_jax.explain --workdir=runs/demo --input=article.txt

Behind each word stands how many of its occurrences the topic explains. The standard deviations are those of the
document's posterior, by its curvature (Laplace's approximation): they say what the words of this document leave open,
and nothing of whether the topics are good.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import SEGMENTERS
from etm_jax.config.declaration import setting


@dataclass(frozen=True)
class ExplainFlags:
    """What the command takes."""

    workdir: str = setting(
        "", "a run of any --model but gsm, or a .safetensors file of etm_jax.convert", shown="FOLDER", required=True
    )
    text: str = setting("", "the document itself", shown="TEXT")
    input: str = setting("", "a UTF-8 text file that holds the document", shown="FILE")
    topics: int = setting(5, "how many topics to show", at_least=1)
    segmenter: str = setting("", "cuts the text; by default as the run's was", choices=SEGMENTERS)


def main(argv: Sequence[str]) -> None:
    """Read, explain, print."""
    given = cli.parse_small(ExplainFlags, argv, __doc__)
    if given is None:
        return
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.inference.ask import show_explanation

    show_explanation(given.workdir, given.text, given.input, given.topics, given.segmenter)


if __name__ == "__main__":
    sys.exit(cli.run(main))
