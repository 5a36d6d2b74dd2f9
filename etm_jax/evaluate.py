"""Measure the topics of a run that has ended, with every figure that is in use for topic models.

    python -m etm_jax.evaluate --workdir=runs/demo
    python -m etm_jax.evaluate --workdir=runs/demo --labels=labels.csv

Prints a table, in which each coherence has its reference text, its window and how many of a topic's words it looks at;
runs/demo/metrics.json has the same for each topic. The run may be of any --model.

--labels=FILE: a .csv or .tsv file with columns document and label, for how well topics tell the labels apart; documents
are named as in export/doc_topics.csv, and some may be missing
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from etm_jax.cli import flags as cli
from etm_jax.util.console import note
from etm_jax.util.errors import UserError


def main(argv: Sequence[str]) -> None:
    """Measure, print, and write what was measured."""
    values = flags.FlagValues()
    flags.DEFINE_string("workdir", "", "the folder of a run", flag_values=values)
    flags.DEFINE_string("labels", "", "a file of document,label", flag_values=values)
    if cli.wants_help(argv):
        print(__doc__)
        return
    cli.parse_only(values, argv)
    if not values.workdir:
        raise UserError("give --workdir=FOLDER of a run that has ended, such as runs/demo; --help shows how")
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.results.evaluation import evaluate
    from etm_jax.results.run import read_run
    from etm_jax.util.files import check_writable, replace_text

    workdir = Path(values.workdir).expanduser()
    figures = evaluate(read_run(workdir), values.labels)
    check_writable(workdir, "workdir")
    path = workdir / "metrics.json"
    replace_text(path, json.dumps(figures.to_json(), ensure_ascii=False, indent=2) + "\n")
    print(figures.to_table())
    note("")
    note(f"{path} holds these figures, and those of each topic")


if __name__ == "__main__":
    sys.exit(cli.run(main))
