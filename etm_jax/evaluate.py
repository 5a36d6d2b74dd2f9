"""Measure the topics of a run that has ended, with every figure that is in use for topic models.

    python -m etm_jax.evaluate --workdir=runs/demo
    python -m etm_jax.evaluate --workdir=runs/demo --labels=labels.csv
    python -m etm_jax.evaluate --workdir=runs/demo --state=state.gz

Prints a table, in which each coherence has its reference text, its window and how many of a topic's words it looks at;
runs/demo/metrics.json has the same for each topic. The run may be of any --model.

With --state, the topics are MALLET's, and the run is what they are measured on: its documents, words and running text.
Then nothing is written.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.declaration import setting
from etm_jax.util.imports import quick_imports


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
    state: str = setting(
        "",
        "the file of mallet train-topics --output-state: its topics are measured in place of the run's, by the words "
        "that both have",
        shown="FILE",
    )
    doc_topics: str = setting(
        "",
        "with --labels, the file of mallet train-topics --output-doc-topics, whose documents are called as in "
        "export/doc_topics.csv: how well its topics tell the labels apart",
        shown="FILE",
    )


def main(argv: Sequence[str]) -> None:
    """Measure, print, and write what was measured."""
    given = cli.parse_small(EvaluateFlags, argv, __doc__)
    if given is None:
        return
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    if given.state or given.doc_topics:
        from etm_jax.results.other_topics import show_other

        show_other(given.workdir, given.state, given.doc_topics, given.labels)
        return
    with quick_imports():
        from etm_jax.cli.compiled import programs_kept
        from etm_jax.results.metrics_file import write_metrics

    with programs_kept():
        write_metrics(given.workdir, given.labels)


if __name__ == "__main__":
    sys.exit(cli.run(main))
