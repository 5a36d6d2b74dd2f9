"""Merge, drop, reorder and name the topics of a run that has ended.

    python -m etm_jax.edit --workdir=runs/demo --output=runs/demo_edited --merge=3,7 --drop=12 --rename=names.csv
    python -m etm_jax.edit --workdir=runs/demo --output=runs/demo_20 --reduce_to=20 --rename=auto

Topics are numbered as in runs/demo/export/topics.csv, in all flags. The new folder is a run like any other: its export,
its page and its figures are of the edited topics, and etm_jax.infer gives new documents those. The run itself stays as
it is, so that another edit can begin from it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.declaration import setting


@dataclass(frozen=True)
class EditFlags:
    """What the command takes."""

    workdir: str = setting("", "the folder of a run that has ended, such as runs/demo", shown="FOLDER", required=True)
    output: str = setting("", "a new folder, for the edited run", shown="FOLDER", required=True)
    merge: str = setting(
        "",
        "topics that become one: 3,7, or several groups, 3,7/1,12; proportions add up, and words are those of the text "
        "that the topics explain together",
        shown="K,K/K,K",
    )
    drop: str = setting("", "topics to leave out; the others' proportions sum to 1 again", shown="K,K")
    reduce_to: int = setting(
        0,
        "merge the topics that are most alike, along the tree of topics, until so many are left; 0: none",
        at_least=0,
        zero="none",
    )
    order: str = setting("", "topics that come first, in this order; the others follow in theirs", shown="K,K")
    rename: str = setting(
        "",
        "a .csv or .tsv file with columns topic and name; or auto, for names of distinctive words",
        shown="FILE",
    )


def main(argv: Sequence[str]) -> None:
    """Read, edit, write."""
    given = cli.parse_small(EditFlags, argv, __doc__)
    if given is None:
        return
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.results.edit_run import edit_run

    edit_run(
        given.workdir,
        given.output,
        merge=given.merge,
        drop=given.drop,
        order=given.order,
        reduce_to=given.reduce_to,
        rename=given.rename,
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
