"""Measure how topics depend on metadata: expected shares by group, and along numbers and dates, with intervals.

    python -m etm_jax.effects --workdir=runs/news --formula='~ source + s(date, 5)'
    python -m etm_jax.effects --workdir=runs/news --method=bootstrap --draws=2000

The run may be of any --model and needs metadata (--meta_fields, --meta); the formula may be another than that of its
--prevalence. Prints the effects that differ most, and writes effects.csv (topic, name, effect, term, group, estimate,
low, high, n), effects.tex, effects.md and a picture of each field. docs/covariates.md says what the numbers mean.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.declaration import setting
from etm_jax.util.imports import quick_imports


@dataclass(frozen=True)
class EffectsFlags:
    """What the command takes."""

    workdir: str = setting("", "the folder of a run that has ended, such as runs/news", shown="FOLDER", required=True)
    formula: str = setting(
        "", "what topics may depend on, as '~ source + s(date, 5)'; default: the run's --prevalence", shown="FORMULA"
    )
    method: str = setting(
        "composition",
        "how intervals are made: draws of the documents' topics from their posteriors, each regressed; or documents "
        "drawn anew",
        choices=("composition", "bootstrap"),
    )
    draws: int = setting(
        0, "draws of the documents' topics, or of the documents; 0: 100, or 1000", at_least=0, zero="100, or 1000"
    )
    level: float = setting(0.95, "how often intervals are to hold the truth", above=0, below=1)
    seed: int = setting(1, "the same seed gives the same numbers", at_least=0)
    output: str = setting(
        "", "a folder for the tables and pictures; default: effects in that of the run", shown="FOLDER"
    )
    page_lang: str = setting(
        "", "the language of the pictures; default: that of the corpus, or en where it is another", choices=("en", "zh")
    )


def main(argv: Sequence[str]) -> None:
    """Read, estimate, print and write."""
    given = cli.parse_small(EffectsFlags, argv, __doc__)
    if given is None:
        return
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    with quick_imports():
        from etm_jax.cli.compiled import programs_kept
        from etm_jax.report.effects import write_effects

    with programs_kept():
        write_effects(
            given.workdir,
            given.formula,
            given.output,
            method=given.method,
            draws=given.draws,
            level=given.level,
            seed=given.seed,
            page_lang=given.page_lang,
        )


if __name__ == "__main__":
    sys.exit(cli.run(main))
