"""Formulas of what is known of documents, as `~ source + s(date, 5) + source:length`.

The grammar is R's as far as a prior needs it: terms between `+`, `a:b` for the product of two, `a*b` for both and their
product. A factor is a field of the documents, `s(field, n)` for a spline of a number or date with n columns, and a name
that is no word stands between backticks. There is an intercept always. Nothing of a formula is evaluated as a program:
one can come with a model from anywhere.
"""

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache

from etm_jax.util.errors import UserError

SPLINE_COLUMNS = 5
"""Columns of `s(field)`: a cubic with two knots inside."""

DEGREE = 3
"""Of splines: the least number of columns that one can have."""

MOST_COLUMNS = 30
"""Of a spline."""

_TOKEN = re.compile(r"\s*(?:`([^`]*)`|([^\W\d][\w.]*)|(\d+(?:\.\d+)?)|(\S))")


@dataclass(frozen=True)
class Factor:
    """A field of documents. spline: the columns of its spline; 0 for the field as it is."""

    field: str
    spline: int = 0

    def __str__(self) -> str:
        name = self.field if re.fullmatch(r"[^\W\d][\w.]*", self.field) else f"`{self.field}`"
        return f"s({name}, {self.spline})" if self.spline else name


Term = tuple[Factor, ...]
"""The product of its factors."""


@dataclass(frozen=True)
class Formula:
    """terms: in order, each once."""

    terms: tuple[Term, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it reads, in order, each once."""
        return tuple(dict.fromkeys(factor.field for term in self.terms for factor in term))

    def __str__(self) -> str:
        return "~ " + " + ".join(":".join(map(str, term)) for term in self.terms)


class _Reader:
    """Reads one formula from left to right."""

    def __init__(self, text: str, flag: str) -> None:
        self._text, self._flag = text, flag
        # Each with its kind (name, number or sign) and the place where it begins.
        self._tokens: list[tuple[str, str, int]] = []
        for match in _TOKEN.finditer(text):
            group = match.lastindex or 0
            self._tokens.append((("", "name", "name", "number", "sign")[group], match[group], match.start(group)))
        self._next = 0

    def formula(self) -> Formula:
        self._take("~")
        if self._tokens[self._next : self._next + 2] and self._tokens[self._next][1] == "1":
            # The intercept, which there is always.
            self._next += 1
            if not self._take("+"):
                raise self._error("a + and a term")
        terms = [self._product()]
        while self._take("+"):
            terms.append(self._product())
        if self._next < len(self._tokens):
            raise self._error("a + between terms, or nothing,")
        found = dict.fromkeys(itertools.chain.from_iterable(terms))
        return Formula(tuple(found))

    def _product(self) -> list[Term]:
        """The terms of `a*b`, or the one of `a:b`."""
        terms: list[Term] = [self._interaction()]
        while self._take("*"):
            factor = self._interaction()
            terms = [*terms, factor, *((*term, *factor) for term in terms)]
        return terms

    def _interaction(self) -> Term:
        factors = [self._factor()]
        while self._take(":"):
            factors.append(self._factor())
        return tuple(dict.fromkeys(factors))

    def _factor(self) -> Factor:
        name = self._of_kind("name", "the name of a field")
        if name != "s" or not self._take("("):
            return Factor(name)
        field = self._of_kind("name", "the name of a field")
        given = self._of_kind("number", "a number of columns") if self._take(",") else str(SPLINE_COLUMNS)
        if not (given.isdecimal() and DEGREE <= int(given) <= MOST_COLUMNS):
            raise UserError(
                f"{self._flag}={self._text}: s({field}, {given}) is out of range; give a whole number of columns, "
                f"{DEGREE} to {MOST_COLUMNS}"
            )
        columns = int(given)
        if not self._take(")"):
            raise self._error("a )")
        return Factor(field, columns)

    def _take(self, sign: str) -> bool:
        """Whether this sign comes next, which is then passed."""
        found = self._next < len(self._tokens) and self._tokens[self._next][:2] == ("sign", sign)
        self._next += found
        return found

    def _of_kind(self, kind: str, what: str) -> str:
        if self._next == len(self._tokens) or self._tokens[self._next][0] != kind:
            raise self._error(what)
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _error(self, expected: str) -> UserError:
        at_end = self._next == len(self._tokens)
        where = "at its end" if at_end else f"at {self._text[self._tokens[self._next][2] :]!r}"
        return UserError(
            f"{self._flag}={self._text} is no formula such as '~ source + s(date, 5)': {expected} is missing {where}; "
            "it has fields, s(field, n), + : and *, and an intercept always"
        )


@lru_cache
def parse_formula(text: str, flag: str = "--prevalence") -> Formula:
    """The formula that a text is. flag: whose value it is, for messages. Raises UserError where it is none."""
    return _Reader(text, flag).formula()
