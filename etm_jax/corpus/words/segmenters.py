"""The segmenters: what each is called, costs and needs."""

import importlib
import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from etm_jax.corpus.words.normalize import chunks
from etm_jax.corpus.words.pkuseg.decoder import LONGEST_PIECE, Decoder
from etm_jax.corpus.words.pkuseg.files import find_model, no_model
from etm_jax.corpus.words.pkuseg.tables_file import load_tables
from etm_jax.corpus.words.unicode_words import EARLIER_WORDS, earlier_words, unicode_words, words_version
from etm_jax.corpus.words.user_dict import NO_WORDS, UserDict
from etm_jax.corpus.words.with_user_dict import around, jieba_with, rjieba_with
from etm_jax.util.errors import UserError
from etm_jax.util.extras import missing
from etm_jax.util.plain_pickle import load_plain_pickle

PKUSEG = ("pkuseg", "pkuseg_reference", "spacy_pkuseg")
"""Segmenters with a trained model, which looks at the characters around a word, punctuation included."""

Segment = Callable[[str], list[str]]


class Cost(NamedTuple):
    """What a process of a segmenter costs: the time to start, its speed, and its memory. Measured on one core."""

    seconds_to_start: float
    chars_per_second: float
    gigabytes: float


# Segmenters that are not listed are so fast that another process would save no time.
COSTS = {
    "pkuseg": Cost(0.5, 1_000_000, 0.2),
    "pkuseg_reference": Cost(5.0, 25_000, 0.9),
    "spacy_pkuseg": Cost(5.0, 25_000, 0.9),
    "jieba": Cost(1.5, 150_000, 0.2),
}
_DISTRIBUTIONS = {
    "pkuseg": "pkuseg",
    "pkuseg_reference": "pkuseg",
    "rjieba": "rjieba",
    "jieba": "jieba",
    "spacy_pkuseg": "spacy-pkuseg",
}


def segmenter_version(name: str, model_folder: str = "") -> str:
    """Name and version, e.g. `pkuseg 0.0.25`, without loading it.

    model_folder: of a model of the user's. Raises UserError where the package is missing.
    """
    if name in ("words", EARLIER_WORDS):
        return words_version(name)
    if name not in _DISTRIBUTIONS:
        return name
    try:
        return f"{name} {importlib.metadata.version(_DISTRIBUTIONS[name])}"
    except importlib.metadata.PackageNotFoundError as error:
        if name == "pkuseg" and model_folder and importlib.util.find_spec("spacy_pkuseg"):
            return f"{name} with the dictionary of spacy-pkuseg {importlib.metadata.version('spacy-pkuseg')}"
        raise UserError(_missing(name)) from error


def make_segmenter(name: str, model_folder: str = "", digits: bool = False, user_dict: UserDict = NO_WORDS) -> Segment:
    """A function from a text to its words in order, including punctuation.

    name: one of the choices of --segmenter except `gold`. model_folder: for those of `PKUSEG`, of another model.
    digits: whether they are part of words, which `words` has to know. user_dict: words to keep whole, at which `words`
    does not look. Raises UserError where the package or the model cannot be used.
    """
    if name == "words":
        return unicode_words(digits)
    if name == EARLIER_WORDS:
        return earlier_words
    if name == "whitespace":
        return lambda text: user_dict.match.joined(text.split())
    segmenter_version(name, model_folder)
    if name == "pkuseg":
        decoder = pkuseg_decoder(model_folder, user_dict)
        return lambda text: next(decoder.cut_texts([text]).lists())
    try:
        package: Any = importlib.import_module(_DISTRIBUTIONS[name].replace("-", "_"))
    except ImportError as error:
        if name == "pkuseg_reference":
            raise UserError(
                f"--segmenter={name} needs pkuseg compiled, of which only the model is installed ({error}); "
                "BUILD.md says how to compile it, and --segmenter=pkuseg gives the same words"
            ) from error
        raise UserError(f"--segmenter={name} is installed but does not import ({error}); reinstall it") from error
    if name == "rjieba":
        return rjieba_with(package, user_dict)
    if name == "jieba":
        package.setLogLevel(logging.WARNING)
        return jieba_with(package, user_dict)
    ships_model = name == "pkuseg_reference" and not model_folder
    cut = package.pkuseg().cut if ships_model else package.pkuseg(_checked_model(model_folder)).cut
    # Long text is parted after the dictionary, of whose words none is to be parted.
    return around(user_dict.match, lambda text: [word for part in chunks(text, LONGEST_PIECE) for word in cut(part)])


def pkuseg_decoder(model_folder: str, user_dict: UserDict = NO_WORDS) -> Decoder:
    """What `pkuseg` cuts by, for many texts at a time. Raises UserError where the model cannot be used."""
    return Decoder(load_tables(find_model(model_folder)), user_dict.match)


def _checked_model(folder: str) -> str:
    """The folder, if it holds a pkuseg model of plain values. Raises UserError where it does not."""
    if not folder:
        raise UserError("--segmenter=spacy_pkuseg comes without a model; give the folder of one with --segmenter_model")
    pickled = Path(folder, "features.pkl")
    if Path(folder, "features.msgpack").is_file():
        return folder
    if not pickled.is_file():
        raise UserError(
            f"--segmenter_model={folder} holds neither features.msgpack nor features.pkl; give the folder of a model"
        )
    # spacy_pkuseg unpickles this file, so nothing in it may run code.
    load_plain_pickle(pickled)
    return folder


def _missing(name: str) -> str:
    """The message for a segmenter whose package is missing."""
    if name == "pkuseg":
        return no_model()
    if name == "pkuseg_reference":
        return missing("pkuseg", "--segmenter=pkuseg_reference", "BUILD.md says how to compile it")
    return missing(name, f"--segmenter={name}", "pip install 'etm_jax[zh]', or give another segmenter")
