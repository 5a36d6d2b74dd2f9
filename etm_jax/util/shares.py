"""Shares of whole numbers, compared as the decimals that people write: 29 of 100 is a share of 0.29, and not more."""

from fractions import Fraction


def most_within(share: float, whole: int) -> int:
    """The largest n of 0 to `whole` that is no more than this share of it.

    `share * whole` cannot say it: 0.29 * 100 is 28.999999999999996. A quotient of whole numbers is rounded to the very
    float that its decimals are read as.
    """
    most = min(int(share * whole), whole)
    while most < whole and (most + 1) / whole <= share:
        most += 1
    while most and most / whole > share:
        most -= 1
    return most


def nearest_part(share: float, whole: int) -> int:
    """The whole number nearest to this share of `whole`; of two that are as near, the even one."""
    return round(Fraction(repr(float(share))) * whole)
