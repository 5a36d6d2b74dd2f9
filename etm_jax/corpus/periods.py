"""Periods of time that dates fall into. Their names sort as text."""

import datetime
from collections.abc import Callable, Sequence

PERIODS: dict[str, Callable[[datetime.date], str]] = {
    "day": lambda date: date.isoformat(),
    "week": lambda date: "{:04}-W{:02}".format(*date.isocalendar()),
    "month": lambda date: date.isoformat()[:7],
    "quarter": lambda date: f"{date.year:04}-Q{(date.month + 2) // 3}",
    "year": lambda date: date.isoformat()[:4],
}
"""The period of a date, by the unit of time. Weeks are those of ISO 8601."""

MOST_DAYS, MOST_MONTHS = 62, 366 * 6
"""Days from the first date to the last up to which time is shown by day, and by month or week."""


def fitting_periods(dates: Sequence[datetime.date]) -> tuple[str, list[str]]:
    """The unit of time that fits at least one date, and the period of each of them.

    Where all dates are the first days of years, of quarters or of ISO weeks, as `parse_date` makes them of 2024, 2024Q3
    and 2024-W05, they are these; otherwise days, months or years, depending on the time span.
    """
    span = (max(dates) - min(dates)).days
    if all((date.month, date.day) == (1, 1) for date in dates):
        unit = "year"
    elif all(date.month % 3 == 1 and date.day == 1 for date in dates):
        unit = "quarter"
    elif span <= MOST_MONTHS and all(date.weekday() == 0 for date in dates):
        unit = "week"
    else:
        unit = "day" if span <= MOST_DAYS else "month" if span <= MOST_MONTHS else "year"
    return unit, list(map(PERIODS[unit], dates))
