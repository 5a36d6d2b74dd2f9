"""Where the files of a pkuseg model are. pkuseg itself is not imported."""

import os
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from etm_jax.util.errors import UserError

DOMAINS = ("medicine", "news", "tourism", "web")
"""Models that pkuseg downloads into a folder of its own, $PKUSEG_HOME or ~/.pkuseg."""

FEATURES = ("features.msgpack", "features.pkl")
"""What spacy-pkuseg and pkuseg write."""

_DICTIONARY = Path("dicts", "default.pkl")


class ModelFiles(NamedTuple):
    """features: one of `FEATURES`; dictionaries: of the words that pieces are joined to."""

    features: Path
    weights: Path
    dictionaries: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """The files that decide the words, in a fixed order."""
        return (self.features, self.weights, *self.dictionaries)


def find_model(folder: str = "") -> ModelFiles:
    """The files of the model in a folder, of one of `DOMAINS`, or of the model that pkuseg ships.

    Raises UserError where they are not there.
    """
    if not folder:
        place = in_package("pkuseg", Path("models", "default"))
        if place is None:
            raise UserError(no_model())
    else:
        place = model_folder(folder)
    features = next((place / name for name in FEATURES if (place / name).is_file()), None)
    if features is None or not (place / "weights.npz").is_file():
        raise UserError(
            f"--segmenter_model={folder}: {place} holds no model of pkuseg, which is weights.npz beside "
            f"{' or '.join(FEATURES)}; give the folder of one"
        )
    common = in_package("pkuseg", _DICTIONARY) or in_package("spacy_pkuseg", _DICTIONARY)
    if common is None:
        raise UserError(no_model())
    own = place / f"{place.name}_dict.pkl"  # The domains medicine and tourism have one.
    return ModelFiles(features, place / "weights.npz", (own, common) if own.is_file() else (common,))


def model_folder(given: str) -> Path:
    """The folder that --segmenter_model names: a path, or the place of one of `DOMAINS`.

    Raises UserError for a domain that pkuseg has not downloaded.
    """
    path = Path(given).expanduser()
    if given not in DOMAINS or path.exists():
        return path
    place = Path(os.environ.get("PKUSEG_HOME", "~/.pkuseg")).expanduser() / given
    if not place.is_dir():
        raise UserError(
            f"--segmenter_model={given} is a model that pkuseg downloads, and is not in {place}; unpack it there, or "
            f"let pkuseg, compiled, do so: python -c \"import pkuseg; pkuseg.pkuseg(model_name='{given}')\""
        )
    return place


def in_package(package: str, inside: Path) -> Path | None:
    """A file or folder inside an installed package; None where it is not there."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (Path(folder) / inside).exists():
            return Path(folder) / inside
    return None


def no_model() -> str:
    """What is missing where pkuseg is not installed, and the command that brings it without building it."""
    return (
        "--segmenter=pkuseg, the default for Chinese, needs the model in the package pkuseg, which is not installed; "
        "no compiler is needed for it: pip install --no-deps --only-binary=:all: --implementation=cp "
        "--python-version=37 --abi=cp37m --platform=manylinux1_x86_64 "
        f"--target={sysconfig.get_path('purelib')} pkuseg==0.0.25; for English text give --lang=en"
    )
