"""What a formula makes of documents' metadata: a row of numbers for each of them.

The batch has the fields as numbers already, so that rows are made where they are used, inside the compiled step: of
documents in memory, in shards and on any mesh alike. Shapes: B documents, P columns.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.config.formula import DEGREE, Factor, Formula, Term
from etm_jax.corpus.metadata import QUANTILES, MetaColumn, Metadata
from etm_jax.ops import sparse
from etm_jax.util.errors import UserError


class Design(NamedTuple):
    """A formula on the fields that it reads, of `Metadata.of_model`. Hashable."""

    formula: Formula
    metadata: Metadata

    @property
    def column_names(self) -> tuple[str, ...]:
        """P names, as `source[新华社]`, `length`, `s(date, 5)[2]`, `source[新华社]:length`."""
        return tuple(name for term in self.formula.terms for name in self._names(term))

    def columns(self, extras: Mapping[str, sparse.Array]) -> jax.Array:
        """The columns as they are, NaN where a document lacks a field of their term: extras [B] by field → [B, P].

        A category has a column for each of its levels but the first, 1 for documents of that level. A number or date
        counts from the least to the largest in the documents to train on, as 0 to 1. s(x, n) are the n cubic B-splines
        with knots at quantiles, without the first one, as in R's `bs`; beyond the ends they are what they are there.
        """
        return jnp.concatenate([self._columns(term, extras) for term in self.formula.terms], axis=1)

    def _column(self, name: str) -> MetaColumn:
        return next(column for column in self.metadata.columns if column.name == name)

    def _names(self, term: Term) -> Iterator[str]:
        found = [""]
        for factor in term:
            column, name = self._column(factor.field), str(factor)
            if factor.spline:
                parts = [f"{name}[{i + 1}]" for i in range(factor.spline)]
            else:
                parts = [f"{name}[{level}]" for level in column.levels[1:]] if column.levels else [name]
            found = [f"{before}:{part}" if before else part for before in found for part in parts]
        yield from found

    def _columns(self, term: Term, extras: Mapping[str, sparse.Array]) -> jax.Array:
        found: jax.Array | None = None
        for factor in term:
            one = self._factor(factor, jnp.asarray(extras[factor.field]))
            found = one if found is None else (found[:, :, None] * one[:, None, :]).reshape(len(one), -1)
        assert found is not None
        return found

    def _factor(self, factor: Factor, values: jax.Array) -> jax.Array:
        column = self._column(factor.field)
        if column.kind == "category":
            present = values[:, None] >= 0
            return jnp.where(present, values[:, None] == jnp.arange(1, len(column.levels))[None], jnp.nan)
        low, high = column.quantiles[0], column.quantiles[-1]
        share = (values - low) / float(max(high - low, 1e-30))
        return _spline(share, _knots(column, factor.spline)) if factor.spline else share[:, None]


def check_design(design: Design, flag: str = "--prevalence") -> None:
    """Raise UserError where a formula asks of a field what it has not. flag: whose value the formula is."""
    for factor in (factor for term in design.formula.terms for factor in term):
        column = next(column for column in design.metadata.columns if column.name == factor.field)
        if column.kind == "category":
            if factor.spline:
                raise UserError(
                    f"{flag}: s({factor.field}) takes a number or a date, and {column.describe()} is neither; write "
                    f"{factor.field} alone"
                )
            if len(column.levels) == 1:
                raise UserError(
                    f"{flag}: {factor.field} is {column.levels[0]!r} in all documents to train on, which explains "
                    "nothing; leave it out"
                )
        elif column.quantiles[0] == column.quantiles[-1]:
            raise UserError(
                f"{flag}: {factor.field} is the same in all documents to train on, which explains nothing; leave it out"
            )


def _knots(column: MetaColumn, num_columns: int) -> tuple[float, ...]:
    """Where the pieces of a spline meet, as shares of the way from the least to the largest: [n + 5].

    Inside at quantiles of the training documents' values; at the ends DEGREE + 1 times.
    """
    shares = np.linspace(0, 1, num_columns - DEGREE + 2)[1:-1]
    inner = np.interp(shares, np.linspace(0, 1, QUANTILES), column.quantiles)
    low, high = column.quantiles[0], column.quantiles[-1]
    ends = DEGREE + 1
    return (0.0,) * ends + tuple(((inner - low) / (high - low)).tolist()) + (1.0,) * ends


def _spline(share: jax.Array, knots: tuple[float, ...]) -> jax.Array:
    """B-splines but the first, by de Boor's recursion: [B] → [B, n], NaN for NaN."""
    x = jnp.clip(share, 0.0, 1.0)[:, None]
    t = jnp.asarray(knots, x.dtype)[None]
    # The last interval that is not empty holds its right end too.
    last = max(i for i in range(len(knots) - 1) if knots[i] < knots[i + 1])
    at_end = jnp.arange(len(knots) - 1)[None] == last
    basis = ((x >= t[:, :-1]) & ((x < t[:, 1:]) | (at_end & (x == t[:, 1:])))).astype(x.dtype)
    for degree in range(1, DEGREE + 1):
        left = _ratio(x - t[:, : -degree - 1], t[:, degree:-1] - t[:, : -degree - 1])
        right = _ratio(t[:, degree + 1 :] - x, t[:, degree + 1 :] - t[:, 1:-degree])
        basis = left * basis[:, :-1] + right * basis[:, 1:]
    return jnp.where(jnp.isnan(x), jnp.nan, basis[:, 1:])


def _ratio(over: jax.Array, under: jax.Array) -> jax.Array:
    """over / under, 0 where knots lie on each other."""
    return jnp.where(under > 0, over / jnp.where(under > 0, under, 1), 0)
