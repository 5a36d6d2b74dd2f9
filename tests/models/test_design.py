"""The columns that a formula makes of metadata."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline

from etm_jax.config.formula import parse_formula
from etm_jax.corpus.metadata import QUANTILES, MetaColumn, Metadata
from etm_jax.models.design import Design, check_design
from etm_jax.models.prevalence import scaled
from etm_jax.util.errors import UserError

RNG = np.random.default_rng(0)
X = np.sort(RNG.gamma(2, size=60)).astype(np.float32)
NUMBER = MetaColumn("x", "number", (), tuple(np.quantile(X.astype(float), np.linspace(0, 1, QUANTILES)).tolist()))
GROUP = MetaColumn("g", "category", ("a", "b", "c"))


def design(text: str, *columns: MetaColumn) -> Design:
    formula = parse_formula(text)
    return Design(formula, Metadata(columns).only(formula.fields))


def test_a_category_has_a_column_for_each_level_but_the_first():
    found = design("~ g", GROUP)
    assert found.column_names == ("g[b]", "g[c]")
    columns = np.asarray(found.columns({"g": np.array([0, 1, 2, -1], np.int32)}))
    np.testing.assert_array_equal(columns, [[0, 0], [1, 0], [0, 1], [np.nan, np.nan]])


def test_a_number_counts_from_the_least_to_the_largest():
    low, high = NUMBER.quantiles[0], NUMBER.quantiles[-1]
    columns = design("~ x", NUMBER).columns({"x": np.array([low, high, (low + high) / 2, np.nan], np.float32)})
    np.testing.assert_allclose(np.asarray(columns)[:, 0], [0, 1, 0.5, np.nan], atol=1e-6)


@pytest.mark.parametrize("num", [3, 5, 8])
def test_splines_are_those_of_scipy(num):
    inner = np.quantile(X.astype(float), np.linspace(0, 1, num - 1)[1:-1])
    # Knots come from the quantiles that are kept, between which the values are interpolated.
    inner = np.interp(np.linspace(0, 1, num - 1)[1:-1], np.linspace(0, 1, QUANTILES), NUMBER.quantiles)
    knots = np.concatenate([[X[0]] * 4, inner, [X[-1]] * 4])
    expected = BSpline.design_matrix(X.astype(float).clip(knots[0], knots[-1]), knots, 3).toarray()[:, 1:]
    found = np.asarray(design(f"~ s(x, {num})", NUMBER).columns({"x": X}))
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_beyond_the_ends_a_spline_is_what_it_is_there():
    at = np.array([X[0] - 5, X[0], X[-1], X[-1] + 5, np.nan], np.float32)
    found = np.asarray(design("~ s(x, 4)", NUMBER).columns({"x": at}))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[3], [0, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(found[2], found[3], atol=1e-6)
    assert np.isnan(found[4]).all()


def test_a_product_has_every_column_with_every_other():
    found = design("~ g:x", GROUP, NUMBER)
    assert found.column_names == ("g[b]:x", "g[c]:x")
    x = np.full(3, NUMBER.quantiles[-1], np.float32)
    columns = found.columns({"g": np.array([0, 1, 2], np.int32), "x": x})
    np.testing.assert_allclose(np.asarray(columns), [[0, 0], [1, 0], [0, 1]], atol=1e-6)


def test_a_missing_value_is_the_mean_once_columns_are_scaled():
    one = design("~ x", NUMBER)
    extras = {"x": np.array([np.nan, NUMBER.quantiles[-1]], np.float32)}
    found = scaled(one, extras, jnp.asarray([0.25]), jnp.asarray([0.5]))
    np.testing.assert_allclose(np.asarray(found), [[0], [1.5]], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("~ s(g)", GROUP, "takes a number or a date"),
        ("~ g", MetaColumn("g", "category", ("a",)), "'a' in all documents"),
        ("~ x", MetaColumn("x", "number", (), (2.0,) * QUANTILES), "the same in all documents"),
    ],
)
def test_what_a_field_cannot_give_is_said(text, column, said):
    with pytest.raises(UserError, match=said) as told:
        check_design(design(text, column), "--formula")
    assert str(told.value).startswith("--formula")
    assert "\n" not in str(told.value)
