"""Flags from the settings, help that reads well, and one clean line for a user's mistake."""

import dataclasses
import difflib
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from etm_jax.config.settings import SECTIONS, VARIANTS, Config, RunOptions, field_type, flag_name, make_config
from etm_jax.training.signals import Stopped, sigterm_raises
from etm_jax.util.errors import UserError

HELP_WIDTH = 112
EXIT_USER_ERROR = 2
STOPPED = "stopped; the same command resumes from the newest checkpoint, where there is one"
"""What Ctrl-C says of a training where it had no state to save."""


def run(
    main: Callable[[Sequence[str]], int | None],
    argv: Sequence[str] | None = None,
    if_stopped: str = "stopped",
) -> int:
    """Call `main` with the command line; turn a user's mistake into one line on stderr. Returns the exit status.

    main: returns an exit status, or None for 0. if_stopped: what Ctrl-C and SIGTERM say; the status is 130 or 143.
    """
    argv = list(sys.argv if argv is None else argv)
    try:
        with sigterm_raises():
            _check_utf8(argv)
            return main(argv) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt as stop:
        number, message = (stop.number, stop.message) if isinstance(stop, Stopped) else (signal.SIGINT, "")
        print(message or if_stopped, file=sys.stderr)
        return 128 + number
    except BrokenPipeError:
        # Whoever reads the output, such as head, has enough; Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _check_utf8(argv: Sequence[str]) -> None:
    """Raise UserError for an argument that no record of the run could hold."""
    for arg in argv[1:]:
        try:
            arg.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"{os.fsencode(arg)!r} is not UTF-8; rename that file or folder, or give a link to it"
            ) from None


def parse(argv: Sequence[str]) -> tuple[Config, RunOptions]:
    """The settings that the command line and its flagfiles give. Raises UserError."""
    given = _given(_without_flagfiles(argv[1:], ()))
    options = {f.name: given.pop(f.name) for f in dataclasses.fields(RunOptions) if f.name in given}
    return make_config(options.get("variant", "default"), given), RunOptions(**options)


def parse_some(values: flags.FlagValues, argv: Sequence[str]) -> list[str]:
    """Fill flags that a command has besides those of the settings; the rest of the command line. Raises UserError."""
    try:
        rest: list[str] = values(list(argv), known_only=True)
    except (flags.Error, ValueError) as error:
        raise UserError(f"{error}; --help lists all flags") from error
    return rest


def parse_only(values: flags.FlagValues, argv: Sequence[str]) -> None:
    """Fill flags that a small command has defined for itself. Raises UserError."""
    try:
        rest = values(list(argv))[1:]
    except (flags.Error, ValueError) as error:
        raise UserError(f"{error}; --help lists all flags") from error
    if rest:
        raise UserError(f"{rest[0]!r} is no flag; flags begin with --, and --help lists them")


def wants_help(argv: Sequence[str]) -> bool:
    """Whether the command line asks for help."""
    return any(arg in ("--help", "-help", "-h", "--helpfull", "--helpshort") for arg in argv[1:])


def help_text(usage: str, sections: Collection[str] = ()) -> str:
    """Every flag by section, with its default and where a variant's differs. sections: only these, if any are named."""
    lines = [usage.strip()]
    for section, kind, f in _settings():
        if sections and section not in sections:
            continue
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


def _without_flagfiles(args: Sequence[str], inside: tuple[Path, ...]) -> list[str]:
    """The arguments with the lines of each flagfile in its place. inside: the flagfiles that these arguments stand in.

    absl could do this, but then an error would not know which file it is in.
    """
    out: list[str] = []
    rest = iter(args)
    for arg in rest:
        option, given, name = arg.partition("=")
        if option in ("--flagfile", "-flagfile"):
            path = Path(name if given else next(rest, "")).expanduser()
            if path in inside:
                raise UserError(f"--flagfile={path} reads itself; take that line out of {inside[-1]}")
            out += _read_flagfile(path, inside)
        else:
            out.append(arg)
    return out


def _read_flagfile(path: Path, inside: tuple[Path, ...]) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except OSError as error:
        where = f" (in {inside[-1]})" if inside else ""
        raise UserError(
            f"--flagfile={path}{where} cannot be read: {error.strerror}; give a file of flags, one a line"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"--flagfile={path} is not UTF-8 at byte {error.start}; save it as UTF-8 text") from error
    args = _without_flagfiles([line for line in lines if line and not line.startswith(("#", "//"))], (*inside, path))
    try:
        _given(args)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return args


def _given(args: Sequence[str]) -> dict[str, Any]:
    """What these flags say, by field name. Raises UserError for an unknown flag and for a value of the wrong type."""
    values = _flag_values()
    try:
        rest = values(["", *args])[1:]
    except flags.UnrecognizedFlagError as error:
        close = difflib.get_close_matches(error.flagname, list(values), n=1)
        meant = f"; did you mean --{close[0]}?" if close else ";"
        raise UserError(f"there is no flag --{error.flagname}{meant} --help lists all flags") from error
    except flags.IllegalFlagValueError as error:
        flag = str(error).removeprefix("flag ").partition(": ")[0]
        raise UserError(f"{flag} must be true or false") from error
    except (flags.Error, ValueError) as error:  # ValueError: a value after --noNAME
        raise UserError(f"{error}; --help lists all flags") from error
    if rest:
        raise UserError(f"{rest[0]!r} is no flag; flags begin with --, as in --corpus=FILE, and --help lists them")
    parsed = ((f.name, _parsed(kind, f, values[flag_name(f)].value)) for _, kind, f in _settings())
    return {name: value for name, value in parsed if value is not None}


def _flag_values() -> flags.FlagValues:
    """Flags of their own, not absl's global ones, so that a program can parse twice. None: not given.

    Only booleans have a type here, for the sake of --noNAME; the others' values are parsed by `_parsed`.
    """
    values = flags.FlagValues()
    for _, kind, f in _settings():
        plain, _ = field_type(kind, f)
        name, text = flag_name(f), f.metadata["help"]
        if plain is bool:
            flags.DEFINE_boolean(name, None, text, flag_values=values)
        else:
            flags.DEFINE_string(name, None, text, flag_values=values)
    return values


_READERS: dict[type, tuple[Callable[[str], Any], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    tuple: (lambda text: tuple(int(width) for width in text.split(",")), "whole numbers such as 800,800"),
}


def _parsed(kind: type, f: "dataclasses.Field[Any]", value: Any) -> Any:
    plain, _ = field_type(kind, f)
    if value is not None and plain in _READERS:
        read, wanted = _READERS[plain]
        try:
            return read(value)
        except ValueError:
            raise UserError(f"--{flag_name(f)}={value!r} must be {wanted}") from None
    choices = f.metadata["choices"]
    if value and choices and value not in choices:
        raise UserError(f"--{flag_name(f)}={value!r} is not one of {', '.join(choices)}")
    return value


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
