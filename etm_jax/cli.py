"""Flags from the settings, help that reads well, and one clean line for a user's mistake."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from etm_jax.config import SECTIONS, VARIANTS, Config, RunOptions, field_type, flag_name, make_config
from etm_jax.errors import UserError

HELP_WIDTH = 112
EXIT_USER_ERROR = 2


def run(main: Callable[[Sequence[str]], None], argv: Sequence[str] | None = None) -> int:
    """Call `main` with the command line; turn a user's mistake into one line on stderr. Returns the exit status."""
    argv = list(sys.argv if argv is None else argv)
    try:
        main(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the newest checkpoint", file=sys.stderr)
        return 130
    return 0


def parse(argv: Sequence[str]) -> tuple[Config, RunOptions]:
    """The settings that the command line and its flagfiles give. Raises UserError."""
    values = _flag_values()
    try:
        rest = values(list(argv))[1:]
    except flags.Error as error:
        raise UserError(f"{error}{_where(error, argv)}; --help lists the flags") from error
    if rest:
        raise UserError(f"{rest[0]!r} is no flag; flags begin with --, and --help lists them")
    given = {
        f.name: value
        for _, kind, f in _settings()
        if (value := _parsed(kind, f, values[flag_name(f)].value)) is not None
    }
    options = {f.name: given.pop(f.name) for f in dataclasses.fields(RunOptions) if f.name in given}
    return make_config(options.get("variant", "default"), given), RunOptions(**options)


def wants_help(argv: Sequence[str]) -> bool:
    """Whether the command line asks for help."""
    return any(arg in ("--help", "-help", "-h", "--helpfull", "--helpshort") for arg in argv[1:])


def help_text(usage: str) -> str:
    """Every flag by section, with its default and where a variant's differs."""
    lines = [usage.strip()]
    for section, kind, f in _settings():
        heading = f"\n{section}:"
        if heading not in lines:
            lines.append(heading)
        lines += _help_of(kind, f)
    lines += ["\nfiles of flags:", *_entry("--flagfile=FILE", "read flags from a file, one a line; # begins a comment")]
    return "\n".join(lines)


def _settings() -> Iterator[tuple[str, type, "dataclasses.Field[Any]"]]:
    for section, kind in {"run": RunOptions, **SECTIONS}.items():
        for f in dataclasses.fields(kind):
            yield section, kind, f


def _flag_values() -> flags.FlagValues:
    """Flags of their own, not absl's global ones, so that a program can parse twice. None: not given."""
    values = flags.FlagValues()
    for _, kind, f in _settings():
        plain, _ = field_type(kind, f)
        name, text = flag_name(f), f.metadata["help"]
        if plain is bool:
            flags.DEFINE_boolean(name, None, text, flag_values=values)
        elif plain is int:
            flags.DEFINE_integer(name, None, text, flag_values=values)
        elif plain is float:
            flags.DEFINE_float(name, None, text, flag_values=values)
        else:
            flags.DEFINE_string(name, None, text, flag_values=values)
    return values


def _parsed(kind: type, f: "dataclasses.Field[Any]", value: Any) -> Any:
    if field_type(kind, f)[0] is tuple and value is not None:
        try:
            return tuple(int(width) for width in value.split(","))
        except ValueError:
            raise UserError(f"--{flag_name(f)}={value!r} must be numbers such as 800,800") from None
    choices = f.metadata["choices"]
    if value and choices and value not in choices:
        raise UserError(f"--{flag_name(f)}={value!r} is not one of {', '.join(choices)}")
    return value


def _where(error: flags.Error, argv: Sequence[str]) -> str:
    """The flagfile that an unknown flag stands in."""
    name = getattr(error, "flagname", None)
    for arg in argv[1:]:
        option, _, path = arg.lstrip("-").partition("=")
        if name and option == "flagfile" and Path(path).is_file():
            lines = Path(path).read_text("utf-8", "replace").splitlines()
            if any(line.strip().lstrip("-").partition("=")[0] == name for line in lines):
                return f" (in {path})"
    return ""


def _help_of(kind: type, f: "dataclasses.Field[Any]") -> list[str]:
    plain, _ = field_type(kind, f)
    name, choices = flag_name(f), f.metadata["choices"]
    shape = {bool: f"--[no]{name}", int: f"--{name}=N", float: f"--{name}=X", tuple: f"--{name}=N,N"}.get(
        plain, f"--{name}=" + ("|".join(choices) if choices and len("|".join(choices)) < 24 else "TEXT")
    )
    text = f.metadata["help"]
    if choices and "TEXT" in shape:
        text += f" (one of {', '.join(choices)})"
    default = _shown(f.default)
    others = [f"{v}: {_shown(row[f.name])}" for v, row in VARIANTS.items() if row.get(f.name, f.default) != f.default]
    notes = ([f"default: {default}"] if default else []) + others
    return _entry(shape, text + (f" [{'; '.join(notes)}]" if notes else ""))


def _entry(shape: str, text: str, indent: int = 30) -> list[str]:
    import textwrap

    lines = textwrap.wrap(text, HELP_WIDTH - indent)
    head = f"  {shape}"
    if len(head) < indent:
        return [head.ljust(indent) + lines[0], *(" " * indent + line for line in lines[1:])]
    return [head, *(" " * indent + line for line in lines)]


def _shown(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
