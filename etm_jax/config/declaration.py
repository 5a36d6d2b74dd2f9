"""One declaration holds all that is known of a setting: `setting`. Its flag, its checks and its help come from there.

Settings are fields of frozen dataclasses. `settings_of` gives those of a dataclass, with the names and types that they
have there.
"""

import dataclasses
import math
import numbers
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from etm_jax.util.errors import UserError

LARGEST = 2**32 - 1
"""No whole number may be larger, unless a setting says so: no computer has as much of anything."""

Choices = tuple[str, ...] | Mapping[str, str] | Callable[[], Mapping[str, str]]

_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}

Digest = Literal["value", "given", "files", "given files"]
"""How the prepared corpus depends on a setting.

By its value; by its value where another than the default is given, for settings that are younger than corpora that were
prepared without; by the bytes of the files that it names; or by those, of corpora that come as counts too.
"""

Reads = Literal["file", "path"]
"""What a setting can name to be read: files, or files and folders."""
ALWAYS_STORED = object()
"""In place of `before`: nothing was ever stored without the setting."""

NOT_HERE = object()
"""In place of `before`: what the code did then it cannot do now, and what was stored without the setting is refused."""

_KEY = "setting"
"""Of a field's metadata."""


def setting(
    default: Any,
    help: str,
    *,
    flag: str = "",
    shown: str = "",
    required: bool = False,
    choices: Choices = (),
    renamed: Mapping[str, str] | None = None,
    parts: Callable[[str], list[str]] | None = None,
    endings: tuple[str, ...] = (),
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    zero: str = "",
    example: str = "",
    resumable: bool = False,
    digest: Digest | None = None,
    models: tuple[str, ...] = (),
    before: Any = ALWAYS_STORED,
    formerly: str = "",
    reads: Reads | None = None,
    several: bool = False,
) -> Any:
    """A field of a frozen dataclass that is a setting.

    help: a phrase for --help. flag: its spelling, where it is not the field's name. shown: how help shows the value, as
    FILE. required: whether a command cannot do without it.

    choices: the values that are allowed, with a phrase for each or without. One such as file:PATH stands for all that
    begin with file:. renamed: former names of choices, which are still taken. parts: the choices that a value joins,
    where it may be several. endings: what the name of a file must end in. at_least, above, at_most, below: bounds of a
    number, or of each in a tuple. zero: what 0 stands for. example: of a tuple, for messages.

    resumable: whether it may differ when a run is resumed, as no number of the run depends on it. digest: how the
    prepared corpus depends on it, None for not at all. models: those that read it, where not all do. reads: what it can
    name to be read. before: what the code did before there was such a setting, which holds for whatever was stored
    without it; every setting that was not there from the first run on needs one. formerly: the name that it was stored
    by, where it has been renamed. several: whether its flag takes several values, for a run of each.
    """
    declared = locals() | {"renamed": renamed or {}}
    return field(default=declared.pop("default"), metadata={_KEY: declared})


@dataclass(frozen=True, eq=False)
class Setting:
    """A setting as `setting` declared it, which has the meaning of the fields that are not explained here.

    name, default: of the dataclass's field. kind: its plain type. item: the type of a tuple's members. optional:
    whether it may be None.
    """

    name: str
    default: Any
    kind: type
    item: type
    optional: bool
    help: str
    flag: str
    shown: str
    required: bool
    choices: Choices
    renamed: Mapping[str, str]
    parts: Callable[[str], list[str]] | None
    endings: tuple[str, ...]
    at_least: float | None
    above: float | None
    at_most: float | None
    below: float | None
    zero: str
    example: str
    resumable: bool
    digest: Digest | None
    models: tuple[str, ...]
    before: Any
    reads: Reads | None
    several: bool
    formerly: str

    @classmethod
    def of(cls, f: "dataclasses.Field[Any]", hint: Any) -> Self:
        """The setting that a field with this type is."""
        optional = isinstance(hint, types.UnionType)
        if optional:
            hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        kind = typing.get_origin(hint) or hint
        item = typing.get_args(hint)[0] if kind is tuple else kind
        declared = f.metadata[_KEY]
        return cls(f.name, f.default, kind, item, optional, **declared | {"flag": declared["flag"] or f.name})

    @property
    def choice_phrases(self) -> Mapping[str, str]:
        """The values that are allowed, each with its phrase; none where all are."""
        choices = self.choices() if callable(self.choices) else self.choices
        return choices if isinstance(choices, Mapping) else dict.fromkeys(choices, "")

    @property
    def may_be_absent(self) -> bool:
        """Whether settings were stored before there was this one; `before` is then what it was."""
        return self.before is not ALWAYS_STORED

    def text(self, value: Any) -> str:
        """A value as it stands behind the flag."""
        return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

    def spelled(self, value: Any) -> str:
        """The flag with a value: `--hidden=800,800`, `--nouse_tfidf`; `no --ckpt` where it is empty."""
        if isinstance(value, bool):
            return f"--{self.flag}" if value else f"--no{self.flag}"
        if value is None or value == "":
            return f"no --{self.flag}"
        return f"--{self.flag}={self.text(value)}"

    def files(self, value: str) -> list[Path]:
        """The files that a value names, alone, between commas or behind a choice and a colon, where they exist.

        What is a choice is no file, and what is a folder is one only for a setting that reads folders.
        """
        values = self.parts(value) if self.parts else [value]
        named = [one.partition(":")[2] if self.choice_phrases else one for one in values]
        paths = {Path(part).expanduser() for one in named for part in (one, *re.split("[,，]", one)) if part}
        return sorted(path for path in paths if path.is_file() or (self.reads == "path" and path.is_dir()))

    def renaming(self, value: Any) -> str:
        """What to say of a former name, or nothing."""
        new = self.renamed.get(value) if self.renamed else None
        return f"{self.spelled(value)} is called {self.spelled(new)} now; the former name is still taken" if new else ""

    def parsed(self, text: str) -> Any:
        """What stands behind a flag, of its type but not yet `checked`. Raises UserError where it is of another."""
        try:
            if self.kind is bool:
                return _BOOLEANS[text.lower()]
            if self.kind is tuple:
                return tuple(self.item(part) for part in text.split(","))
            return self.kind(text)
        except (KeyError, ValueError):
            raise self._mistyped(text) from None

    def checked(self, value: Any) -> Any:
        """The value as the dataclass holds it. Raises UserError where it is of another type, or is not allowed."""
        if value is None and self.optional:
            return None
        value = self._typed(value)
        for part in value if self.kind is tuple else (value,):
            self._check(part, value)
        if self.kind is tuple and not value:
            raise self._out_of_range(value)
        return self.renamed.get(value, value) if self.renamed else value

    def _typed(self, value: Any) -> Any:
        if self.kind is tuple:
            if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) == 1:
                return tuple(self._plain(part, self.item, value) for part in value)
            # As on the command line, where one of them needs no comma.
            return self.parsed(value) if isinstance(value, str) else (self._plain(value, self.item, value),)
        return self._plain(value, self.kind, value)

    def _plain(self, part: Any, kind: type, value: Any) -> Any:
        """The same as a plain value of this type: numpy's values are as good as Python's, but True is no number."""
        number = {int: numbers.Integral, float: numbers.Real, bool: np.bool_, str: str}[kind]
        if type(part) is kind or (isinstance(part, number) and not isinstance(part, bool)):
            return kind(part)
        raise self._mistyped(value)

    def _check(self, part: Any, value: Any) -> None:
        """Raise UserError where one value, a part of the whole, is not allowed."""
        if isinstance(part, str):
            nothing_given = part == "" and self.default == ""
            if self.choice_phrases and not (nothing_given or part in self.renamed or self._is_choice(part)):
                raise UserError(f"--{self.flag}={part!r} is not one of {', '.join(self.choice_phrases)}")
            if self.endings and not (nothing_given or part.lower().endswith(self.endings)):
                raise UserError(f"--{self.flag}={part} must end in {', '.join(self.endings)}")
        elif isinstance(part, float) and not math.isfinite(part):
            raise UserError(f"--{self.flag}={part} must be a finite number")
        elif not self._within(part):
            raise self._out_of_range(value)
        elif isinstance(part, int) and self.at_most is None and part > LARGEST:
            raise UserError(f"--{self.flag}={self.text(value)} is out of range; give at most {LARGEST}")

    def _is_choice(self, value: str) -> bool:
        if self.parts and len(parts := self.parts(value)) > 1:
            return all(map(self._is_choice, parts))
        beginnings = (choice.partition(":")[0] + ":" for choice in self.choice_phrases if ":" in choice)
        return value in self.choice_phrases or any(value.startswith(b) and value != b for b in beginnings)

    def _within(self, number: float) -> bool:
        return (
            (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )

    def _out_of_range(self, value: Any) -> UserError:
        return UserError(f"--{self.flag}={self.text(value)} is out of range; give {self._range()}")

    def _range(self) -> str:
        if self.kind is tuple:
            return f"positive {self._some()}"
        if self.zero and self.at_least == 0:
            return f"0 for {self.zero}, or a positive number"
        if self.at_least is not None and self.at_most is not None:
            return f"{self.at_least} to {self.at_most}"
        bounds = {"at least": self.at_least, "above": self.above, "at most": self.at_most, "below": self.below}
        return " and ".join(f"{word} {bound}" for word, bound in bounds.items() if bound is not None)

    def _mistyped(self, value: Any) -> UserError:
        one = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(self.kind)
        return UserError(f"--{self.flag}={value!r} must be {one or self._some()}")

    def _some(self) -> str:
        return f"{'whole numbers' if self.item is int else 'words'} such as {self.example}"


def settings_of(kind: type) -> tuple[Setting, ...]:
    """The settings that a dataclass declares, in order; fields without a declaration are left out."""
    return _settings_of(kind)


@cache
def _settings_of(kind: type) -> tuple[Setting, ...]:
    hints = typing.get_type_hints(kind)
    return tuple(Setting.of(f, hints[f.name]) for f in dataclasses.fields(kind) if _KEY in f.metadata)


def files_read(*values: Any) -> list[tuple[str, Path]]:
    """The files and folders that these dataclasses of settings name to be read, each with its flag."""
    settings = ((s, getattr(section, s.name)) for section in values for s in settings_of(type(section)) if s.reads)
    return [(f"--{s.flag}", path) for s, value in settings for path in s.files(value)]


def by_name(kind: type) -> dict[str, Setting]:
    """The settings of a dataclass by the names of its fields."""
    return {s.name: s for s in settings_of(kind)}
