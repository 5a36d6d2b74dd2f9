"""Flags from the settings' declarations, and one clean line for a user's mistake."""

import atexit
import difflib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from etm_jax.cli.help import help_text, sections_of_training
from etm_jax.config.build import Config, make_config
from etm_jax.config.declaration import Setting, by_name, settings_of
from etm_jax.config.settings import ModelConfig, RunOptions
from etm_jax.ops.devices import no_devices
from etm_jax.training.signals import Stopped, signals_raise
from etm_jax.util.console import note, show
from etm_jax.util.errors import UserError
from etm_jax.util.machine import keep_freed_memory
from etm_jax.util.reading import read_bounded
from etm_jax.util.streams import standard_streams

__all__ = [
    "STOPPED",
    "help_shown",
    "parse",
    "parse_models",
    "parse_only",
    "parse_small",
    "parse_with",
    "run",
    "sections_of_training",
    "wants_help",
]

T = TypeVar("T")

EXIT_USER_ERROR = 2
NEW_OBJECTS = 20_000
"""So many more objects are there before Python looks for cycles among them; by itself it does so after 700."""

LONGEST_NAME = 100
"""Characters of a flag's name; what is longer is none."""

STOPPED = "stopped; the same command resumes from the newest checkpoint, where there is one"
"""What Ctrl-C says of a training where it had no state to save."""


def run(
    main: Callable[[Sequence[str]], int | None],
    argv: Sequence[str] | None = None,
    if_stopped: str = "stopped",
) -> int:
    """Call `main` with the command line; turn a user's mistake into one line on stderr. Returns the exit status.

    main: returns an exit status, or None for 0. if_stopped: what a signal says; the status is then 128 and its number.
    Where standard output cannot be written, being full or closed, that is the one line; where whoever reads it, such as
    head, has had enough, nothing is said, and the status is 141.
    """
    argv = list(sys.argv if argv is None else argv)
    keep_freed_memory()
    # What imports and traces make is there to stay: by itself, Python would look through it for cycles dozens of times.
    gc.set_threshold(NEW_OBJECTS)
    # While one thread traces programs, others, which leave Python's lock for each operation of numpy, would wait for it
    # 5 ms each time.
    sys.setswitchinterval(2e-4)
    # As it ends, Python would look for cycles among all that was imported: half a second.
    atexit.register(gc.freeze)
    with standard_streams():
        try:
            with signals_raise():
                _check_utf8(argv)
                status = _called(main, argv)
                sys.stdout.flush()
                return status
        except UserError as error:
            note(f"error: {error}")
            return EXIT_USER_ERROR
        except KeyboardInterrupt as stop:
            number, message = (stop.number, stop.message) if isinstance(stop, Stopped) else (signal.SIGINT, "")
            note(message or if_stopped)
            return 128 + number
        except BrokenPipeError:
            return 128 + signal.SIGPIPE


def _called(main: Callable[[Sequence[str]], int | None], argv: Sequence[str]) -> int:
    """The status of `main`. Raises UserError where JAX finds no device: it looks for one where it is first needed."""
    try:
        return main(argv) or 0
    except (RuntimeError, AssertionError) as error:
        if fault := no_devices():
            raise UserError(fault) from error
        raise


def _check_utf8(argv: Sequence[str]) -> None:
    """Raise UserError for an argument that no record of the run could hold."""
    for arg in argv[1:]:
        try:
            arg.encode()
        except UnicodeEncodeError:
            given = os.fsencode(arg)
            try:
                given.decode()
            except UnicodeDecodeError:
                cure = "is not UTF-8; rename that file or folder, or give a link to it"
            else:
                cure = f"cannot be read in a locale whose encoding is {sys.getfilesystemencoding()}; set PYTHONUTF8=1"
            raise UserError(f"{given!r} {cure}") from None


def parse(argv: Sequence[str]) -> tuple[Config, RunOptions]:
    """The settings that the command line and its flagfiles give. Raises UserError."""
    [config], options = parse_models(argv, most=1)
    return config, options


def parse_models(argv: Sequence[str], most: int | None = None) -> tuple[list[Config], RunOptions]:
    """The same for each of several models, where a setting that allows it has several values.

    most: how many there may be. Raises UserError.
    """
    given = _given(argv, sections_of_training().values())
    values = given.get("num_topics")
    if not isinstance(values, tuple):
        config, options = _whole(given)
        return [config], options
    if most is not None and len(values) > most:
        raise _one_value(values)
    whole = [_whole(given | {"num_topics": value}) for value in values]
    return [config for config, _ in whole], whole[0][1]


def parse_with(kind: type[T], argv: Sequence[str]) -> tuple[Config, RunOptions, T]:
    """The same of a command that has flags of its own besides, those of the dataclass `kind`. Raises UserError."""
    given = _given(argv, [*sections_of_training().values(), kind])
    own = {name: given.pop(name) for name in by_name(kind) if name in given}
    return *_whole(given), kind(**own)


def parse_small(kind: type[T], argv: Sequence[str], usage: str | None) -> T | None:
    """The flags of a small command, those of the dataclass `kind`; None where help was asked for, which is printed.

    Raises UserError, also where a flag is missing that the command cannot do without.
    """
    if help_shown(argv, usage, {"": kind}):
        return None
    given = _given(argv, [kind])
    required = [s for s in settings_of(kind) if s.required]
    if not all(given.get(s.name) for s in required):
        raise UserError(f"give {' and '.join(f'--{s.flag}={s.shown}' for s in required)}; --help shows how")
    return kind(**given)


def parse_only(values: flags.FlagValues, argv: Sequence[str]) -> None:
    """Fill flags of absl's that a program has defined for itself. Raises UserError."""
    try:
        rest = values(list(argv))[1:]
    except (flags.Error, ValueError) as error:
        raise UserError(f"{error}; --help lists all flags") from error
    if rest:
        raise UserError(f"{rest[0]!r} is no flag; flags begin with --, and --help lists them")


def help_shown(argv: Sequence[str], usage: str | None, sections: Mapping[str, type]) -> bool:
    """Whether the command line asks for help, which is then printed: the usage, and the flags of these sections."""
    if wants_help(argv):
        show(help_text(usage or "", sections))
        return True
    return False


def wants_help(argv: Sequence[str]) -> bool:
    """Whether the command line asks for help."""
    return any(arg in ("--help", "-help", "-h", "--helpfull", "--helpshort") for arg in argv[1:])


def _whole(given: dict[str, Any]) -> tuple[Config, RunOptions]:
    if isinstance(values := given.get("num_topics"), tuple):
        raise _one_value(values)
    given = dict(given)
    options = {name: given.pop(name) for name in by_name(RunOptions) if name in given}
    return make_config(options.get("variant", RunOptions.variant), given), RunOptions(**options)


def _one_value(values: tuple[Any, ...]) -> UserError:
    flag = by_name(ModelConfig)["num_topics"].flag
    return UserError(
        f"--{flag}={','.join(map(str, values))} is for etm_jax.train, which compares models; give one number"
    )


def _given(argv: Sequence[str], kinds: Iterable[type]) -> dict[str, Any]:
    """What the command line and its flagfiles say, by name of the setting. A former name is said to be one."""
    settings = {s.flag: s for kind in kinds for s in settings_of(kind)}
    given = {}
    for name, value in _read(_without_flagfiles(argv[1:], settings, ()), settings).items():
        s = settings[name]
        given[s.name] = tuple(map(s.checked, value)) if s.several and isinstance(value, tuple) else s.checked(value)
        if renaming := s.renaming(value):
            note(renaming)
    return given


def _without_flagfiles(args: Sequence[str], settings: dict[str, Setting], inside: tuple[Path, ...]) -> list[str]:
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
            out += _read_flagfile(path, settings, inside)
        else:
            out.append(arg)
    return out


def _read_flagfile(path: Path, settings: dict[str, Setting], inside: tuple[Path, ...]) -> list[str]:
    try:
        lines = [line.strip() for line in read_bounded(path).decode("utf-8-sig").splitlines()]
    except OSError as error:
        where = f" (in {inside[-1]})" if inside else ""
        raise UserError(
            f"--flagfile={path}{where} cannot be read: {error.strerror}; give a file of flags, one a line"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"--flagfile={path} is not UTF-8 at byte {error.start}; save it as UTF-8 text") from error
    given = [line for line in lines if line and not line.startswith(("#", "//"))]
    args = _without_flagfiles(given, settings, (*inside, path))
    try:
        _read(args, settings)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return args


def _read(args: Sequence[str], settings: dict[str, Setting]) -> dict[str, Any]:
    """What these flags say, by flag. Raises UserError for an unknown flag and for a value that is not allowed."""
    values = _flag_values(settings.values())
    for arg in args:
        name = arg.lstrip("-").partition("=")[0]
        if arg.startswith("-") and len(name) > LONGEST_NAME:
            # absl looks for names like it by a recursion of its length.
            raise UserError(f"there is no flag --{name[:LONGEST_NAME]}…; --help lists all flags")
    try:
        rest = values(["", *args])[1:]
    except flags.UnrecognizedFlagError as error:
        if error.flagname in ("help", "h", "helpfull", "helpshort"):
            raise UserError(f"--{error.flagname} takes no value; --help lists all flags") from error
        close = difflib.get_close_matches(error.flagname, list(values), n=1)
        meant = f"; did you mean --{close[0]}?" if close else ";"
        raise UserError(f"there is no flag --{error.flagname}{meant} --help lists all flags") from error
    except (flags.Error, ValueError) as error:  # ValueError: a value after --noNAME
        raise UserError(f"{error}; --help lists all flags") from error
    if rest:
        s = settings.get("corpus") or next(s for s in settings.values() if s.shown)
        raise UserError(
            f"{rest[0]!r} is no flag; flags begin with --, as in --{s.flag}={s.shown}, and --help lists them"
        )
    given = {name: values[name].value for name in settings if values[name].value is not None}
    # Names can be given together, or one by one.
    return {name: tuple(chain(*value)) if isinstance(value, list) else value for name, value in given.items()}


class _Parser(flags.ArgumentParser[Any]):
    """Reads a value as its declaration has it. absl's own say `invalid literal for int()`, and know no open bound."""

    def __init__(self, s: Setting) -> None:
        self._setting = s

    def parse(self, argument: Any) -> Any:
        if self._setting.several and "," in argument:
            return self._several(argument.split(","))
        value = self._setting.parsed(argument)
        self._setting.checked(value)
        return value

    def _several(self, parts: list[str]) -> tuple[Any, ...]:
        values = tuple(self._setting.parsed(part) for part in parts)
        for value in values:
            self._setting.checked(value)
        if len(set(values)) < len(values):
            raise UserError(f"--{self._setting.flag}={','.join(parts)} has a value twice; leave one of them")
        return values


def _flag_values(settings: Iterable[Setting]) -> flags.FlagValues:
    """Flags of their own, not absl's global ones, so that a program can parse twice. None: not given."""
    values = flags.FlagValues()
    for s in settings:
        if s.kind is tuple and s.item is str:
            flags.DEFINE_multi(_Parser(s), flags.ArgumentSerializer(), s.flag, None, s.help, values)
        else:
            flags.DEFINE(_Parser(s), s.flag, None, s.help, values, boolean=s.kind is bool)
    return values
