"""The exception for mistakes of the user."""

import re

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that a line of text cannot contain: controls, line ends, and surrogates, which UTF-8 cannot encode."""

_NOT_SHOWN = re.compile(f"{CONTROLS.pattern[:-1]}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Also what changes the direction of writing: a terminal then shows other characters first than stand first."""


def one_line(text: str) -> str:
    """The text as a terminal may show it: characters are escaped that would end the line, or command the terminal.

    Names from data can contain them.
    """
    return _NOT_SHOWN.sub(lambda found: repr(found[0])[1:-1], text)


class UserError(Exception):
    """An input of the user is invalid.

    The message is one line that names the flag or file, the value and the remedy. Entry points print it without a
    traceback and exit with status 2; library code raises it before anything is written.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
