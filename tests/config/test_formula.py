"""Formulas of metadata: what they mean, and what is none."""

import pytest

from etm_jax.config.formula import Factor, parse_formula
from etm_jax.util.errors import UserError


def test_terms_are_read_in_order_each_once():
    formula = parse_formula("~ source + s(date, 4) + source + source:length")
    source, length = Factor("source"), Factor("length")
    assert formula.terms == ((source,), (Factor("date", 4),), (source, length))
    assert formula.fields == ("source", "date", "length")
    assert str(formula) == "~ source + s(date, 4) + source:length"


def test_a_star_is_both_and_their_product():
    assert parse_formula("~ a*b").terms == parse_formula("~ a + b + a:b").terms
    assert len(parse_formula("~ a*b*c").terms) == 7


def test_what_is_written_is_read_again():
    for text in ("~ 1 + a", "~ `two words` + s(`Δ t`)", "~来源 + s(日期, 6)", "~ s + s:s(s, 3)"):
        formula = parse_formula(text)
        assert parse_formula(str(formula)) == formula


def test_a_spline_has_five_columns_where_no_number_stands():
    assert parse_formula("~ s(x)").terms == ((Factor("x", 5),),)


@pytest.mark.parametrize(
    "text",
    ["", "~", "~ +", "~ a b", "~ a +", "~ s(a", "~ s(a, b)", "~ a:", "~ 1", "~ 2", "~ s(a, 2)", "~ s(a, 99)"],
)
def test_what_is_no_formula_is_said_in_one_line(text):
    with pytest.raises(UserError) as told:
        parse_formula(text, "--formula")
    assert "\n" not in str(told.value)
    assert str(told.value).startswith(f"--formula={text}") or text == ""


def test_the_tilde_may_be_left_out():
    assert parse_formula("a + b") == parse_formula("~ a + b")
