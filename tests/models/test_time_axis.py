"""The periods of a date or number, and which one a document is of."""

import datetime

import jax.numpy as jnp
import numpy as np
import pytest

from etm_jax.corpus.metadata import QUANTILES, MetaColumn, Metadata
from etm_jax.models.time_axis import MOST_PERIODS, TimeAxis, time_axis
from etm_jax.util.errors import UserError


def days(text: str) -> float:
    return float((datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days)


def column(low: float, high: float, kind: str = "date") -> MetaColumn:
    return MetaColumn("when", kind, quantiles=tuple(np.linspace(low, high, QUANTILES).tolist()))  # type: ignore[arg-type]


def test_months_without_documents_are_periods_too() -> None:
    axis = time_axis(column(days("2023-11-20"), days("2024-02-03")), "month")
    assert axis.names == ("2023-11", "2023-12", "2024-01", "2024-02")
    assert axis.starts[1:] == (days("2023-12-01"), days("2024-01-01"), days("2024-02-01"))


@pytest.mark.parametrize(
    ("unit", "names"),
    [("year", ("2023", "2024")), ("quarter", ("2023-Q4", "2024-Q1")), ("week", ("2023-W52", "2024-W01", "2024-W02"))],
)
def test_units_are_those_of_the_calendar(unit: str, names: tuple[str, ...]) -> None:
    assert time_axis(column(days("2023-12-29"), days("2024-01-08")), unit).names == names


def test_auto_takes_the_unit_that_fits() -> None:
    assert len(time_axis(column(days("2024-01-01"), days("2024-01-31")), "auto")) == 31
    assert time_axis(column(days("2020-01-05"), days("2024-01-31")), "auto").names[:2] == ("2020-01", "2020-02")


def test_numbers_have_steps_of_one_or_of_the_width() -> None:
    assert time_axis(column(1987, 1990, "number"), "auto").names == ("1987", "1988", "1989", "1990")
    assert time_axis(column(1987, 1994, "number"), "5").names == ("1985", "1990")
    assert time_axis(column(-3, 3, "number"), "2.5").starts == (-5.0, -2.5, 0.0, 2.5)


def test_a_document_is_of_the_period_that_its_value_lies_in() -> None:
    axis = TimeAxis((10.0, 20.0, 40.0), ("a", "b", "c"))
    values = jnp.asarray([-5.0, 10.0, 19.9, 20.0, 39.0, 40.0, 999.0, jnp.nan])
    np.testing.assert_array_equal(axis.period_of(values), [0, 0, 0, 1, 1, 2, 2, 3])


def test_steps_are_relative_to_their_mean() -> None:
    np.testing.assert_allclose(TimeAxis((10.0, 20.0, 40.0), ("a", "b", "c")).steps, [2 / 3, 4 / 3])


@pytest.mark.parametrize(
    ("of", "unit", "says"),
    [
        (MetaColumn("when", "category", ("a", "b")), "auto", "holds other than dates or numbers alone, such as 'a'"),
        (column(days("2024-01-01"), days("2024-01-31")), "month", "of one period, 2024-01"),
        (MetaColumn("when", "category", ("2024-01-01", "n/a")), "auto", "such as 'n/a'"),
        (column(0, 10**7, "number"), "1", f"more than {MOST_PERIODS:,} periods"),
        (column(0, 10, "number"), "month", "--time_bin=month is no width"),
        (column(0, 10, "number"), "-1", "--time_bin=-1 is no width"),
        (column(days("2024-01-01"), days("2024-03-31")), "7", "--time_bin=7 is not one of auto, day"),
    ],
)
def test_what_gives_no_periods_is_one_line(of: MetaColumn, unit: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        time_axis(of, unit)


def test_quantiles_survive_json() -> None:
    metadata = Metadata((column(1.5, 2.5, "number"), MetaColumn("s", "category", ("a", "b"))))
    assert Metadata.from_json(metadata.to_json()) == metadata
    with pytest.raises(ValueError, match="quantiles"):
        Metadata.from_json([{"name": "a", "kind": "number", "levels": [], "quantiles": [1.0]}])
