"""The one exception that a person's own mistake raises."""

import re

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no line of text can hold: control characters, line ends, and surrogates, which have no UTF-8."""


def one_line(text: str) -> str:
    """The text with escapes for `CONTROLS`: names that come from data could end lines, or command a terminal."""
    return CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


class UserError(Exception):
    """Something the user gave cannot be used.

    The message is one line that names the flag or file, the value and the way out. Entry points print it without a
    traceback and exit with status 2; library code raises it before anything is written.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
