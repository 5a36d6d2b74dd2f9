"""What --help says: a command's usage and its flags, from their declarations."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from etm_jax.config.declaration import Setting, settings_of
from etm_jax.config.settings import RunOptions, all_sections
from etm_jax.config.variants import VARIANTS

WIDTH = 112
INDENT = 30
LONGEST_SHAPE = 24
"""Characters of a flag's choices that are shown in place of the kind of its value."""

FLAGFILE = ("--flagfile=FILE", "read flags from a file, one a line; # begins a comment")


def sections_of_training() -> dict[str, type]:
    """The sections of flags that `etm_jax.train` takes, by their headings."""
    return {"run": RunOptions, **all_sections()}


def help_text(usage: str, sections: Mapping[str, type]) -> str:
    """The usage and every flag by section, with its default and where a variant's differs. An empty heading: none."""
    lines = [usage.strip()]
    for heading, kind in sections.items():
        lines += ["", f"{heading}:"] if heading else [""]
        for s in settings_of(kind):
            lines += _of_setting(s)
    return "\n".join([*lines, *([] if "" in sections else ["", "files of flags:"]), *_entry(*FLAGFILE)])


def explained(s: Setting) -> str:
    """What a setting is for, in one line, its choices included."""
    phrases = s.choice_phrases
    listed = "; ".join(f"{name}: {about}" for name, about in phrases.items() if about) or ", ".join(phrases)
    alone = f"; for --model={' or '.join(s.models)}" if s.models else ""
    return s.help + alone + (f" (one of {listed})" if listed else "")


def defaults(s: Setting) -> Iterator[tuple[str, Any]]:
    """The default, under an empty name, and that of every variant which has another."""
    yield "", s.default
    yield from ((v, row[s.name]) for v, row in VARIANTS.items() if row.get(s.name, s.default) != s.default)


def shown(value: Any) -> str:
    """A default as people read it; nothing for what is not given."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _of_setting(s: Setting) -> list[str]:
    phrases = s.choice_phrases
    choices = "|".join(phrases)
    kinds = {int: "N", float: "X", tuple: "N,N" if s.item is int else "NAME,NAME"}
    value = s.shown or kinds.get(s.kind) or (choices if choices and len(choices) < LONGEST_SHAPE else "TEXT")
    shape = f"--[no]{s.flag}" if s.kind is bool else f"--{s.flag}={value}"
    notes = [f"{variant or 'default'}: {shown(x)}" for variant, x in defaults(s) if variant or shown(x)]
    note = f" [{'; '.join(notes)}]" if notes else ""
    if any(phrases.values()):
        alone = [line for name, about in phrases.items() for line in _phrase(name, about)]
        return [*_entry(shape, s.help + note), *alone]
    return _entry(shape, (s.help if value == choices else explained(s)) + note)


def _phrase(name: str, about: str) -> list[str]:
    """A choice and what it stands for, below its flag."""
    rest = " " * (INDENT + 12)
    first = " " * (INDENT + 2) + f"{name:<9} "
    # Blanks within the name's column are no place to break a line.
    lines = textwrap.wrap("_" * len(first) + about, WIDTH, subsequent_indent=rest)
    return [first + lines[0][len(first) :], *lines[1:]]


def _entry(shape: str, text: str) -> list[str]:
    lines = textwrap.wrap(text, WIDTH - INDENT)
    head = f"  {shape}"
    if len(head) < INDENT:
        return [head.ljust(INDENT) + lines[0], *(" " * INDENT + line for line in lines[1:])]
    return [head, *(" " * INDENT + line for line in lines)]
