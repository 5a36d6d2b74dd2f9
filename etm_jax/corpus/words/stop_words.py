"""The words that --stopwords stands for: lists by name, files, and words themselves."""

import json
import os
import re
from pathlib import Path

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.words.phrases import spelled_from_text
from etm_jax.corpus.words.token_form import like_tokens
from etm_jax.util.errors import UserError
from etm_jax.util.reading import read_bounded

NAMED = ("zh", "en")
"""Lists in this package, made by `experiments/stop_word_lists.py` from the counts of corpora."""

_COMMA = re.compile("[,，]")
_FILE_NAME = re.compile(r".+\.(txt|json)", re.IGNORECASE)
_OR_ELSE = "zh or en, or words with commas between them, such as 的,了"


def named_list(name: str) -> list[str]:
    """The words of a list out of `NAMED`."""
    return Path(__file__).with_name(f"stop_words_{name}.txt").read_text("utf-8").split()


def one_file(given: str) -> Path | None:
    """The file that a value of --stopwords is, as it stands; None where it is nothing, names, several files, or words.

    A name is a name, whatever file there is. What has a comma in it is a file only where there is one. Raises UserError
    where the file is not there.
    """
    path = Path(given).expanduser()
    if not given or given in NAMED or (_COMMA.search(given) and not path.is_file()):
        return None
    if not path.exists():
        raise UserError(f"--stopwords={given} is not there; correct the path, or give {_OR_ELSE}")
    return path


def read_stop_words(config: CorpusConfig) -> frozenset[str]:
    """The words to drop, normalised and cleaned like the tokens that they have to match. config: resolved.

    Between commas stand names out of `NAMED`, files (with a / in them, or ending in .txt or .json), and words. With
    --phrases several words are the phrase that they are joined to. Raises UserError where a file cannot be read, or
    does not hold words.
    """
    file, as_token = one_file(config.stopwords), like_tokens(config)
    parts = _COMMA.split(config.stopwords)
    words = _in_file(file) if file else [word for part in parts for word in _in_part(part.strip())]
    if config.stopwords and not any(map(str.strip, words)):
        raise UserError(f"--stopwords={config.stopwords} has no words; give {_OR_ELSE}, or leave it out")
    if config.phrases:
        return frozenset(spelled_from_text(word, as_token) for word in words) - {""}
    return frozenset(map(as_token, words)) - {""}


def _in_part(part: str) -> list[str]:
    if part in NAMED:
        return named_list(part)
    if "/" in part or os.sep in part or _FILE_NAME.fullmatch(part):
        return _in_file(Path(part).expanduser())
    return [part]


def _in_file(path: Path) -> list[str]:
    """The words of a UTF-8 file: one a line, or a list in JSON where its name ends in .json."""
    try:
        text = read_bounded(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"--stopwords={path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except OSError as error:
        raise UserError(
            f"--stopwords={path} cannot be read ({error.strerror}); give a file of one word a line, {_OR_ELSE}"
        ) from error
    if path.suffix.lower() != ".json":
        return text.splitlines()
    try:
        words = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"--stopwords={path} is not JSON ({error}); give a list of words in JSON") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UserError(f'--stopwords={path} is no list of words; give one in JSON, such as ["的", "了"]')
    return words
