"""What a file holds, by its first lines: which form of documents, where its name does not say."""

import zlib
from pathlib import Path

from etm_jax.corpus.readers.count_files import COUNT_FILES
from etm_jax.corpus.readers.decode import open_binary
from etm_jax.corpus.readers.labelled import looks_label_text, looks_mallet
from etm_jax.corpus.readers.tagged import looks_glued, looks_tagged
from etm_jax.util.errors import UserError

_HEAD = 1 << 16
_LOOKS = {"label_text": looks_label_text, "mallet": looks_mallet, "tagged": looks_tagged}


def form_seen(path: Path, encoding: str) -> str:
    """The form that the beginning of a file looks like; empty where it looks like none but lines of text."""
    lines = _first_lines(path, encoding)
    if not lines:
        return ""
    counts = next((form for form, (_, _, looks) in COUNT_FILES.items() if looks(lines)), "")
    return counts or next((form for form, looks in _LOOKS.items() if looks(lines)), "")


def has_glued_tags(path: Path, encoding: str) -> bool:
    """Whether a file looks like words with tags that nothing parts from them, as 中国ns."""
    return looks_glued(_first_lines(path, encoding))


def _first_lines(path: Path, encoding: str) -> list[str]:
    try:
        with open_binary(path) as file:
            head = file.read(_HEAD)
        text = head.decode(encoding, "ignore").removeprefix("\ufeff")
    except (OSError, EOFError, zlib.error, LookupError, UserError, ValueError):
        # Whoever reads the file says what is wrong with it.
        return []
    lines = text.splitlines()
    whole = lines[:-1] if len(head) == _HEAD else lines
    return [line for line in whole if line.strip()]
