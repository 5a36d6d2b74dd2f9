"""docs/flags.md: every flag of training, by section, with its default in each variant, and the other commands' help.

    python -m experiments.flag_guide

Reads the settings that the flags are made from (etm_jax.config), so that the page cannot differ from the program; a
test compares the two.

Runtime: no time at all.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from etm_jax import convert, edit, effects, evaluate, explain, find, infer, prepare
from etm_jax.cli import flags as cli
from etm_jax.cli.help import defaults, explained, help_text, shown
from etm_jax.config.declaration import Setting, settings_of
from etm_jax.report import __main__ as report
from experiments.tables import markdown

PAGE = Path("docs/flags.md")

HEAD = """# Every flag

Of `python -m etm_jax.train`, as `--help` has them; those of the other commands stand at the end. `--flag=value`, or
`--flag` and `--noflag` for yes and no. Flags can stand in a file, one a line, read by `--flagfile=FILE`; what comes
later wins. A variant's default is given where it differs from ours. What to choose: [choosing.md](choosing.md).

Made by `python -m experiments.flag_guide` from the settings themselves.
"""

ABOUT = {
    "run": "Where the run lives, and what it begins from.",
    "corpus": "What is read, and how it becomes words and counts.",
    "vectors": "Where the word embeddings ρ start.",
    "model": "The shape of the encoder and of the topics.",
    "objective": "What is minimised.",
    "optimizer": "How parameters move.",
    "train": "How long, in what batches, and what is kept.",
    "lda": "`--model=lda` alone.",
    "detm": "`--model=detm` alone.",
}

OTHERS = {
    "evaluate": (evaluate.__doc__, evaluate.EvaluateFlags),
    "report": (report.__doc__, report.ReportFlags),
    "effects": (effects.__doc__, effects.EffectsFlags),
    "edit": (edit.__doc__, edit.EditFlags),
    "infer": (infer.__doc__, infer.InferFlags),
    "find": (find.__doc__, find.FindFlags),
    "explain": (explain.__doc__, explain.ExplainFlags),
    "prepare": (prepare.__doc__, prepare.PrepareFlags),
    "convert": (convert.__doc__, convert.ConvertFlags),
}
"""Commands whose help is short enough to stand as it is, with the flags that they have besides those of training."""


def page() -> str:
    """The whole page."""
    tables = [line for section, kind in cli.sections_of_training().items() for line in _table(section, kind)]
    return "\n".join([HEAD, *tables, *map(_other, OTHERS)])


def _other(command: str) -> str:
    usage, kind = OTHERS[command]
    return f"## etm_jax.{command}\n\n```\n{help_text(usage or '', {'': kind})}\n```\n"


def _table(section: str, kind: type) -> Iterator[str]:
    yield f"## {section}\n\n{ABOUT[section]}\n"
    yield markdown([_row(s) for s in settings_of(kind)], ("flag", "default", "what it does"), "<<<") + "\n"


def _row(s: Setting) -> list[str]:
    default = "; ".join(
        f"{variant}: {shown(value)}" if variant else shown(value)
        for variant, value in defaults(s)
        if variant or shown(value)
    )
    text = explained(s).replace("|", "\\|").replace("<", "\\<")
    return [f"`--{'[no]' if s.kind is bool else ''}{s.flag}`", default, text]


def main(argv: Sequence[str]) -> None:
    """Write the page."""
    if cli.wants_help(argv):
        print(__doc__)
        return
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {page().count('| `--')} flags")


if __name__ == "__main__":
    sys.exit(cli.run(main))
