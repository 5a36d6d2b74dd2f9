"""Measure the topics of a run that has ended, with every figure that is in use for topic models.

    python -m etm_jax.evaluate --workdir=runs/demo
    python -m etm_jax.evaluate --workdir=runs/demo --labels=labels.csv

Prints a table, in which each coherence has its reference text, its window and how many of a topic's words it looks at;
runs/demo/metrics.json has the same for each topic. The run may be of any --model.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.declaration import setting


@dataclass(frozen=True)
class EvaluateFlags:
    """What the command takes."""

    workdir: str = setting("", "the folder of a run that has ended, such as runs/demo", shown="FOLDER", required=True)
    labels: str = setting(
        "",
        "a .csv or .tsv file with columns document, or that of the run's --id_field, and label, for how well topics "
        "tell the labels apart; documents are named as in export/doc_topics.csv, and some may be missing",
        shown="FILE",
    )


def main(argv: Sequence[str]) -> None:
    """Measure, print, and write what was measured."""
    given = cli.parse_small(EvaluateFlags, argv, __doc__)
    if given is None:
        return
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.results.metrics_file import write_metrics

    write_metrics(given.workdir, given.labels)


if __name__ == "__main__":
    sys.exit(cli.run(main))
