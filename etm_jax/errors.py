"""The one exception that a person's own mistake raises."""


class UserError(Exception):
    """Something the user gave cannot be used.

    The message is one line that names the flag or file, the value and the way out. Entry points print it without a
    traceback and exit with status 2; library code raises it before anything is written.
    """
