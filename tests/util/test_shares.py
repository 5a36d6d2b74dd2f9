"""Shares of whole numbers, at equality."""

from fractions import Fraction

from etm_jax.util.shares import most_within, nearest_part


def test_a_part_that_is_exactly_the_share_is_within_it() -> None:
    assert int(0.29 * 100) == 28
    assert most_within(0.29, 100) == 29
    for whole in (7, 10, 100, 999, 1000):
        for part in range(whole + 1):
            assert most_within(part / whole, whole) == part
    for hundredths in range(101):
        for whole in (1, 3, 50, 100, 123, 1000):
            assert most_within(hundredths / 100, whole) == hundredths * whole // 100


def test_the_nearest_part_is_that_of_the_decimals() -> None:
    assert round(0.575 * 100) == 57
    assert nearest_part(0.575, 100) == 58
    for thousandths in range(1001):
        for whole in (1, 50, 100, 999):
            assert nearest_part(thousandths / 1000, whole) == round(Fraction(thousandths, 1000) * whole)
