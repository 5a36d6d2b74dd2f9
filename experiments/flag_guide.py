"""docs/flags.md: every flag of training, by section, with its default in each variant, and the other commands' help.

    python -m experiments.flag_guide

Reads the settings that the flags are made from (etm_jax.config), so that the page cannot differ from the program; a
test compares the two.

Runtime: no time at all.
"""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from etm_jax.cli import flags as cli
from etm_jax.cli.command import COMMANDS
from etm_jax.config.settings import SECTIONS, VARIANTS, RunOptions, field_type, flag_name
from experiments.fits import markdown

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
}


OTHERS = ("evaluate", "report", "infer", "prepare", "convert")
"""Commands whose help is short enough to stand as it is."""


def page() -> str:
    """The whole page."""
    tables = [line for section, kind in _sections() for line in _table(section, kind)]
    return "\n".join([HEAD, *tables, *map(_other, OTHERS)])


def _other(command: str) -> str:
    module = COMMANDS[command][0]
    told = import_module(module).__doc__ or ""
    return f"## etm_jax.{command}\n\n```\n{told.strip()}\n```\n"


def _sections() -> Iterator[tuple[str, type]]:
    yield "run", RunOptions
    yield from SECTIONS.items()


def _table(section: str, kind: type) -> Iterator[str]:
    yield f"## {section}\n\n{ABOUT[section]}\n"
    rows = [_row(kind, f) for f in dataclasses.fields(kind)]
    yield markdown(rows, ("flag", "default", "what it does"), "<<<") + "\n"


def _row(kind: type, f: "dataclasses.Field[Any]") -> list[str]:
    plain, _ = field_type(kind, f)
    name, choices = flag_name(f), f.metadata["choices"]
    text = f.metadata["help"] + (f" (one of {', '.join(choices)})" if choices else "")
    others = [f"{v}: {_shown(row[f.name])}" for v, row in VARIANTS.items() if row.get(f.name, f.default) != f.default]
    default = "; ".join([_shown(f.default), *others])
    return [f"`--{'[no]' if plain is bool else ''}{name}`", default, text.replace("|", "\\|").replace("<", "\\<")]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value in (None, "") else str(value)


def main(argv: Sequence[str]) -> None:
    """Write the page."""
    if cli.wants_help(argv):
        print(__doc__)
        return
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {page().count('| `--')} flags")


if __name__ == "__main__":
    sys.exit(cli.run(main))
