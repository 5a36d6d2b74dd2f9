"""One command for all: `etm-jax train …` is `python -m etm_jax.train …`."""

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module

from etm_jax import __version__
from etm_jax.cli import flags as cli
from etm_jax.util.console import show
from etm_jax.util.errors import UserError

COMMANDS = {
    "train": ("etm_jax.train", "train a topic model, or resume where training stopped"),
    "report": ("etm_jax.report.__main__", "show a run as a page, report.html"),
    "infer": ("etm_jax.infer", "give new documents the topics of a run"),
    "evaluate": ("etm_jax.evaluate", "measure the topics of a run by every figure in use"),
    "effects": ("etm_jax.effects", "measure how topics depend on metadata, with intervals"),
    "edit": ("etm_jax.edit", "merge, drop, reorder and name the topics of a run"),
    "find": ("etm_jax.find", "find the topics that words ask for"),
    "explain": ("etm_jax.explain", "show which words of a document speak for which topic"),
    "prepare": ("etm_jax.prepare", "cut and count a corpus without training on it"),
    "convert": ("etm_jax.convert", "bring weights from and to torch and safetensors"),
    "parity": ("etm_jax.parity.__main__", "compare every number with torch's"),
}
"""Each command's module and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Hand over to the command that is named first. Returns the exit status."""
    argv = list(sys.argv if argv is None else argv)
    return cli.run(_dispatch, argv, if_stopped=cli.STOPPED if argv[1:2] == ["train"] else "stopped")


def _dispatch(argv: Sequence[str]) -> int | None:
    name = argv[1] if len(argv) > 1 else "--help"
    if name in ("--help", "-help", "-h", "--helpfull", "help"):
        show(_help())
        return 0
    if name == "--version":
        show(f"etm_jax {__version__}")
        return 0
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f"did you mean {close[0]}?" if close else f"the commands are {', '.join(COMMANDS)}"
        raise UserError(f"there is no command {name!r}; {meant}")
    module, _ = COMMANDS[name]
    status: int | None = import_module(module).main([f"etm-jax {name}", *argv[2:]])
    return status


def _help() -> str:
    lines = ["Topic modelling in embedding spaces, in JAX.", "", "    etm-jax COMMAND [FLAGS]", ""]
    lines += [f"  {name:<10}{does}" for name, (_, does) in COMMANDS.items()]
    return "\n".join([*lines, "", "etm-jax COMMAND --help has the flags; python -m etm_jax.COMMAND is the same."])


if __name__ == "__main__":
    sys.exit(main())
