"""Metadata that Python hands over with documents, as the text that a corpus keeps of it."""

import datetime
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from etm_jax.corpus.given import is_missing
from etm_jax.util.errors import UserError


def meta_as_text(meta: Any, num_docs: int) -> dict[str, list[str]]:
    """Fields as text, "" for none. meta: a mapping of fields to D values, or a table with a row a document; or None.

    Dates of Python, numpy and pandas are written as 2024-05-31. Raises UserError for another number of values.
    """
    if meta is None:
        return {}
    if not isinstance(meta, Mapping) and not hasattr(meta, "columns"):
        raise UserError("meta is to be a mapping of fields to a value for each document, or a table with their columns")
    found = {}
    for name in meta.columns if hasattr(meta, "columns") else meta:
        if not isinstance(name, str) or not name or "," in name:
            raise UserError(f"meta: the name of a field is {name!r}; give text without commas")
        values = meta[name]
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise UserError(f"meta[{name!r}] is no list of values; give one for each of the {num_docs:,} documents")
        texts = list(map(_as_text, values))
        if len(texts) != num_docs:
            raise UserError(f"meta[{name!r}] has {len(texts):,} values for {num_docs:,} documents; give one for each")
        found[name] = texts
    return found


def _as_text(value: Any) -> str:
    if is_missing(value) or (isinstance(value, np.datetime64) and bool(np.isnat(value))):
        return ""
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[D]"))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, Real) and not isinstance(value, Integral | bool | np.bool_):
        return repr(float(value))
    return " ".join(str(value).split())
